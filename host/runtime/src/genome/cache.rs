//! The folder for compiled code, and what may be in it.
//!
//! wasmtime loads what it finds there as machine code. A user who can write to
//! the folder can therefore run code as the host, so it is opened by the rules
//! of [`chimera_layer4_folders`], and whatever is in it is judged before any of
//! it is loaded.
//!
//! `code` is wasmtime's cache, which throws away what it does not know; so the
//! records are beside it in `known`, and each compiling child has a cache of
//! its own, from which it moves the finished code. wasmtime opens its cache by
//! path: the one that the folder has without links, no part of which another
//! user can change.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chimera_layer4_core::{FabricError, FabricResult};

use chimera_layer4_folders::{Access, FolderError, OwnFolder};

/// Compiled code kept; the oldest goes first.
const KEPT_BYTES: u64 = 4 << 30;

/// A folder for compiled code that is safe to load from.
#[derive(Debug)]
pub(crate) struct CompiledFolder {
    root: OwnFolder,
    code: OwnFolder,
    known: OwnFolder,
}

impl CompiledFolder {
    /// wasmtime's cache.
    pub(crate) fn code(&self) -> &Path {
        self.code.path()
    }

    /// A file of wasmtime's cache, by its path within it.
    pub(super) fn read_code(&self, file: &Path) -> Result<Vec<u8>, FolderError> {
        self.code.read_below(file)
    }

    /// A record, by its name.
    pub(super) fn read_record(&self, name: &str) -> Result<Vec<u8>, FolderError> {
        self.known.read_below(Path::new(name))
    }

    /// Keeps a record under a name.
    pub(super) fn keep_record(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.known.write_whole(name, bytes)
    }

    /// The cache of one compilation, named by the process that does it.
    pub(super) fn compiling(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("compiling-{name}"))
    }

    /// Moves the code that a child left in its own cache to where the host
    /// looks for it. Returns its path within [`code`](Self::code).
    pub(super) fn adopt(&self, from: &Path) -> io::Result<PathBuf> {
        let missing = || io::Error::other("the compiled code could not be kept; is the disk full?");
        let found = files_below(from)?.into_iter().find(|file| file.extension().is_none());
        let found = found.ok_or_else(missing)?;
        let within = found.strip_prefix(from).map_err(|_| missing())?.to_path_buf();
        let target = self.code().join(&within);
        // Others can write to neither, whatever the process's mask is: the next
        // start refuses what they can.
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        fs::set_permissions(&found, Permissions::from_mode(0o600))?;
        fs::rename(&found, &target)?;
        remove(from)?;
        Ok(within)
    }

    /// Removes the oldest code beyond what is kept. A record without its code
    /// counts for nothing, so it may stay. Other hosts may prune meanwhile, so
    /// what is gone already is no error, and what cannot go now goes later.
    pub(super) fn prune(&self) {
        let files = files_below(self.code()).unwrap_or_default();
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

/// Removes the cache of one compilation. Where that was in this process, a thread of wasmtime's
/// may write its notes of the code meanwhile, a file or two, and the folder is not empty.
fn remove(folder: &Path) -> io::Result<()> {
    const NOTES: usize = 8;
    for _ in 0..NOTES {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => return removed,
        }
    }
    fs::remove_dir_all(folder)
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

/// Makes the folder if need be and refuses one that others can change, or that
/// holds anything of theirs.
pub(crate) fn open(folder: &Path) -> FabricResult<CompiledFolder> {
    let opened = || {
        let root = OwnFolder::make(folder, Access::Private)?;
        // wasmtime's notes of what was used when follow the umask, and hold no code.
        root.check_below(|file| file.extension().is_some_and(|ending| ending == "stats"))?;
        let (code, known) = (root.make_in("code")?, root.make_in("known")?);
        Ok(CompiledFolder { root, code, known })
    };
    opened().map_err(|error: FolderError| {
        let folder = folder.display();
        FabricError::Configuration(vec![format!(
            "the folder for compiled code {folder} cannot be used: {error}"
        )])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn code_is_taken_over_while_notes_are_written_beside_it() {
        for _ in 0..200 {
            let base = tempfile::tempdir().unwrap();
            let folder = open(&base.path().join("compiled")).unwrap();
            let from = folder.compiling("1");
            let within = from.join("modules");
            fs::create_dir_all(&within).unwrap();
            fs::write(within.join("code"), "code").unwrap();
            let notes = std::thread::spawn(move || {
                for number in 0..5 {
                    let _ = fs::write(within.join(format!("{number}.stats")), "used"); // It may be gone.
                }
            });
            let code = folder.adopt(&from).unwrap();
            notes.join().unwrap();
            assert_eq!(fs::read(folder.code().join(code)).unwrap(), b"code");
            assert!(!from.exists());
        }
    }

    #[test]
    fn a_folder_open_to_others_is_refused_with_the_remedy() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("compiled");
        drop(open(&folder).unwrap());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("has mode 770") && error.contains("remove the folder"), "{error}");
    }

    #[test]
    fn code_that_is_a_link_is_refused_wherever_it_lies() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("compiled");
        drop(open(&folder).unwrap());
        let modules = folder.join("code/modules");
        fs::create_dir(&modules).unwrap();
        symlink("/etc/passwd", modules.join("planted")).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("modules/planted") && error.contains("remove it"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        let error = open(&file.join("compiled")).unwrap_err().to_string();
        assert!(error.contains("Not a directory") && error.contains("file"), "{error}");
    }
}
