//! The one place that prints.
//!
//! Results go to standard output; everything else goes to standard error, so
//! that a pipe carries results alone.
//!
//! The printing macros panic when their stream is closed, as by `2>&1 | head`,
//! or full. The lints forbid them, and nothing here uses one.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chimera_layer4_core::telemetry::is_deceptive;

use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::json::{self, Tree};
use serde::Serialize;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::exit::BadInput;

use chimera_layer4_fabric::AGENT_LOG;

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

    /// Logs go to standard error, as text on a terminal and as JSON otherwise,
    /// or as JSON to a file a day in `log_dir`. A service's are written by a
    /// thread of their own: a reader that does not read delays no task, and what
    /// does not fit is counted. What is still to be written is written when
    /// the answer is dropped.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn start_logging(
        &self,
        config: &FabricConfig,
        log: Log,
    ) -> anyhow::Result<Option<WorkerGuard>> {
        let filter = EnvFilter::new(log.levels(config.debug_mode));
        // The subscriber would report what it cannot write with a macro that panics.
        let logs = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
        let unwritten = Arc::new(AtomicU64::new(0));
        let is_terminal = io::stderr().is_terminal();
        let (writer, guard) = match (&config.telemetry.log_dir, log) {
            // A subscriber that is set already, by an embedder, stays.
            (_, Log::OneShot) => {
                let logs = logs.with_writer(move || Lossy::new(io::stderr(), &unwritten));
                let _ = if is_terminal { logs.try_init() } else { logs.json().try_init() };
                return Ok(None);
            }
            (Some(folder), Log::Service) => {
                tracing_appender::non_blocking(Lossy::new(daily(folder)?, &unwritten))
            }
            (None, Log::Service) => {
                tracing_appender::non_blocking(Lossy::new(io::stderr(), &unwritten))
            }
        };
        let unread = writer.error_counter();
        chimera_layer4_fabric::metrics::count_lost_log_lines(move || {
            unread.dropped_lines() as u64 + unwritten.load(Ordering::Relaxed)
        });
        let logs = logs.with_writer(writer);
        let text = is_terminal && config.telemetry.log_dir.is_none();
        let _ = if text { logs.try_init() } else { logs.json().try_init() };
        Ok(Some(guard))
    }
}

/// A document with the keys of each object in their order, as the commands print those
/// that have many.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn in_order(document: &impl Serialize) -> anyhow::Result<Tree> {
    Ok(serde_json::to_string(document).and_then(|text| json::tree(&text)).map(Tree)?)
}

/// A log's writer that does not fail: a line that cannot be written is lost and
/// counted. The appender's thread would report the failure with a macro that
/// panics, and no line would be written after that.
struct Lossy<W> {
    to: W,
    lost: Arc<AtomicU64>,
}

impl<W> Lossy<W> {
    fn new(to: W, lost: &Arc<AtomicU64>) -> Self {
        Self { to, lost: Arc::clone(lost) }
    }
}

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.to.write_all(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What a flush loses was counted as written; no writer here keeps any back.
        let _ = self.to.flush();
        Ok(())
    }
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

/// Files of log that are kept.
const LOG_DAYS: usize = 14;

fn daily(folder: &Path) -> anyhow::Result<RollingFileAppender> {
    if !folder.exists() {
        // Only this user may read what agents log.
        let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
        made.map_err(|error| BadInput(format!("log_dir {}: {error}", folder.display())))?;
    }
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
        // A target counts by how it begins: all crates of the host.
        let ours = "chimera_layer4=debug,chimera_cli=debug,info";
        let levels = match (self, detailed) {
            // What the agent says is printed with its result.
            (Log::OneShot, true) => format!("{ours},{AGENT_LOG}=off"),
            (Log::OneShot, false) => format!("warn,{AGENT_LOG}=off"),
            (Log::Service, true) => format!("{ours},{AGENT_LOG}=trace"),
            (Log::Service, false) => "info".into(),
        };
        // A guest causes these warnings, as often as it likes; the guest gets
        // the error.
        format!("{levels},wasmtime_wasi_http=off")
    }
}
