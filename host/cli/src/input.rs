//! Standard input, and files that a flag names: a shell may pass a pipe for one.
//!
//! A pipe may stay silent for ever. Commands read on threads of their own, so that a
//! signal ends the program meanwhile.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exit::BadInput;

/// A file of tasks that is held as a whole.
const MOST_BYTES: u64 = 256 << 20;

/// Runs a read that may block on another process.
///
/// # Errors
/// As `read` does.
pub(super) async fn patiently<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, BadInput> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Opens what a flag names; a mistake says `name`, which is the flag with its value.
///
/// # Errors
/// It cannot be opened, or is a folder.
pub(super) fn open(path: &Path, name: &str) -> Result<File, BadInput> {
    let wrong = |message: String| BadInput(format!("{name}: {message}"));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    if file.metadata().map_err(|error| wrong(error.to_string()))?.is_dir() {
        return Err(wrong("it is a folder; name a file or a pipe".into()));
    }
    Ok(file)
}

/// All of a file of tasks; a mistake says `name`.
///
/// # Errors
/// It cannot be read, is no text, or is too large.
pub(super) fn all(file: File, name: &str) -> Result<String, BadInput> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| BadInput(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        let most = MOST_BYTES >> 20;
        return Err(BadInput(format!(
            "{name} is larger than {most} MiB, the most that is read; give fewer tasks"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        BadInput(format!("{name} is not UTF-8 text: byte {} is none", at + 1))
    })
}
