//! Files that are there wholly or not at all, also after a loss of power.
//!
//! A file is written under a temporary name in its own folder, synced, and
//! renamed; what its name is lasts once its folder is synced.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use chimera_layer4_folders::open_regular;

use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::steps::{Step, reached};

/// How the names of files begin that are being written.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Puts a file in its place, readable by this user only. It lasts when
/// [`sync_folder`] is done with its folder.
pub(super) fn place(path: &Path, bytes: &[u8]) -> GenomeStoreResult<File> {
    let failed = || GenomeStoreError::failed("written", path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder);
    let mut temporary = temporary.map_err(failed())?;
    temporary.write_all(bytes).map_err(failed())?;
    reached(Step::Written);
    temporary.as_file().sync_all().map_err(failed())?;
    reached(Step::Synced(temporary.path()));
    let from = temporary.path().to_path_buf();
    let placed = temporary.persist(path).map_err(|error| failed()(error.error))?;
    reached(Step::Renamed(&from, path));
    Ok(placed)
}

/// Moves a file to another folder. It lasts when both folders are synced.
pub(super) fn rename(from: &Path, to: &Path) -> GenomeStoreResult<()> {
    fs::rename(from, to).map_err(GenomeStoreError::failed("moved", from))?;
    reached(Step::Renamed(from, to));
    Ok(())
}

/// Removes a file. One that is gone already is no error.
pub(super) fn remove(path: &Path) -> GenomeStoreResult<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(GenomeStoreError::failed("removed", path)(error))
        }
        _ => {
            reached(Step::Removed(path));
            Ok(())
        }
    }
}

/// Has what was placed, moved and removed in a folder last.
pub(super) fn sync_folder(folder: &Path) -> GenomeStoreResult<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(GenomeStoreError::failed("synced", folder))?;
    reached(Step::FolderSynced(folder));
    Ok(())
}

/// A file's bytes, but no more than one over the limit: such a file is never
/// what it should be, and its digest says so. What is no file is not opened,
/// since a pipe would never answer.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let expected = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
