//! The one place that prints.
//!
//! Results go to standard output; everything else goes to standard error, so
//! that a pipe carries results alone.
#![expect(clippy::print_stderr, reason = "the owner of both streams")]

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

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

    /// Whether somebody watches.
    pub(super) fn is_interactive(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// A result.
    pub(super) fn line(&self, text: &str) {
        // A reader that went away, as in `| head`, is no failure of ours.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// A result for a program.
    pub(super) fn value(&self, value: &impl Serialize) -> serde_json::Result<()> {
        self.line(&serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// A word to whoever watches.
    pub(super) fn note(&self, text: &str) {
        eprintln!("{text}");
    }

    pub(super) fn error(&self, error: &anyhow::Error) {
        self.note(&format!("error: {error:#}"));
    }

    /// Logs go to standard error: text on a terminal, JSON otherwise.
    pub(super) fn start_logging(&self, detailed: bool) {
        let level = if detailed {
            "chimera_layer4=debug,chimera_layer4_runtime=debug,info"
        } else {
            "warn"
        };
        let logs = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(level))
            .with_writer(std::io::stderr);
        // A subscriber that is set already, by an embedder, stays.
        let _ =
            if std::io::stderr().is_terminal() { logs.try_init() } else { logs.json().try_init() };
    }
}
