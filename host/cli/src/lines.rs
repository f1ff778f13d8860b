//! The lines of a file of tasks, one JSON object each.

use std::io;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const READ_BYTES: usize = 1 << 16;

/// Reads a line as an object.
///
/// # Errors
/// What is wrong with it. The caller says which line it is.
pub(super) fn object<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    if line.starts_with(BYTE_ORDER_MARK) {
        let message = "the line begins with a byte order mark (U+FEFF); save the file as UTF-8 \
                     without one";
        return Err(message.into());
    }
    // Without this an array would pass for an object, its values in the order of the fields.
    let line_begins = line.trim_ascii_start();
    if !line_begins.starts_with(b"{") {
        let first = String::from_utf8_lossy(line_begins.get(..4).unwrap_or(line_begins));
        let first = first.chars().next().unwrap_or_default();
        return Err(format!(
            "a line must be a JSON object, which begins with `{{`, and this one begins with {first:?}"
        ));
    }
    serde_json::from_slice(line).map_err(|error| in_words(&error))
}

/// What is wrong with a line of a file: it has a number of its own there, and is
/// not the first of itself.
fn in_words(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
    let column = error.column();
    if what.starts_with("number out of range") {
        return format!("a number is out of range at column {column}; allowed is up to ±1.8e308");
    }
    format!("{what} at column {column}")
}

/// The lines of a pipe or a file, read one after the other.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    most: usize,
    is_too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of `input`, of at most `most` bytes each.
    pub(super) fn new(input: R, most: usize) -> Self {
        let input = BufReader::with_capacity(READ_BYTES, input);
        Self { input, line: Vec::new(), most, is_too_long: false }
    }

    /// Reads to the end of a line; `false`: the input is over. If the future is
    /// dropped in the middle of a line, the next call goes on there.
    ///
    /// # Errors
    /// The input cannot be read.
    pub(super) async fn read(&mut self) -> io::Result<bool> {
        loop {
            let part = self.input.fill_buf().await?;
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            let is_over = part.is_empty();
            if self.line.len() + taken > self.most {
                // The rest of it is read and not kept.
                self.is_too_long = true;
                self.line = Vec::new();
            } else if !self.is_too_long {
                self.line.extend(part.iter().take(taken));
            }
            self.input.consume(taken);
            if end.is_some() || is_over {
                return Ok(!is_over || self.is_too_long || !self.line.is_empty());
            }
        }
    }

    /// Whether the next line is here already.
    pub(super) fn has_next(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }

    /// Hands out the line that was read.
    ///
    /// # Errors
    /// It is longer than it may be.
    pub(super) fn take(&mut self) -> Result<Vec<u8>, String> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            let most = self.most >> 20;
            return Err(format!("it has more than {most} MiB, the most that a line may have"));
        }
        Ok(line)
    }
}
