//! The one place that prints.
//!
//! Results go to standard output; everything else goes to standard error, so
//! that a pipe carries results alone.
#![expect(clippy::print_stderr, reason = "the owner of both streams")]

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use chimera_layer4_core::telemetry::is_deceptive;

use chimera_layer4_core::Layer4Config;
use serde::Serialize;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::exit::BadInput;

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

    /// Logs go to standard error, as text on a terminal and as JSON otherwise,
    /// or as JSON to a file a day in `log_dir`. What is still to be written is
    /// written when the answer is dropped.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn start_logging(
        &self,
        config: &Layer4Config,
        log: Log,
    ) -> anyhow::Result<Option<WorkerGuard>> {
        let filter = EnvFilter::new(log.levels(config.debug_mode));
        let logs = tracing_subscriber::fmt().with_env_filter(filter);
        let mut guard = None;
        // A subscriber that is set already, by an embedder, stays.
        let _ = match (&config.log_dir, log) {
            (Some(folder), Log::Service) => {
                let (file, writes) = tracing_appender::non_blocking(daily(folder)?);
                guard = Some(writes);
                logs.json().with_writer(file).try_init()
            }
            _ if std::io::stderr().is_terminal() => logs.with_writer(std::io::stderr).try_init(),
            _ => logs.json().with_writer(std::io::stderr).try_init(),
        };
        Ok(guard)
    }
}

/// Files of log that are kept.
const LOG_DAYS: usize = 14;

fn daily(folder: &Path) -> anyhow::Result<RollingFileAppender> {
    let made = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("chimera")
        .filename_suffix("log")
        .max_log_files(LOG_DAYS)
        .build(folder);
    made.map_err(|error| {
        BadInput(format!("log_dir {}: {error}; give a folder to write to", folder.display())).into()
    })
}

/// Whose log it is.
#[derive(Clone, Copy)]
pub(super) enum Log {
    /// A program that does one thing and prints what came of it.
    OneShot,
    /// A host that runs for months, whose agents' words are wanted.
    Service,
}

impl Log {
    fn levels(self, detailed: bool) -> String {
        let ours = "chimera_layer4=debug,chimera_layer4_runtime=debug,info";
        match (self, detailed) {
            // What the agent says is printed with its result.
            (Log::OneShot, true) => format!("{ours},{AGENT_LOG}=off"),
            (Log::OneShot, false) => format!("warn,{AGENT_LOG}=off"),
            (Log::Service, true) => format!("{ours},{AGENT_LOG}=trace"),
            (Log::Service, false) => "info".into(),
        }
    }
}
