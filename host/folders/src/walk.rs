//! From the root to a folder, one descriptor after the other.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, fsync, mkdirat, openat, readlinkat};
use rustix::io::Errno;

use super::{Access, FolderError, failed, rules};

/// Links on one path; as many as Linux follows.
const MOST_LINKS: usize = 40;

/// What becomes of a folder that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Refused,
    Made,
}

/// One part of a path, opened, and what its own descriptor says of it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) folder: OwnedFd,
    pub(super) stat: Stat,
}

impl Part {
    /// Opens a part and nothing behind it: a link is opened itself.
    pub(super) fn open(within: impl AsFd, name: &OsStr) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(within, name, flags, Mode::empty())?;
        let stat = fstat(&folder)?;
        Ok(Self { folder, stat })
    }

    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Where a walk is.
struct Walk {
    /// From the root to here. `..` goes back to a part that was judged before.
    behind: Vec<(Part, OsString)>,
    ahead: VecDeque<OsString>,
    links: usize,
    missing: Missing,
    access: Access,
}

/// Walks to a folder. Every part above it is safe; the caller judges the
/// folder itself. Returns its path without links, too.
pub(super) fn walk(
    path: &Path,
    missing: Missing,
    access: Access,
) -> Result<(Part, PathBuf), FolderError> {
    let absolute = std::path::absolute(path).map_err(failed(path, "found"))?;
    let ahead = parts(&absolute);
    let mut walk = Walk { behind: Vec::new(), ahead, links: 0, missing, access };
    let root = Part::open(CWD, OsStr::new("/"));
    let root = root.map_err(|error| failed(Path::new("/"), "opened")(error.into()))?;
    walk.behind.push((root, OsString::new()));
    while let Some(name) = walk.ahead.pop_front() {
        if name == ".." {
            walk.up();
        } else {
            walk.down(name)?;
        }
    }
    let path = walk.path();
    let here = walk.behind.pop().ok_or_else(|| FolderError::Missing(path.clone()))?;
    Ok((here.0, path))
}

/// The parts of a path below the root.
fn parts(path: &Path) -> VecDeque<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

impl Walk {
    fn path(&self) -> PathBuf {
        let names = self.behind.iter().skip(1).map(|(_, name)| name);
        Path::new("/").join(names.collect::<PathBuf>())
    }

    /// The root is above itself.
    fn up(&mut self) {
        if self.behind.len() > 1 {
            self.behind.pop();
        }
    }

    fn down(&mut self, name: OsString) -> Result<(), FolderError> {
        let path = self.path();
        let Some((here, _)) = self.behind.last() else { return Err(FolderError::Missing(path)) };
        let below = path.join(&name);
        let next = match Part::open(&here.folder, &name) {
            Err(Errno::NOENT) if self.missing == Missing::Made => {
                // Nothing is made where another user could take it away.
                rules::check_above(&here.stat, &path, None, &below, self.access)?;
                make(here, &name).map_err(failed(&below, "made"))?
            }
            Err(Errno::NOENT) => return Err(FolderError::Missing(below)),
            opened => opened.map_err(|error| failed(&below, "opened")(error.into()))?,
        };
        rules::check_above(&here.stat, &path, Some(&next.stat), &below, self.access)?;
        match next.kind() {
            FileType::Directory => self.behind.push((next, name)),
            FileType::Symlink => self.follow(&next, &below)?,
            _ => return Err(failed(&below, "opened")(Errno::NOTDIR.into())),
        }
        Ok(())
    }

    /// Continues where a link leads. The users who can change the link were
    /// judged with the folder that it lies in.
    fn follow(&mut self, link: &Part, path: &Path) -> Result<(), FolderError> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(failed(path, "followed")(Errno::LOOP.into()));
        }
        let target = readlinkat(&link.folder, "", Vec::new());
        let target = target.map_err(|error| failed(path, "followed")(error.into()))?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.behind.truncate(1);
        }
        for name in parts(&target).into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(())
    }
}

/// Makes a folder closed to others. It lasts: what is promised to be in it must
/// not go with it when power is lost.
fn make(within: &Part, name: &OsStr) -> io::Result<Part> {
    match mkdirat(&within.folder, name, Mode::RWXU) {
        // Another process may have made it meanwhile; it is judged all the same.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fsync(openat(&within.folder, OsStr::from_bytes(b"."), flags, Mode::empty())?)?;
    Ok(Part::open(&within.folder, name)?)
}
