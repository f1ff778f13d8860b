//! Writes files so that a crash leaves the whole file or none.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// How the name of a file begins while it is written.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Removing a file that does not exist is a success.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file under another name, syncs it and renames it.
pub(super) fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Appends a line at `at`, and cuts off what was there.
pub(super) fn append(path: &Path, at: u64, line: &[u8]) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    // A crash came between a line and its state.
    if file.metadata()?.len() > at {
        file.set_len(at)?;
    }
    file.write_all(line)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_no_state_came_after_is_cut_off() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lines");
        append(&path, 0, b"one\n").unwrap();
        append(&path, 4, b"lost\n").unwrap();
        append(&path, 4, b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }
}
