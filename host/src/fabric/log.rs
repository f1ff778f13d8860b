//! What agents say, in the host's log.

use chimera_layer4_core::Task;
use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use tracing::Level;

use super::agents::Entry;
use crate::traces::{RunTrace, trace_id};

/// The target of agents' lines, so that a filter can tell them from the host's.
pub(crate) const TARGET: &str = "agent";

/// Writes the lines of one run, each at its own level.
pub(super) fn write(entry: &Entry, task: &Task, trace: Option<&RunTrace>, lines: &[LogLine]) {
    if lines.is_empty() {
        return;
    }
    let (agent, genome) = (entry.id(), entry.agent.genome().digest());
    let trace = trace.map_or_else(|| trace_id(&task.metadata), RunTrace::id);
    // A level is part of what is compiled in, hence a macro for each.
    macro_rules! line {
        ($level:expr, $text:expr) => {
            tracing::event!(target: TARGET, $level, %agent, %genome, task = %task.id, trace, "{}", $text)
        };
    }
    for LogLine { level, message } in lines {
        match level {
            LogLevel::Trace => line!(Level::TRACE, message),
            LogLevel::Debug => line!(Level::DEBUG, message),
            LogLevel::Info => line!(Level::INFO, message),
            LogLevel::Warn => line!(Level::WARN, message),
            LogLevel::Error => line!(Level::ERROR, message),
        }
    }
}
