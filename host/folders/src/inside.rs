//! What lies in a folder: looked up from its descriptor, never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::walk::Part;
use super::{FolderError, OwnFolder, failed, rules};

/// Opens what is in a folder, and neither waits for a pipe nor follows a link.
const CAREFULLY: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

impl OwnFolder {
    /// A folder in this one, made where it is missing. It must be this user's,
    /// and no link.
    ///
    /// # Errors
    /// `Unsafe`, `Failed`.
    pub fn make_in(&self, name: &str) -> Result<OwnFolder, FolderError> {
        let failed = || self.failed(Path::new(name), "made");
        match mkdirat(&self.folder, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed()(error.into())),
        }
        let part = Part::open(&self.folder, OsStr::new(name));
        let part = part.map_err(|error| failed()(error.into()))?;
        let path = self.path.join(name);
        rules::check_inside(&part.stat, &path, self.owner)?;
        match part.kind() {
            FileType::Directory => Ok(OwnFolder { folder: part.folder, path, owner: self.owner }),
            _ => Err(failed()(Errno::NOTDIR.into())),
        }
    }

    /// A file in this folder, opened to be read and written, made where it is
    /// missing.
    ///
    /// # Errors
    /// `Unsafe` when it is another user's; `Failed`.
    pub fn open_or_make(&self, name: &str) -> Result<File, FolderError> {
        let flags = CAREFULLY | OFlags::RDWR | OFlags::CREATE;
        let file = openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR);
        let file =
            file.map_err(|error| self.failed(Path::new(name), "written to")(error.into()))?;
        self.checked(file.into(), Path::new(name))
    }

    /// A file in this folder, to be read.
    ///
    /// # Errors
    /// `Unsafe` when it is another user's; `Failed`.
    pub fn open_file(&self, name: &str) -> Result<File, FolderError> {
        let failed = self.failed(Path::new(name), "read");
        let file = openat(&self.folder, name, CAREFULLY | OFlags::RDONLY, Mode::empty());
        let file = file.map_err(|error| match error {
            // A link itself is not opened.
            Errno::LOOP => failed(io::Error::other("it is a link; put the file itself there")),
            error => failed(error.into()),
        });
        self.checked(file?.into(), Path::new(name))
    }

    /// All that is in a file below this folder. No part of the way to it may be
    /// a link or another user's.
    ///
    /// # Errors
    /// `Unsafe`, `Failed`.
    pub fn read_below(&self, file: &Path) -> Result<Vec<u8>, FolderError> {
        let failed = || self.failed(file, "read");
        if file.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(failed()(Errno::INVAL.into()));
        }
        let mut folder = None;
        let mut parts = file.iter().peekable();
        while let Some(name) = parts.next() {
            let within = folder.as_ref().map_or(&self.folder, |part: &Part| &part.folder);
            if parts.peek().is_some() {
                let part = Part::open(within, name).map_err(|error| failed()(error.into()))?;
                rules::check_inside(&part.stat, &self.path.join(file), self.owner)?;
                folder = Some(part);
                continue;
            }
            let opened = openat(within, name, CAREFULLY | OFlags::RDONLY, Mode::empty());
            let opened = opened.map_err(|error| failed()(error.into()))?;
            let mut bytes = Vec::new();
            let read = self.checked(opened.into(), file)?.read_to_end(&mut bytes);
            return read.map(|_| bytes).map_err(failed());
        }
        Err(failed()(Errno::ISDIR.into()))
    }

    /// What is in a file of this folder that only its owner and root can change, but no
    /// more than one byte over `most`: that one tells a file that is too large.
    ///
    /// # Errors
    /// `Unsafe` when another user could change it; `Failed`.
    pub fn read_own(&self, name: &str, most: u64) -> Result<Vec<u8>, FolderError> {
        let file = self.open_own(name, "what it says would be granted")?;
        let failed = self.failed(Path::new(name), "read");
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Whether a file of this folder, which the host would run, is there and can be changed
    /// by its owner and root alone.
    ///
    /// # Errors
    /// `Unsafe` when another user could change it; `Failed`.
    pub fn check_code(&self, name: &str) -> Result<(), FolderError> {
        self.open_own(name, "the host would run what is in it").map(drop)
    }

    fn open_own(&self, name: &str, consequence: &str) -> Result<File, FolderError> {
        let file = self.open_file(name)?;
        let failed = self.failed(Path::new(name), "read");
        let found = fstat(&file).map_err(|error| failed(error.into()))?;
        rules::check_writers_of_file(&found, &self.path.join(name), consequence)?;
        Ok(file)
    }

    /// Writes a file of this folder so that a reader sees all of it or none.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_whole(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, bytes, false)
    }

    /// As [`write_whole`](Self::write_whole), and the file is on disk when this returns.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, bytes, true)
    }

    fn write(&self, name: &str, bytes: &[u8], is_synced: bool) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Others may write the same name at the same time; each has a temporary of its own.
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let temporary = format!("{name}.tmp-{process}-{next}");
        let flags = CAREFULLY | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file =
            File::from(openat(&self.folder, &*temporary, flags, Mode::RUSR | Mode::WUSR)?);
        let written = file
            .write_all(bytes)
            .and_then(|()| if is_synced { file.sync_all() } else { Ok(()) })
            .and_then(|()| Ok(renameat(&self.folder, &*temporary, &self.folder, name)?));
        if written.is_err() {
            // The first error is the one that tells.
            let _ = unlinkat(&self.folder, &*temporary, AtFlags::empty());
        }
        written?;
        if is_synced {
            // The name is in the folder, which is a file of its own. It was opened to look
            // things up, and is opened here to be synced.
            let flags = CAREFULLY | OFlags::RDONLY | OFlags::DIRECTORY;
            fsync(openat(&self.folder, ".", flags, Mode::empty())?)?;
        }
        Ok(())
    }

    /// Whether everything below this folder is this user's, a file or a folder, and
    /// can be changed by no other: nothing was put there while others could. A file
    /// has one name, since a user with another name of it could change it from outside. Of files that
    /// `is_note` names by their path, only the owner counts.
    ///
    /// # Errors
    /// `Unsafe` with the first that is not; `Failed`.
    pub fn check_below(&self, is_note: impl Fn(&Path) -> bool) -> Result<(), FolderError> {
        let mut ahead = vec![PathBuf::from(".")];
        while let Some(within) = ahead.pop() {
            for name in self.names(&within)? {
                let path = within.join(OsStr::from_bytes(&name));
                let part = match Part::open(&self.folder, path.as_os_str()) {
                    Err(Errno::NOENT) => continue, // Another host removes what is old.
                    opened => opened.map_err(|e| self.failed(&path, "opened")(e.into()))?,
                };
                let shown = self.path.join(path.strip_prefix(".").unwrap_or(&path));
                rules::check_inside(&part.stat, &shown, self.owner)?;
                let is_file = part.kind() == FileType::RegularFile;
                if is_file && is_note(&path) {
                    continue;
                }
                if is_file || part.kind() == FileType::Directory {
                    rules::check_writers(&part.stat, &shown)?;
                }
                match part.kind() {
                    FileType::Directory => ahead.push(path),
                    // One that is being replaced has none left.
                    FileType::RegularFile if part.stat.st_nlink <= 1 => {}
                    FileType::RegularFile => {
                        let (names, shown) = (part.stat.st_nlink, shown.display());
                        return Err(FolderError::Unsafe(format!(
                            "{shown} has {names} names (hard links), and could be changed under \
                             another one; remove it"
                        )));
                    }
                    _ => {
                        let shown = shown.display();
                        let message = format!("{shown} is neither a file nor a folder; remove it");
                        return Err(FolderError::Unsafe(message));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is in a folder below this one; nothing where it is gone.
    fn names(&self, within: &Path) -> Result<Vec<Vec<u8>>, FolderError> {
        let flags = CAREFULLY | OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = match openat(&self.folder, within, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            opened => opened.and_then(Dir::new),
        };
        let failed = || self.failed(within, "read");
        let mut names = Vec::new();
        for entry in opened.map_err(|error| failed()(error.into()))? {
            let entry = entry.map_err(|error| failed()(error.into()))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// A file that was opened, if it is one, and this user's.
    fn checked(&self, file: File, name: &Path) -> Result<File, FolderError> {
        let path = self.path.join(name);
        let found = fstat(&file).map_err(|error| failed(&path, "read")(error.into()))?;
        rules::check_inside(&found, &path, self.owner)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(file),
            _ => Err(failed(&path, "opened")(io::Error::other("it is not a file"))),
        }
    }
}
