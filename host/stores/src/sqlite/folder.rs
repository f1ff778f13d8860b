//! The data folder, which one host at a time may have open.
//!
//! Two hosts on one database would each count for themselves and take the
//! other's leases for those of a dead process. The lock ends with the process,
//! however that ends, so none is ever left behind.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use chimera_layer4_core::scheduler::store::StoreError;
use chimera_layer4_folders::{Access, OwnFolder};

use chimera_layer4_folders::locks;

use crate::opening;

/// A data folder that is ours for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    folder: OwnFolder,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// It cannot be made or written to, another user could change it, or another
    /// host has it open.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: &dyn std::error::Error| StoreError::Failed {
            reason: format!("the data folder {} cannot be used: {error}", path.display()),
        };
        let folder = OwnFolder::make(path, Access::Readable).map_err(|error| unusable(&error))?;
        let mut lock = folder.open_or_make("chimera.lock").map_err(|error| unusable(&error))?;
        match locks::take(&lock) {
            Ok(true) => {}
            Ok(false) => return Err(taken(folder.path(), &mut lock)),
            Err(error) => return Err(unusable(&error)),
        }
        sign(&mut lock).map_err(|error| unusable(&error))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The database, which exists from now on, if only as an empty file.
    ///
    /// # Errors
    /// It cannot be made, or its log lies there without it.
    pub(super) fn database(&self) -> Result<PathBuf, StoreError> {
        let database = self.folder.path().join("chimera.db");
        let refused = |message: String| StoreError::Failed {
            reason: format!("{} {message}", database.display()),
        };
        opening::check_files(&database).map_err(|refusal| refused(refusal.message()))?;
        let length = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        let log = self.folder.path().join("chimera.db-wal");
        // SQLite would take the log for a stranger's and remove it.
        if length(&database) == 0 && length(&log) > 0 {
            return Err(StoreError::Failed {
                reason: format!(
                    "{} holds tasks, and {} is missing or empty; put the database back, or \
                     move the log away to begin anew",
                    log.display(),
                    database.display()
                ),
            });
        }
        // Only this user may read tasks, whatever the folder's mode.
        let made = self.folder.open_or_make("chimera.db");
        made.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        Ok(database)
    }
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn taken(folder: &Path, lock: &mut File) -> StoreError {
    let mut text = String::new();
    let read = lock.take(32).read_to_string(&mut text).ok();
    let process = read.and_then(|_| text.trim().parse::<u32>().ok());
    let who = process.map_or("another host".into(), |pid| format!("the host with pid {pid}"));
    StoreError::Failed {
        reason: format!(
            "{who} has the data folder {} open; stop it first, or set `data_dir` to another folder",
            folder.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_folder_is_made_closed_to_others_and_open_once() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let folder = Folder::open(&path).unwrap();
        for made in [path.clone(), temporary.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700);
        }
        let mode = fs::metadata(folder.database().unwrap()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);

        let refused = Folder::open(&path).unwrap_err().to_string();
        let ours = format!("the host with pid {} has", std::process::id());
        assert!(refused.contains(&ours) && refused.contains("stop it first"), "{refused}");
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named_with_the_reason() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, reason) in
            [(file.clone(), "Not a directory"), (file.join("below"), "Not a directory")]
        {
            let refused = Folder::open(&path).unwrap_err().to_string();
            assert!(refused.contains(&path.display().to_string()), "{refused}");
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_log_without_its_database_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let log = temporary.path().join("chimera.db-wal");
        fs::write(&log, "tasks").unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let refused = folder.database().unwrap_err().to_string();
        assert!(refused.contains("chimera.db is missing or empty"), "{refused}");
        assert_eq!(fs::read(&log).unwrap(), b"tasks");
    }
}
