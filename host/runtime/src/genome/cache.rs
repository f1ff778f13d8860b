//! The folder for compiled code, and what may be in it.
//!
//! wasmtime loads what it finds there as machine code. Whoever can write to
//! the folder can therefore run code as the host, so it must belong to the
//! host's user, be closed to everybody else, and lie where nobody else can
//! put another in its place.
//!
//! `code` is wasmtime's cache, which throws away what it does not know; so the
//! records are beside it in `known`, and each compiling child has a cache of
//! its own, from which it moves the finished code.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chimera_layer4_core::{Layer4Error, Layer4Result};

/// Compiled code kept; the oldest goes first.
const KEPT_BYTES: u64 = 4 << 30;

/// A folder for compiled code that is safe to load from.
#[derive(Clone, Debug)]
pub(crate) struct CompiledFolder(PathBuf);

impl CompiledFolder {
    /// wasmtime's cache.
    pub(crate) fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    /// Where the records are.
    pub(super) fn known(&self) -> PathBuf {
        self.0.join("known")
    }

    /// The cache of the child with this process id.
    pub(super) fn compiling(&self, process: u32) -> PathBuf {
        self.0.join(format!("compiling-{process}"))
    }

    /// Moves the code that a child left in its own cache to where the host
    /// looks for it. Returns its path within [`code`](Self::code).
    pub(super) fn adopt(&self, from: &Path) -> io::Result<PathBuf> {
        let missing = || io::Error::other("the compiled code could not be kept; is the disk full?");
        let found = files_below(from)?.into_iter().find(|file| file.extension().is_none());
        let found = found.ok_or_else(missing)?;
        let within = found.strip_prefix(from).map_err(|_| missing())?.to_path_buf();
        let target = self.code().join(&within);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&found, &target)?;
        fs::remove_dir_all(from)?;
        Ok(within)
    }

    /// Removes the oldest code beyond what is kept. A record without its code
    /// counts for nothing, so it may stay. Other hosts may prune meanwhile, so
    /// what is gone already is no error, and what cannot go now goes later.
    pub(super) fn prune(&self) {
        let files = files_below(&self.code()).unwrap_or_default();
        let mut files: Vec<_> =
            files.into_iter().filter_map(|file| Some((fs::metadata(&file).ok()?, file))).collect();
        files.sort_by_key(|(data, _)| std::cmp::Reverse(data.mtime()));
        let mut kept = 0;
        for (data, file) in files {
            kept += data.len();
            if kept > KEPT_BYTES {
                let _ = fs::remove_file(file);
            }
        }
    }
}

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

/// Makes the folder if need be and refuses one that others can write to.
pub(crate) fn open(folder: &Path) -> Layer4Result<CompiledFolder> {
    let wrong = |what: String| {
        let folder = folder.display();
        Layer4Error::Configuration(vec![format!("the folder for compiled code {folder} {what}")])
    };
    make(folder).map_err(|error| {
        wrong(format!("cannot be made: {error}; set `data_dir` to a folder of your own"))
    })?;
    let folder =
        fs::canonicalize(folder).map_err(|error| wrong(format!("cannot be opened: {error}")))?;
    let look =
        |path: &Path| fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")));
    check_own(&look(&folder)?).map_err(&wrong)?;
    if let Some(parent) = folder.parent() {
        check_parent(&look(parent)?, parent).map_err(&wrong)?;
    }
    let folder = CompiledFolder(folder);
    fs::create_dir_all(folder.code())
        .map_err(|error| wrong(format!("is not writable: {error}")))?;
    Ok(folder)
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    // Those above it too: tasks will lie there.
    if let Some(parent) = folder.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    DirBuilder::new().mode(0o700).create(folder).or_else(|error| {
        // Another host may have made it meanwhile.
        if folder.is_dir() { Ok(()) } else { Err(error) }
    })
}

fn check_own(found: &Metadata) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(format!(
            "belongs to user {}, and this is user {us}; compiled code runs with the host's rights, \
             so set `data_dir` to a folder of your own",
            found.uid()
        ));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "has mode {mode:o}, so others may have put code there, which would run with the host's \
             rights; remove the folder, it is made anew"
        ));
    }
    Ok(())
}

/// Who can write to the parent can put another folder in the place of ours,
/// unless the sticky bit keeps them from it.
fn check_parent(found: &Metadata, parent: &Path) -> Result<(), String> {
    const STICKY: u32 = 0o1000;
    if found.mode() & 0o022 == 0 || found.mode() & STICKY != 0 {
        return Ok(());
    }
    Err(format!(
        "lies in {}, where others can write (mode {:o}); set `data_dir` to a folder of your own",
        parent.display(),
        found.mode() & 0o777
    ))
}

/// Writes a file so that a reader sees all of it or none.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Others may write the same name at the same time; each has a temporary of its own.
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(format!("tmp-{process}-{next}"));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // The first error is the one that tells.
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_open_to_others_is_refused_with_the_remedy() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("compiled");
        let opened = open(&folder).unwrap();
        assert_eq!(fs::metadata(opened.0).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("has mode 770") && error.contains("remove the folder"), "{error}");
    }

    #[test]
    fn a_folder_that_others_could_replace_is_refused() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = open(&base.path().join("compiled")).unwrap_err().to_string();
        assert!(error.contains("where others can write (mode 777)"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        let error = open(&file.join("compiled")).unwrap_err().to_string();
        assert!(error.contains("cannot be made"), "{error}");
    }
}
