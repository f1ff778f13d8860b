//! Takes away files that belong to no genome: what a crash, a write that
//! failed or a collection has left.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::SystemTime;

use chimera_layer4_core::Digest;

use super::disk::{self, TEMPORARY};
use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::folder::Layout;
use super::index;

/// What becomes of a blob that nothing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Remove,
    PutAside,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// Takes away every blob that is not `named`, and every temporary file; of
/// these only such as were changed `before`, since another tool may be at work.
/// Files with other names are not ours.
///
/// # Errors
/// `Failed`. What has gone by then is gone.
pub(super) fn sweep(
    layout: &Layout,
    named: &HashSet<Digest>,
    before: Option<SystemTime>,
    fate: Fate,
) -> GenomeStoreResult<Swept> {
    let mut swept = Swept::default();
    for folder in [layout.blobs(), layout.root().to_path_buf()] {
        let had = swept.files;
        let is_blobs = folder == layout.blobs();
        let failed = || GenomeStoreError::failed("read", &folder);
        for file in fs::read_dir(&folder).map_err(failed())? {
            let file = file.map_err(failed())?;
            let name = file.file_name();
            let blob = index::blob_of(&name).filter(|_| is_blobs);
            let is_temporary = name.to_str().is_some_and(|name| name.starts_with(TEMPORARY));
            let is_left = blob.is_some_and(|blob| !named.contains(&blob)) || is_temporary;
            let Some(bytes) = size(&file, before).filter(|_| is_left) else { continue };
            match blob.filter(|_| fate == Fate::PutAside) {
                Some(blob) => {
                    put_aside(layout, &file.path(), &blob.hex())?;
                }
                None => disk::remove(&file.path())?,
            }
            swept.files += 1;
            swept.bytes += bytes;
        }
        if swept.files > had {
            disk::sync_folder(&folder)?;
        }
    }
    Ok(swept)
}

/// A file's size, if it is one and was last changed before.
fn size(file: &DirEntry, before: Option<SystemTime>) -> Option<u64> {
    let found = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let changed = found.modified().ok()?;
    before.is_none_or(|before| changed < before).then_some(found.len())
}

/// Moves a file to where the operator finds it. One that was kept there under
/// the same name goes, so that damage that comes again fills no disk.
pub(super) fn put_aside(
    layout: &Layout,
    path: &Path,
    name: &str,
) -> GenomeStoreResult<std::path::PathBuf> {
    let kept = layout.quarantine().join(name);
    disk::rename(path, &kept)?;
    disk::sync_folder(&layout.quarantine())?;
    Ok(kept)
}
