//! A database's file, before SQLite looks at it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::disk;

/// The file exists from now on, closed to others, if only as an empty one.
pub(super) fn touch(path: &Path) -> Result<(), String> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // SQLite would take the log for a stranger's and remove it.
    if length(path) == 0 && length(Path::new(&log)) > 0 {
        return Err("is missing or empty, and its log is not; put it back, or move the log \
                    away to begin anew"
            .into());
    }
    if path.exists() {
        return Ok(());
    }
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| format!("cannot be made: {error}"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    disk::sync_folder(folder).map_err(|error| error.to_string())
}
