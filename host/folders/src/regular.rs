//! Files that a user names by a path, which may lead to anything.
//!
//! Opening a pipe waits for its writer, and opening a device may do something. So
//! what is no regular file is refused before it is opened, and the file is opened
//! without waiting: the path may have come to name a pipe in between.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file to read it. Links are followed.
///
/// # Errors
/// There is none, the system refuses, or it is something else: a folder, a pipe.
pub fn open_regular(path: &Path) -> io::Result<File> {
    must_be_regular(fs::metadata(path)?.file_type())?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    must_be_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// The bytes of a regular file, but no more than one over `most`: that one tells
/// a file that is too large from one that just fits.
///
/// # Errors
/// As [`open_regular`]; or it cannot be read.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn must_be_regular(found: FileType) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let kind = match found {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is not a file but {kind}")))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for (path, kind) in [
            (fifo.as_path(), "it is not a file but a pipe"),
            (&link, "it is not a file but a pipe"),
            (folder.path(), "it is not a file but a folder"),
            (Path::new("/dev/null"), "it is not a file but a device"),
        ] {
            assert_eq!(open_regular(path).unwrap_err().to_string(), kind);
        }
        let gone = open_regular(&folder.path().join("gone")).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_up_to_one_byte_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read_regular(&file, 9).unwrap(), b"12345");
        assert_eq!(read_regular(&file, 3).unwrap(), b"1234");
    }
}
