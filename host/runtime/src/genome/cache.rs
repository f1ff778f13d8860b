//! The folder for compiled code, and what may be in it.
//!
//! wasmtime loads what it finds there as machine code. Whoever can write to
//! the folder can therefore run code as the host, so it must belong to the
//! host's user and be closed to everybody else.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use chimera_layer4_core::{Layer4Error, Layer4Result};

/// Makes the folder if need be and refuses one that others can write to.
pub(crate) fn open(folder: &Path) -> Layer4Result<PathBuf> {
    let wrong = |what: String| {
        Layer4Error::Configuration(vec![format!(
            "the folder for compiled code {} {what}",
            folder.display()
        )])
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        wrong(format!("cannot be made: {error}; set `data_dir` to a folder of your own"))
    })?;
    let folder =
        fs::canonicalize(folder).map_err(|error| wrong(format!("cannot be opened: {error}")))?;
    let found = fs::metadata(&folder).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(wrong(format!(
            "belongs to user {}, and this is user {us}; compiled code runs with the host's rights, \
             so set `data_dir` to a folder of your own",
            found.uid()
        )));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(wrong(format!(
            "has mode {mode:o}, and compiled code runs with the host's rights; run `chmod 700 {}`",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Writes a file so that a reader sees all of it or none.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Two processes may write the same name; each has a temporary of its own.
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
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
        assert_eq!(fs::metadata(&opened).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("has mode 770") && error.contains("chmod 700"), "{error}");
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
