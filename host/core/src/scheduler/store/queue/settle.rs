//! What becomes of one task by a call from outside: from its run, its submitter or an operator.

use super::{TaskQueue, attempt_without_run, gone};
use crate::scheduler::machine::TaskState;
use crate::scheduler::record::{AttemptError, DeadReason};
use crate::scheduler::settle::{Settlement, cancelled};
use crate::scheduler::store::requests::{CancelAnswer, Settled, Verdict};
use crate::scheduler::store::rows::{Row, Rows};
use crate::scheduler::time::Timestamp;
use crate::{HostFault, TaskId};

impl<R: Rows> TaskQueue<R> {
    /// Moves tasks on; see [`TaskStore::settle`](crate::scheduler::store::TaskStore::settle).
    ///
    /// # Errors
    /// The rows failed.
    pub fn settle(
        &mut self,
        settled: &[Settled<R::Outcome>],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, R::Error> {
        settled.iter().map(|settled| self.settle_one(settled, now)).collect()
    }

    fn settle_one(
        &mut self,
        settled: &Settled<R::Outcome>,
        now: Timestamp,
    ) -> Result<Verdict, R::Error> {
        let Settled { lease, settlement, genome } = settled;
        let Some(row) = self.rows.find(lease.id)? else { return Ok(Err(gone(lease))) };
        let (fence, was) = (lease.fence, row.progress);
        let moved = match settlement {
            Settlement::Succeeded(_) => was.finish(fence, now),
            Settlement::Retry { at, host: false, .. } => was.retry(fence, *at, now),
            Settlement::Retry { at, host: true, .. } => was.retry_host(fence, *at, now),
            Settlement::GiveBack => was.give_back(fence, row.submitted_at.min(now), now),
            Settlement::Dead { .. } => was.dead_letter(fence, now),
            Settlement::Cancelled(_) => was.stop_cancelled(fence, now),
        };
        let progress = match moved {
            Ok(progress) => progress,
            Err(refused) => return Ok(Err(refused)),
        };
        let (reason, failed, result) = match settlement {
            Settlement::Succeeded(result) | Settlement::Cancelled(result) => {
                (None, None, Some(result))
            }
            Settlement::Dead { reason, failed, result } => {
                (Some(*reason), Some(failed), Some(result))
            }
            Settlement::Retry { failed, .. } => (None, Some(failed), None),
            Settlement::GiveBack => (None, None, None),
        };
        let genome = genome.or(row.genome);
        let after = Row { progress, reason, genome, ..row };
        self.change(&row, &after)?;
        if let Some(failed) = failed {
            self.rows.add_attempt(&after, failed)?;
        }
        if let Some(result) = result {
            self.rows.set_outcome(&after, Some(result))?;
        } else if progress.state == TaskState::Cancelled {
            self.keep(&after, cancelled(row.id, now))?;
        }
        Ok(Ok(progress.state))
    }

    /// Takes a task back; see [`TaskStore::cancel`](crate::scheduler::store::TaskStore::cancel).
    ///
    /// # Errors
    /// The rows failed.
    pub fn cancel(&mut self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, R::Error> {
        let Some(row) = self.rows.find(id)? else { return Ok(CancelAnswer::Unknown) };
        let Ok(progress) = row.progress.cancel(now) else {
            return Ok(CancelAnswer::Ended(row.progress.state));
        };
        let after = Row { progress, ..row };
        self.change(&row, &after)?;
        if progress.state != TaskState::Cancelled {
            return Ok(CancelAnswer::Requested);
        }
        self.keep(&after, cancelled(id, now))?;
        Ok(CancelAnswer::Cancelled)
    }

    /// Puts dead tasks back; see [`TaskStore::requeue`](crate::scheduler::store::TaskStore::requeue).
    ///
    /// # Errors
    /// The rows failed.
    pub fn requeue(&mut self, ids: &[TaskId], now: Timestamp) -> Result<Vec<TaskId>, R::Error> {
        let mut requeued = Vec::new();
        for id in ids {
            let Some(row) = self.rows.find(*id)? else { continue };
            let Ok(progress) = row.progress.requeue(now) else { continue };
            // A deadline that has passed would send it straight back.
            let deadline = row.deadline.filter(|deadline| *deadline > now);
            let after = Row { progress, reason: None, deadline, ..row };
            self.change(&row, &after)?;
            self.rows.set_outcome(&after, None)?;
            requeued.push(*id);
        }
        Ok(requeued)
    }

    /// Ends a task of which something stored cannot be read: whatever became of
    /// it before, it is a dead letter from now on. What is stored stays, to be
    /// looked at. The answer is whether it was none already.
    ///
    /// # Errors
    /// The rows failed.
    pub fn condemn(&mut self, id: TaskId, reason: &str, now: Timestamp) -> Result<bool, R::Error> {
        let Some(row) = self.rows.find(id)? else { return Ok(false) };
        let Ok(progress) = row.progress.condemn(now) else { return Ok(false) };
        let after = Row { progress, reason: Some(DeadReason::Unreadable), ..row };
        self.change(&row, &after)?;
        let fault = HostFault::Unreadable { reason: reason.to_owned() };
        let error = AttemptError::Fault(fault.into());
        self.rows.add_attempt(&after, &attempt_without_run(&row, error, now))?;
        Ok(true)
    }

    /// Forgets ended tasks; see [`TaskStore::purge`](crate::scheduler::store::TaskStore::purge).
    ///
    /// # Errors
    /// The rows failed.
    pub fn purge(&mut self, ids: &[TaskId]) -> Result<Vec<TaskId>, R::Error> {
        let mut purged = Vec::new();
        for id in ids {
            let Some(row) = self.rows.find(*id)? else { continue };
            if row.progress.state.has_ended() {
                self.forget(&row)?;
                purged.push(*id);
            }
        }
        Ok(purged)
    }
}
