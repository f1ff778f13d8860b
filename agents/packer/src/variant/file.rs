//! A new component on disk: whole under its name, or not there at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::VariantError;
use crate::tuning::Tuning;

/// The generation, and the numbers' FNV-1a hash: what is equal has one name.
pub fn name(generation: u64, tuning: &Tuning) -> String {
    let bytes = tuning.numbers().flat_map(f64::to_le_bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("packer-g{generation:04}-{hash:016x}.wasm")
}

/// Writes the file beside its name and links it there when it is complete.
///
/// A file of that name is never replaced: with the same bytes it is the answer.
///
/// # Errors
/// [`VariantError::Write`] where the folder or the file is in the way.
pub fn create(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, VariantError> {
    let path = folder.join(name);
    let partial = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write(&partial, bytes).and_then(|()| publish(&partial, &path, bytes));
    // What could not be written is of no use, and what was linked has its name.
    let _ = fs::remove_file(&partial);
    match written {
        Ok(()) => Ok(path),
        Err(reason) => Err(VariantError::Write { path, reason }),
    }
}

fn write(partial: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(partial)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A link, unlike a rename, fails where the name is taken.
fn publish(partial: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::hard_link(partial, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && fs::read(path)? == bytes => {
            Ok(())
        }
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_whole_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = create(folder.path(), "a.wasm", b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(create(folder.path(), "a.wasm", b"one").unwrap(), path);

        let message = create(folder.path(), "a.wasm", b"two").unwrap_err().to_string();
        assert!(message.contains("a.wasm: ") && message.contains("exists"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(files(folder.path()), ["a.wasm"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = create(Path::new("/nowhere"), "a.wasm", b"").unwrap_err().to_string();
        assert!(message.starts_with("variant /nowhere/a.wasm: No such file"), "{message}");
    }
}
