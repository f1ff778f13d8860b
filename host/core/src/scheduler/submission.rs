//! What a submitter hands over, and what is refused before a store sees it.

use std::time::SystemTime;

use super::record::Timestamp;
use crate::{Digest, Task};

/// Attempts that a task has unless its submitter says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// More would hide a broken agent for days.
pub const MOST_ATTEMPTS: u32 = 100;
/// An idempotency key, an agent type's name: as long as any sensible one.
pub const MOST_NAME_BYTES: usize = 256;
/// A task as JSON. It is held several times over while it runs; larger data
/// belongs in a granted folder.
pub const MOST_TASK_BYTES: usize = 16 << 20;

/// How a task is to be taken, beyond what the task itself says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitOptions {
    /// A name of the submitter's own for this submission: a second one under
    /// the same name is answered with the first, for as long as that is kept.
    pub idempotency_key: Option<String>,
    /// The first run is not begun before this.
    pub not_before: Option<SystemTime>,
    /// Runs that may be begun; [`DEFAULT_MAX_ATTEMPTS`] where nothing is said.
    pub max_attempts: Option<u32>,
}

/// A task on its way into the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The task.
    pub task: Task,
    /// How it is to be taken.
    pub options: SubmitOptions,
}

impl From<Task> for Submission {
    fn from(task: Task) -> Self {
        Self { task, options: SubmitOptions::default() }
    }
}

impl Submission {
    /// Everything that is wrong with it, in words for whoever submitted it.
    #[must_use]
    pub fn complaints(&self, now: SystemTime) -> Vec<String> {
        let Self { task, options } = self;
        let mut wrong: Vec<String> = task
            .resource_quota
            .complaints()
            .into_iter()
            .map(|complaint| format!("resource_quota.{complaint}"))
            .collect();
        wrong.extend(bad_name("target_agent_type", &task.target_agent_type));
        if let Some(key) = &options.idempotency_key {
            wrong.extend(bad_name("idempotency_key", key));
        }
        if let Some(deadline) = task.deadline.filter(|deadline| *deadline <= now) {
            let late = now.duration_since(deadline).unwrap_or_default();
            wrong.push(format!("deadline is over since {} s; give one ahead", late.as_secs_f64()));
        }
        if let (Some(start), Some(deadline)) = (options.not_before, task.deadline)
            && start >= deadline
        {
            wrong.push("not_before is not before the deadline; the task could never run".into());
        }
        if let Some(attempts) = options.max_attempts
            && !(1..=MOST_ATTEMPTS).contains(&attempts)
        {
            wrong.push(format!("max_attempts is {attempts}; allowed is 1 to {MOST_ATTEMPTS}"));
        }
        wrong
    }

    /// When the first run may begin.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.options.not_before.map(Timestamp::from)
    }

    /// Runs that may be begun.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.options.max_attempts.unwrap_or(DEFAULT_MAX_ATTEMPTS)
    }

    /// What tells two submissions under one key apart: the work itself, not
    /// the identity and time that each call makes anew.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let work = format!("{}\n{}", self.task.target_agent_type, self.task.payload);
        Digest::of(work.as_bytes())
    }
}

fn bad_name(field: &str, name: &str) -> Option<String> {
    let length = name.len();
    (!(1..=MOST_NAME_BYTES).contains(&length))
        .then(|| format!("{field} has {length} bytes; allowed is 1 to {MOST_NAME_BYTES}"))
}
