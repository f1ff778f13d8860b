//! The one place that prints.
//!
//! Results go to standard output; everything else goes to standard error, so
//! that a pipe carries results alone.
#![expect(clippy::print_stderr, reason = "the owner of both streams")]

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};

use chimera_layer4_core::telemetry::is_deceptive;

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::fabric::AGENT_LOG;

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

    /// Whether somebody watches.
    pub(super) fn is_interactive(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// A result.
    ///
    /// # Errors
    /// The result could not be written, and is lost.
    pub(super) fn line(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
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
        let mut safe = String::new();
        for c in serde_json::to_string_pretty(value)?.chars() {
            // Between values there are line ends, inside strings JSON escapes them.
            if c != '\n' && is_deceptive(c) {
                write!(safe, "\\u{:04x}", u32::from(c))?;
            } else {
                safe.push(c);
            }
        }
        Ok(self.line(&safe)?)
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
        let ours = "chimera_layer4=debug,chimera_layer4_runtime=debug,info";
        // What the agent says is printed with its result.
        let level = format!("{},{AGENT_LOG}=off", if detailed { ours } else { "warn" });
        let logs = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(level))
            .with_writer(std::io::stderr);
        // A subscriber that is set already, by an embedder, stays.
        let _ =
            if std::io::stderr().is_terminal() { logs.try_init() } else { logs.json().try_init() };
    }
}
