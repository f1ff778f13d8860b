//! Where logs go: standard error, or files in `log_dir`.

use std::fs::DirBuilder;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_fabric::AGENT_LOG;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, WorkerGuard};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter, fmt};

use super::rotated::Rotated;
use crate::exit::BadInput;

/// All that is logged.
const ALL: &str = "layer4";
/// What becomes of agents, beside the whole: few lines, for an operator to follow.
const EXECUTOR: &str = "executor";

/// Whose log it is.
#[derive(Clone, Copy)]
pub(crate) enum Log {
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

/// Logs go to standard error, as text on a terminal and as JSON otherwise, or as JSON to
/// files in `log_dir`. A service's are written by threads of their own: a reader that
/// does not read delays no task, and what does not fit is counted. What is still to be
/// written is written when the answer is dropped.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn start(config: &FabricConfig, log: Log) -> anyhow::Result<Vec<WorkerGuard>> {
    let filter = EnvFilter::new(log.levels(config.debug_mode));
    let unwritten = Arc::new(AtomicU64::new(0));
    let folder = match (log, &config.telemetry.log_dir) {
        (Log::OneShot, _) => {
            to_standard_error(filter, move || Lossy::new(io::stderr(), &unwritten));
            return Ok(Vec::new());
        }
        (Log::Service, None) => {
            let to = Lossy::new(io::stderr(), &unwritten);
            let (writer, guard) = tracing_appender::non_blocking(to);
            count_lost(vec![writer.error_counter()], unwritten);
            to_standard_error(filter, writer);
            return Ok(vec![guard]);
        }
        (Log::Service, Some(folder)) => folder,
    };
    make(folder)?;
    let file = |name| -> anyhow::Result<(NonBlocking, WorkerGuard)> {
        let file = Rotated::open(folder, name).map_err(|error| unwritable(folder, &error))?;
        Ok(tracing_appender::non_blocking(Lossy::new(file, &unwritten)))
    };
    let ((all, first), (executor, second)) = (file(ALL)?, file(EXECUTOR)?);
    count_lost(vec![all.error_counter(), executor.error_counter()], Arc::clone(&unwritten));
    let of_executor = filter::filter_fn(|line| line.target() == EXECUTOR_LOG);
    let logs = tracing_subscriber::registry()
        .with(filter)
        .with(json().with_writer(all))
        .with(json().with_writer(executor).with_filter(of_executor));
    // A subscriber that is set already, by an embedder, stays.
    let _ = logs.try_init();
    Ok(vec![first, second])
}

fn to_standard_error<W>(filter: EnvFilter, writer: W)
where
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    // The subscriber would report what it cannot write with a macro that panics.
    let logs = fmt().with_env_filter(filter).log_internal_errors(false).with_writer(writer);
    // A subscriber that is set already, by an embedder, stays.
    let _ = if io::stderr().is_terminal() { logs.try_init() } else { logs.json().try_init() };
}

fn json<S>() -> fmt::Layer<S, JsonFields, Format<Json>> {
    // As for standard error.
    fmt::layer().json().log_internal_errors(false)
}

/// Has the metrics count the lines that no reader took and those that could not be written.
fn count_lost(unread: Vec<ErrorCounter>, unwritten: Arc<AtomicU64>) {
    chimera_layer4_fabric::metrics::count_lost_log_lines(move || {
        let unread: u64 = unread.iter().map(|log| log.dropped_lines() as u64).sum();
        unread + unwritten.load(Ordering::Relaxed)
    });
}

fn make(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    // Only this user may read what agents log.
    let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
    Ok(made.map_err(|error| unwritable(folder, &error))?)
}

fn unwritable(folder: &Path, error: &io::Error) -> BadInput {
    BadInput(format!("log_dir {}: {error}; give a folder to write to", folder.display()))
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
