//! What agents say, and what becomes of tasks and agents, in the host's log.
//!
//! Lines of the target [`EXECUTOR_LOG`] have a `code`, a word that stays: a host writes
//! them to a file of their own too. Those about agents and their types are in `agents`.

mod agents;

pub use self::agents::AppliedBy;
pub(crate) use self::agents::{
    Failed, Life, agent, agent_type, deployment, failed, not_brought_back, refinement,
};

use chimera_layer4_core::scheduler::TaskState;
use chimera_layer4_core::telemetry::{EXECUTOR_LOG, LogLevel, LogLine};
use chimera_layer4_core::{Task, TaskId};
use tracing::field::display;
use tracing::{Level, Span};

use super::metrics::Runner;
use super::traces::{RunTrace, trace_id};
use crate::scheduler::{Change, End, TaskChange};

/// The target of agents' lines, so that a filter can tell them from the host's.
pub const TARGET: &str = "agent";

/// What each line that is logged while an agent runs a task says of the run. It is as
/// loud as the warnings that it is for: a filter that lets them through has it too.
pub(crate) fn run(runner: &Runner<'_>, task: &Task, attempt: u32) -> Span {
    let Runner { agent_id: agent, agent_type, genome } = *runner;
    tracing::warn_span!("run", task = %task.id, attempt, %agent, agent_type, %genome)
}

/// Writes the lines of one run, each at its own level.
pub(crate) fn write(runner: &Runner<'_>, task: &Task, trace: Option<&RunTrace>, lines: &[LogLine]) {
    if lines.is_empty() {
        return;
    }
    let Runner { agent_id: agent, genome, .. } = *runner;
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

/// Ids in one line: a purge may be of thousands.
const MOST_IDS: usize = 20;

/// A line for a task that ended without a result. There is none for those that
/// ended well: a host would write thousands a second.
pub(crate) fn task(TaskChange { id, agent_type, what, .. }: &TaskChange<'_>) {
    let Change::Ended(End { state, reason, error, genome, agent_id, .. }) = what else { return };
    let (genome, agent) = (genome.map(display), agent_id.map(display));
    match state {
        TaskState::Dead => {
            let reason = reason.map(display);
            tracing::warn!(
                target: EXECUTOR_LOG, code = "dead-letter",
                task = %id, agent_type, reason, error, agent, genome, "a task is a dead letter"
            );
        }
        TaskState::Cancelled => {
            tracing::info!(
                target: EXECUTOR_LOG, code = "task-cancelled",
                task = %id, agent_type, agent, genome, "a task was cancelled"
            );
        }
        _ => {}
    }
}

/// What an operator had done to tasks that have ended.
#[derive(Clone, Copy)]
pub(crate) enum Done {
    Requeued,
    Purged,
}

/// A line for all tasks that one call changed.
pub(crate) fn done(done: Done, tasks: &[TaskId]) {
    if tasks.is_empty() {
        return;
    }
    let count = tasks.len();
    let mut ids: Vec<String> = tasks.iter().take(MOST_IDS).map(TaskId::to_string).collect();
    if count > MOST_IDS {
        ids.push(format!("and {} more", count - MOST_IDS));
    }
    let ids = ids.join(", ");
    match done {
        Done::Requeued => tracing::info!(
            target: EXECUTOR_LOG, code = "dead-letters-requeued",
            count, ids, "dead letters were put back in the queue"
        ),
        Done::Purged => tracing::info!(
            target: EXECUTOR_LOG, code = "tasks-purged", count, ids, "tasks were purged"
        ),
    }
}
