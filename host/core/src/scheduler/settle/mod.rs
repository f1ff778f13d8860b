//! What the end of a run leads to: the one place that decides it.

use std::time::Duration;

use super::record::{Attempt, AttemptError, DeadReason};
use super::retry::{RetryBudget, RetryPolicy};
use super::time::{Moment, Timestamp};
use crate::telemetry::LogTail;
use crate::{
    AgentId, Breach, Call, Digest, ExecutionResult, Fault, GuestFault, HostFault, JsonText,
    LimitSource, QuotaKind, ResourceUsage, TaskId,
};

/// A run that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The result that the submitter gets if this is the end of the task.
    pub result: ExecutionResult,
    /// The genome that ran.
    pub genome: Option<Digest>,
    /// The agent that ran it.
    pub agent_id: Option<AgentId>,
    /// The end of what the agent logged and printed; kept where the run failed.
    pub log: LogTail,
}

/// What a claim says of the runs so far, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Which attempt this is, from one.
    pub attempt: u32,
    /// Attempts that the task has.
    pub max_attempts: u32,
    /// Faults of the host that it met before.
    pub host_faults: u32,
}

/// What becomes of a task whose run has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement<O = ExecutionResult> {
    /// It has its output.
    Succeeded(O),
    /// Another run at `at`.
    Retry {
        /// Not before this.
        at: Timestamp,
        /// What failed.
        failed: Attempt,
        /// Whether the fault was the host's, so that the attempt does not count.
        host: bool,
    },
    /// As if it had not been claimed.
    GiveBack,
    /// No other run would end better.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What failed.
        failed: Attempt,
        /// The result that its submitter gets.
        result: O,
    },
    /// Its submitter took it back.
    Cancelled(O),
}

impl<O> Settlement<O> {
    /// The same with its result in another form.
    pub fn map<P>(self, form: impl FnOnce(O) -> P) -> Settlement<P> {
        match self {
            Settlement::Succeeded(result) => Settlement::Succeeded(form(result)),
            Settlement::Retry { at, failed, host } => Settlement::Retry { at, failed, host },
            Settlement::GiveBack => Settlement::GiveBack,
            Settlement::Dead { reason, failed, result } => {
                Settlement::Dead { reason, failed, result: form(result) }
            }
            Settlement::Cancelled(result) => Settlement::Cancelled(form(result)),
        }
    }
}

/// What a fault says of the next attempt.
enum Next {
    Never(DeadReason),
    Retry { at_least: Option<Duration> },
    HostRetry,
    GiveBack,
    Cancelled,
}

fn next(fault: &Fault) -> Next {
    match fault {
        Fault::Guest(GuestFault::InvalidInput { .. }) => Next::Never(DeadReason::InvalidInput),
        Fault::Guest(GuestFault::Failed { .. } | GuestFault::RefusedOutput { .. }) => {
            Next::Never(DeadReason::Failed)
        }
        Fault::Guest(GuestFault::Unavailable { retry_after_ms, .. }) => {
            Next::Retry { at_least: retry_after_ms.map(Duration::from_millis) }
        }
        Fault::Guest(
            GuestFault::Trap { .. } | GuestFault::Exited { .. } | GuestFault::BadOutput { .. },
        ) => Next::Retry { at_least: None },
        Fault::OverQuota(breach) => match breach.quota {
            QuotaKind::Deadline => Next::Never(DeadReason::Expired),
            // A new instance may start in time where this one did not.
            QuotaKind::AgentTimeout => Next::Retry { at_least: None },
            QuotaKind::Memory
            | QuotaKind::ExecutionTime
            | QuotaKind::HostMemory
            | QuotaKind::Handles
            | QuotaKind::Descriptors
            | QuotaKind::Instances
            | QuotaKind::Network => Next::Never(DeadReason::OverQuota),
        },
        Fault::Host(_) => Next::HostRetry,
        Fault::Stopped => Next::GiveBack,
        Fault::Cancelled => Next::Cancelled,
    }
}

/// Decides what becomes of the task. `chance` is drawn from 0.0 to 1.0; `now` and
/// `moment` are the same instant, by the system's clock and by a steady one.
#[must_use]
pub fn settle(
    ran: Ran,
    counts: Counts,
    policy: &RetryPolicy,
    budget: &mut RetryBudget,
    now: Timestamp,
    moment: Moment,
    chance: f64,
) -> Settlement {
    let Ran { result, genome, agent_id, log } = ran;
    let Some(fault) = &result.fault else { return Settlement::Succeeded(result) };
    let failed = Attempt {
        number: counts.attempt,
        ended_at: now,
        error: AttemptError::Fault(fault.clone()),
        usage: Some(result.resource_usage.clone()),
        genome,
        agent_id,
        log,
    };
    match next(fault) {
        Next::Never(reason) => Settlement::Dead { reason, failed, result },
        Next::Retry { .. } if counts.attempt >= counts.max_attempts => {
            Settlement::Dead { reason: DeadReason::AttemptsExhausted, failed, result }
        }
        Next::Retry { at_least } => {
            let backoff = policy.delay(counts.attempt, chance, at_least);
            // Over its budget a retry is slowed, never dropped.
            let delay = if budget.withdraw(moment) { backoff } else { backoff.max(policy.cap()) };
            Settlement::Retry { at: now.after(delay), failed, host: false }
        }
        Next::HostRetry if counts.host_faults >= policy.host_faults() => {
            Settlement::Dead { reason: DeadReason::HostFault, failed, result }
        }
        Next::HostRetry => {
            let faults = counts.host_faults.saturating_add(1);
            let at = now.after(policy.delay(faults, chance, None));
            Settlement::Retry { at, failed, host: true }
        }
        Next::GiveBack => Settlement::GiveBack,
        Next::Cancelled => Settlement::Cancelled(result),
    }
}

/// What the end of a run says of its agent type; `None`: nothing.
///
/// An agent that refuses a bad input does its work. What the host, the
/// submitter or a limit of the submitter's own ended is no fault of the
/// agent's; nor is an answer that was larger or deeper than the host takes,
/// since a payload may ask a healthy agent for one. If these counted, one
/// submitter could open a genome's breaker for all submitters.
#[must_use]
pub fn blames_agent(fault: Option<&Fault>) -> Option<bool> {
    let Some(fault) = fault else { return Some(false) };
    match fault {
        Fault::Guest(GuestFault::InvalidInput { .. }) => Some(false),
        fault if is_too_large(fault) => None,
        Fault::Guest(_) => Some(true),
        Fault::OverQuota(breach) => match breach.set_by {
            LimitSource::Task => None,
            LimitSource::Agent | LimitSource::Host => Some(true),
        },
        Fault::Host(_) | Fault::Stopped | Fault::Cancelled => None,
    }
}

/// Whether a task's own call handed over, or answered, more than the host takes.
fn is_too_large(fault: &Fault) -> bool {
    match fault {
        Fault::Guest(GuestFault::RefusedOutput { during, .. }) => *during == Call::ExecuteTask,
        Fault::OverQuota(breach) => {
            breach.quota == QuotaKind::HostMemory && breach.during == Call::ExecuteTask
        }
        _ => false,
    }
}

/// Whether a run counts as failed where genomes are held against each other;
/// `None`: it says nothing of either.
///
/// All are given the same kind of input. So one that refuses everything, or
/// answers everything with more than the host takes, fails here, though neither
/// counts for a breaker.
#[must_use]
pub fn fails_beside_others(fault: Option<&Fault>) -> Option<bool> {
    match fault {
        Some(Fault::Guest(GuestFault::InvalidInput { .. })) => Some(true),
        Some(fault) if is_too_large(fault) => Some(true),
        fault => blames_agent(fault),
    }
}

/// The result of a task that was taken back.
#[must_use]
pub fn cancelled(task_id: TaskId, now: Timestamp) -> ExecutionResult {
    without_run(task_id, Fault::Cancelled, now)
}

/// The result of a task whose deadline passed while it was queued.
#[must_use]
pub fn expired(task_id: TaskId, now: Timestamp) -> ExecutionResult {
    let breach = Breach {
        quota: QuotaKind::Deadline,
        during: Call::ExecuteTask,
        set_by: LimitSource::Task,
        detail: "it passed while the task was queued".into(),
    };
    without_run(task_id, breach.into(), now)
}

/// The result of a task that was lost with its host too often.
#[must_use]
pub fn lost(task_id: TaskId, times: u32, now: Timestamp) -> ExecutionResult {
    without_run(task_id, HostFault::Crashed { times }.into(), now)
}

/// The result of a task that ended without a run.
#[must_use]
pub fn without_run(task_id: TaskId, fault: Fault, now: Timestamp) -> ExecutionResult {
    ExecutionResult {
        task_id,
        success: false,
        output: JsonText::default(),
        execution_time_ms: 0,
        resource_usage: ResourceUsage::default(),
        error: Some(fault.to_string()),
        fault: Some(fault),
        completed_at: now.to_system_time(),
    }
}

#[cfg(test)]
mod tests;
