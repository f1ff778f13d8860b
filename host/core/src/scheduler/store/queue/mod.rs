//! The rules, applied to rows.
//!
//! Synchronous and single-threaded: a store calls it under its lock or on the
//! thread that owns its connection, inside one transaction. What it counts
//! beside the rows is derived from them: counted anew by [`TaskQueue::recount`], or put
//! back as it was when a transaction is.

pub(super) mod clock;
mod lease;
mod settle;
mod stats;
mod submit;
mod sweep;

use std::collections::HashMap;

use super::requests::Lease;
use super::rows::{Row, Rows};
use crate::scheduler::fair_queue::FairQueue;
use crate::scheduler::machine::{TaskState, TransitionError};
use crate::scheduler::record::{Attempt, AttemptError};
use crate::scheduler::time::Timestamp;
use crate::telemetry::LogTail;
use crate::{ExecutionResult, Priority};

/// Applies the rules to a store's rows.
#[derive(Debug)]
pub struct TaskQueue<R> {
    rows: R,
    fair_queue: FairQueue,
    by_state: [usize; TaskState::ALL.len()],
    /// Waiting and delayed tasks of each type, by the type's number.
    queued: HashMap<u32, usize>,
    /// By how many milliseconds the clock of the hosts is ahead of a steady one;
    /// `None` before the first host reported it.
    ahead: Option<i64>,
}

/// What a [`TaskQueue`] counts beside its rows.
#[derive(Clone, Debug)]
pub struct Counted {
    fair_queue: FairQueue,
    by_state: [usize; TaskState::ALL.len()],
    queued: HashMap<u32, usize>,
    ahead: Option<i64>,
}

impl<R: Rows> TaskQueue<R> {
    /// A queue over these rows, counted.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn new(rows: R) -> Result<Self, R::Error> {
        let mut queue = Self {
            rows,
            fair_queue: FairQueue::default(),
            by_state: Default::default(),
            queued: HashMap::new(),
            ahead: None,
        };
        queue.recount()?;
        Ok(queue)
    }

    /// The rows.
    pub fn rows(&mut self) -> &mut R {
        &mut self.rows
    }

    /// What is counted now, to be put back if a transaction is rolled back.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let Self { fair_queue, by_state, queued, ahead, .. } = self;
        let (fair_queue, queued) = (fair_queue.clone(), queued.clone());
        Counted { fair_queue, by_state: *by_state, queued, ahead: *ahead }
    }

    /// Counts as before, without reading a row.
    pub fn put_back(&mut self, counted: Counted) {
        let Counted { fair_queue, by_state, queued, ahead } = counted;
        (self.fair_queue, self.by_state, self.queued, self.ahead) =
            (fair_queue, by_state, queued, ahead);
    }

    /// Counts everything anew.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn recount(&mut self) -> Result<(), R::Error> {
        self.fair_queue = FairQueue::default();
        self.by_state = Default::default();
        self.queued.clear();
        for part in self.rows.census()? {
            *self.count(part.state) += part.count;
            if part.state.is_queued() {
                *self.queued.entry(part.agent_type).or_insert(0) += part.count;
            }
            if part.state == TaskState::Waiting {
                self.fair_queue.join_many(part.priority, part.agent_type, part.count);
            }
        }
        Ok(())
    }

    /// The one way a row changes, so that the counts stay true.
    fn change(&mut self, before: &Row, after: &Row) -> Result<(), R::Error> {
        self.rows.update(before, after)?;
        let (was, is) = (before.progress.state, after.progress.state);
        if was != is {
            self.leave(was, before.priority, before.agent_type);
            self.enter(is, after.priority, after.agent_type);
        }
        Ok(())
    }

    fn forget(&mut self, row: &Row) -> Result<(), R::Error> {
        self.rows.remove(row)?;
        self.leave(row.progress.state, row.priority, row.agent_type);
        Ok(())
    }

    fn enter(&mut self, state: TaskState, priority: Priority, agent_type: u32) {
        *self.count(state) += 1;
        if state.is_queued() {
            *self.queued.entry(agent_type).or_insert(0) += 1;
        }
        if state == TaskState::Waiting {
            self.fair_queue.join(priority, agent_type);
        }
    }

    fn leave(&mut self, state: TaskState, priority: Priority, agent_type: u32) {
        let count = self.count(state);
        *count = count.saturating_sub(1);
        if state.is_queued() {
            let queued = self.queued.entry(agent_type).or_insert(0);
            *queued = queued.saturating_sub(1);
            if *queued == 0 {
                self.queued.remove(&agent_type);
            }
        }
        if state == TaskState::Waiting {
            self.fair_queue.leave(priority, agent_type);
        }
    }

    fn count(&mut self, state: TaskState) -> &mut usize {
        let [waiting, delayed, claimed, running, succeeded, dead, cancelled] = &mut self.by_state;
        match state {
            TaskState::Waiting => waiting,
            TaskState::Delayed => delayed,
            TaskState::Claimed => claimed,
            TaskState::Running => running,
            TaskState::Succeeded => succeeded,
            TaskState::Dead => dead,
            TaskState::Cancelled => cancelled,
        }
    }

    fn keep(&mut self, row: &Row, result: ExecutionResult) -> Result<(), R::Error> {
        let outcome = self.rows.outcome(result);
        self.rows.set_outcome(row, Some(&outcome))
    }
}

fn gone(lease: &Lease) -> TransitionError {
    TransitionError::Fence { offered: lease.fence, current: 0 }
}

fn attempt_without_run(row: &Row, error: AttemptError, now: Timestamp) -> Attempt {
    Attempt {
        number: row.progress.attempts,
        ended_at: now,
        error,
        usage: None,
        genome: row.genome,
        agent_id: None,
        log: LogTail::default(),
    }
}

#[cfg(test)]
mod tests;
