//! Every state of a task and every edge between them.
//!
//! An edge is a method that takes the progress as it is and returns it as it
//! will be, or [`TransitionError`]. The holder of a lease names its fence, so a late
//! message about a lost lease changes nothing. `ARCHITECTURE.md` has the edges as a
//! table, and decision 0016 draws the machine.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::Timestamp;

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TaskState {
    /// May be claimed.
    Waiting,
    /// May be claimed when its time comes: a start set for later, or a retry.
    Delayed,
    /// A host holds its lease and makes ready to run it.
    Claimed,
    /// Runs.
    Running,
    /// Ended with an output.
    Succeeded,
    /// Ended without one: it lies in the dead letters with the reason.
    Dead,
    /// Taken back by its submitter.
    Cancelled,
}

impl TaskState {
    /// Every state, in the order of a life.
    pub const ALL: [TaskState; 7] = [
        TaskState::Waiting,
        TaskState::Delayed,
        TaskState::Claimed,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Dead,
        TaskState::Cancelled,
    ];

    /// Whether nothing more happens to the task by itself.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Dead | TaskState::Cancelled)
    }

    /// Whether the task's lease is held.
    #[must_use]
    pub fn is_leased(self) -> bool {
        matches!(self, TaskState::Claimed | TaskState::Running)
    }

    /// Whether the task counts against its queue's capacity.
    #[must_use]
    pub fn is_queued(self) -> bool {
        matches!(self, TaskState::Waiting | TaskState::Delayed)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskState::Waiting => "waiting",
            TaskState::Delayed => "delayed",
            TaskState::Claimed => "claimed",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Dead => "dead",
            TaskState::Cancelled => "cancelled",
        })
    }
}

/// How often a task may be lost before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Losses of a run that had started: it may be what brings the host down.
    pub crashes: u32,
    /// Losses of a claim before its run started; usually not this task's fault.
    pub lost_claims: u32,
}

impl Default for Bounds {
    /// Three crashes, as Sidekiq settled on after poison pills; ten claims,
    /// since those are mostly bystanders.
    fn default() -> Self {
        Self { crashes: 3, lost_claims: 10 }
    }
}

/// One start of a host: a random identity, never a name that a restart would
/// bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub Uuid);

/// The part of a task that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub state: TaskState,
    /// When this state ends by itself: due (delayed), lease over (leased), or
    /// when it began (waiting, ended).
    pub at: Timestamp,
    /// Drawn anew by each claim; zero before the first.
    pub fence: u64,
    /// Who holds the lease.
    pub owner: Option<Owner>,
    /// Runs begun, counted at the claim so that a crash counts too.
    pub attempts: u32,
    /// Runs that may be begun.
    pub max_attempts: u32,
    /// Runs lost with their host.
    pub crashes: u32,
    /// Claims lost before the run started.
    pub lost_claims: u32,
    /// Runs that failed through the host's own fault.
    pub host_faults: u32,
    /// Whether its submitter wants it back while it runs.
    pub cancel_requested: bool,
}

/// An edge that does not exist from where the task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The task is in another state.
    #[error("the task is {0}")]
    State(TaskState),
    /// The lease was lost, and perhaps another drawn since.
    #[error("the lease with fence {offered} is over; the task's is {current}")]
    Fence {
        /// The fence that was named.
        offered: u64,
        /// The task's fence.
        current: u64,
    },
}

/// What the loss of a lease leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The claim had not started: given back, as if it had not been.
    GivenBack,
    /// The run is made again.
    Again,
    /// Lost too often.
    Dead,
    /// Its submitter had taken it back.
    Cancelled,
}

impl Progress {
    /// A new task, waiting or delayed.
    #[must_use]
    pub fn submitted(now: Timestamp, not_before: Option<Timestamp>, max_attempts: u32) -> Self {
        let due = not_before.filter(|due| *due > now);
        Self {
            state: if due.is_some() { TaskState::Delayed } else { TaskState::Waiting },
            at: due.unwrap_or(now),
            fence: 0,
            owner: None,
            attempts: 0,
            max_attempts: max_attempts.max(1),
            crashes: 0,
            lost_claims: 0,
            host_faults: 0,
            cancel_requested: false,
        }
    }

    /// Waiting → claimed, or → running when `start` says that it begins at once.
    ///
    /// # Errors
    /// It does not wait.
    pub fn claim(
        self,
        owner: Owner,
        until: Timestamp,
        start: bool,
    ) -> Result<Self, TransitionError> {
        self.must_be(TaskState::Waiting)?;
        Ok(Self {
            state: if start { TaskState::Running } else { TaskState::Claimed },
            at: until,
            fence: self.fence.saturating_add(1),
            owner: Some(owner),
            attempts: self.attempts.saturating_add(1),
            ..self
        })
    }

    /// Claimed → running.
    ///
    /// # Errors
    /// The lease is over, or it runs already.
    pub fn start(self, fence: u64) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        self.must_be(TaskState::Claimed)?;
        Ok(Self { state: TaskState::Running, ..self })
    }

    /// A heartbeat: the lease lasts until `until`.
    ///
    /// # Errors
    /// The lease is over.
    pub fn extend(self, fence: u64, until: Timestamp) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        Ok(Self { at: until, ..self })
    }

    /// Leased → succeeded.
    ///
    /// # Errors
    /// The lease is over.
    pub fn finish(self, fence: u64, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        Ok(self.ended(TaskState::Succeeded, now))
    }

    /// Leased → delayed, to be run again at `at`. One that its submitter has
    /// taken back is cancelled instead.
    ///
    /// # Errors
    /// The lease is over.
    pub fn retry(self, fence: u64, at: Timestamp, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        if self.cancel_requested {
            return Ok(self.ended(TaskState::Cancelled, now));
        }
        Ok(Self { state: TaskState::Delayed, at, owner: None, ..self })
    }

    /// As [`retry`](Self::retry), for a fault of the host: the attempt is not
    /// the agent's and is not counted as one.
    ///
    /// # Errors
    /// The lease is over.
    pub fn retry_host(
        self,
        fence: u64,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Self, TransitionError> {
        let host_faults = self.host_faults.saturating_add(1);
        let attempts = self.attempts.saturating_sub(1);
        Self { host_faults, attempts, ..self }.retry(fence, at, now)
    }

    /// Leased → waiting, as if it had not been claimed: its runner stops. It has
    /// waited `since` then, and so keeps its place.
    ///
    /// # Errors
    /// The lease is over.
    pub fn give_back(
        self,
        fence: u64,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        if self.cancel_requested {
            return Ok(self.ended(TaskState::Cancelled, now));
        }
        Ok(Self { attempts: self.attempts.saturating_sub(1), ..self.waiting(since) })
    }

    /// Leased → dead.
    ///
    /// # Errors
    /// The lease is over.
    pub fn dead_letter(self, fence: u64, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        Ok(self.ended(TaskState::Dead, now))
    }

    /// Leased → cancelled: the runner has stopped it.
    ///
    /// # Errors
    /// The lease is over.
    pub fn stop_cancelled(self, fence: u64, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_hold(fence)?;
        Ok(self.ended(TaskState::Cancelled, now))
    }

    /// Queued → cancelled; leased: recorded, and the runner learns of it.
    ///
    /// # Errors
    /// It has ended.
    pub fn cancel(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self.state {
            TaskState::Waiting | TaskState::Delayed => Ok(self.ended(TaskState::Cancelled, now)),
            TaskState::Claimed | TaskState::Running => Ok(Self { cancel_requested: true, ..self }),
            ended => Err(TransitionError::State(ended)),
        }
    }

    /// Delayed → waiting.
    ///
    /// # Errors
    /// It is not delayed, or not yet due.
    pub fn promote(self, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_be(TaskState::Delayed)?;
        if self.at > now {
            return Err(TransitionError::State(self.state));
        }
        Ok(self.waiting(now))
    }

    /// Queued → dead, its deadline being over.
    ///
    /// # Errors
    /// It is not queued. A run is ended by its own limit.
    pub fn expire(self, now: Timestamp) -> Result<Self, TransitionError> {
        if !self.state.is_queued() {
            return Err(TransitionError::State(self.state));
        }
        Ok(self.ended(TaskState::Dead, now))
    }

    /// Anything → dead, what is stored of it being unreadable. The fence is not
    /// reset, so that a run which has not ended yet is refused.
    ///
    /// # Errors
    /// It is dead already.
    pub fn condemn(self, now: Timestamp) -> Result<Self, TransitionError> {
        if self.state == TaskState::Dead {
            return Err(TransitionError::State(self.state));
        }
        Ok(self.ended(TaskState::Dead, now))
    }

    /// The lease is over, or its owner gone: → waiting again, or → dead.
    ///
    /// # Errors
    /// No lease is held.
    pub fn lose(self, now: Timestamp, bounds: Bounds) -> Result<(Self, Loss), TransitionError> {
        let lost = match self.state {
            TaskState::Claimed => Self {
                lost_claims: self.lost_claims.saturating_add(1),
                attempts: self.attempts.saturating_sub(1),
                ..self
            },
            TaskState::Running => Self { crashes: self.crashes.saturating_add(1), ..self },
            other => return Err(TransitionError::State(other)),
        };
        if lost.cancel_requested {
            return Ok((lost.ended(TaskState::Cancelled, now), Loss::Cancelled));
        }
        let too_often = lost.crashes >= bounds.crashes
            || lost.lost_claims >= bounds.lost_claims
            || lost.attempts >= lost.max_attempts;
        if too_often {
            return Ok((lost.ended(TaskState::Dead, now), Loss::Dead));
        }
        let loss = if self.state == TaskState::Claimed { Loss::GivenBack } else { Loss::Again };
        Ok((lost.waiting(now), loss))
    }

    /// Dead → waiting, with every count at zero. The fence is not reset, so
    /// that no earlier lease holder can settle it.
    ///
    /// # Errors
    /// It is not dead.
    pub fn requeue(self, now: Timestamp) -> Result<Self, TransitionError> {
        self.must_be(TaskState::Dead)?;
        let fence = self.fence;
        Ok(Self { fence, ..Self::submitted(now, None, self.max_attempts) })
    }

    /// Whether `at` moves with a clock that is set. It does not where a task waits
    /// for the time of its first run, which its submitter named, or has ended.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        let ran_before = self.attempts > 0 || self.host_faults > 0;
        match self.state {
            TaskState::Waiting | TaskState::Claimed | TaskState::Running => true,
            TaskState::Delayed => ran_before,
            TaskState::Succeeded | TaskState::Dead | TaskState::Cancelled => false,
        }
    }

    fn waiting(self, now: Timestamp) -> Self {
        Self { state: TaskState::Waiting, at: now, owner: None, ..self }
    }

    fn ended(self, state: TaskState, now: Timestamp) -> Self {
        Self { state, at: now, owner: None, cancel_requested: false, ..self }
    }

    fn must_be(&self, state: TaskState) -> Result<(), TransitionError> {
        if self.state == state { Ok(()) } else { Err(TransitionError::State(self.state)) }
    }

    fn must_hold(&self, fence: u64) -> Result<(), TransitionError> {
        if !self.state.is_leased() {
            return Err(TransitionError::State(self.state));
        }
        if self.fence != fence {
            return Err(TransitionError::Fence { offered: fence, current: self.fence });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
