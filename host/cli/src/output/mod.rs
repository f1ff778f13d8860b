//! The one place that prints: results and notes here, logs in `logging`.
//!
//! Results go to standard output; everything else goes to standard error, so
//! that a pipe carries results alone.
//!
//! The printing macros panic when their stream is closed, as by `2>&1 | head`,
//! or full. The lints forbid them, and nothing here uses one.

pub(super) mod logging;
mod rotated;

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};

use chimera_layer4_core::json::{self, Tree};
use chimera_layer4_core::telemetry::is_deceptive;
use serde::Serialize;

#[derive(Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the output is for a user at a terminal.
    pub(super) fn is_interactive(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// A result.
    ///
    /// # Errors
    /// The result could not be written, and is lost.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // A reader that went away, as in `| head`, is no failure of ours.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// A result for a program. Its strings may be a guest's, so what a terminal
    /// would act on is escaped, which JSON allows anywhere in a string.
    ///
    /// # Errors
    /// The result could not be written, and is lost.
    pub(super) fn value(&self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.line(&harmless(&serde_json::to_string_pretty(value)?))?)
    }

    /// One of several results for a program, on a line of its own.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub(super) fn event(&self, event: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.line(&harmless(&serde_json::to_string(event)?))?)
    }

    /// Writes a note for the user. If it cannot be written it is lost: the work
    /// continues and its exit code stands.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    pub(super) fn error(&self, error: &anyhow::Error) {
        self.note(&format!("error: {error:#}"));
    }
}

/// A value with the keys of each object in their order, as the commands print those
/// that have many.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn in_order(value: &impl Serialize) -> anyhow::Result<Tree> {
    Ok(serde_json::to_string(value).and_then(|text| json::tree(&text)).map(Tree)?)
}

/// JSON that a terminal only shows.
fn harmless(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Between values there are line ends, inside strings JSON escapes them.
        if c != '\n' && is_deceptive(c) {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}
