//! The maintenance sweep: moves tasks that are due, ends deadlines and leases that are
//! over, and deletes records that are kept no longer.

use super::{TaskQueue, attempt_without_run};
use crate::scheduler::machine::{Bounds, Loss, TaskState};
use crate::scheduler::record::{AttemptError, DeadReason};
use crate::scheduler::settle::{cancelled, expired, lost};
use crate::scheduler::store::ENDED;
use crate::scheduler::store::requests::{Retention, Swept};
use crate::scheduler::store::rows::{Row, Rows};
use crate::scheduler::time::Timestamp;

/// Rows that one sweep or round of retention moves at the most of each kind,
/// so that neither holds up claims for long.
const SWEEP: usize = 256;

impl<R: Rows> TaskQueue<R> {
    /// Moves what is due or over; see [`TaskStore::sweep`](crate::scheduler::store::TaskStore::sweep).
    ///
    /// # Errors
    /// The rows failed.
    pub fn sweep(&mut self, now: Timestamp, bounds: Bounds) -> Result<Swept, R::Error> {
        let mut swept = Swept::default();
        for row in self.rows.overdue(now, SWEEP)? {
            self.expire(&row, now)?;
            swept.ended.push(row.id);
        }
        for row in self.rows.timed(TaskState::Delayed, now, SWEEP)? {
            if let Ok(progress) = row.progress.promote(now) {
                self.change(&row, &Row { progress, ..row })?;
                swept.promoted += 1;
            }
        }
        for state in [TaskState::Claimed, TaskState::Running] {
            for row in self.rows.timed(state, now, SWEEP)? {
                self.lose(&row, now, bounds, &mut swept)?;
            }
        }
        swept.next = self.rows.next_event()?;
        Ok(swept)
    }

    /// Ends every lease, of any holder, as lost: for a store that only one
    /// process can have open, and that has just been opened.
    ///
    /// # Errors
    /// The rows failed.
    pub fn lose_all(&mut self, now: Timestamp, bounds: Bounds) -> Result<Swept, R::Error> {
        let mut swept = Swept::default();
        for state in [TaskState::Claimed, TaskState::Running] {
            loop {
                let leased = self.rows.timed(state, Timestamp(u64::MAX), SWEEP)?;
                if leased.is_empty() {
                    break;
                }
                for row in leased {
                    self.lose(&row, now, bounds, &mut swept)?;
                }
            }
        }
        Ok(swept)
    }

    fn lose(
        &mut self,
        row: &Row,
        now: Timestamp,
        bounds: Bounds,
        swept: &mut Swept,
    ) -> Result<(), R::Error> {
        let Ok((progress, loss)) = row.progress.lose(now, bounds) else { return Ok(()) };
        swept.lost += 1;
        let crashed =
            progress.crashes >= bounds.crashes || progress.lost_claims >= bounds.lost_claims;
        let reason = if crashed { DeadReason::HostCrash } else { DeadReason::AttemptsExhausted };
        let reason = (loss == Loss::Dead).then_some(reason);
        let after = Row { progress, reason, ..*row };
        self.change(row, &after)?;
        if row.progress.state == TaskState::Running {
            self.rows.add_attempt(&after, &attempt_without_run(row, AttemptError::Lost, now))?;
        }
        match loss {
            Loss::GivenBack | Loss::Again => return Ok(()),
            Loss::Dead => {
                let times = progress.crashes.saturating_add(progress.lost_claims);
                self.keep(&after, lost(row.id, times, now))?;
            }
            Loss::Cancelled => self.keep(&after, cancelled(row.id, now))?,
        }
        swept.ended.push(row.id);
        Ok(())
    }

    /// Ends a queued task whose deadline is over.
    pub(super) fn expire(&mut self, row: &Row, now: Timestamp) -> Result<(), R::Error> {
        let Ok(progress) = row.progress.expire(now) else { return Ok(()) };
        let after = Row { progress, reason: Some(DeadReason::Expired), ..*row };
        self.change(row, &after)?;
        self.rows.add_attempt(&after, &attempt_without_run(row, AttemptError::Expired, now))?;
        self.keep(&after, expired(row.id, now))
    }

    /// Forgets tasks; see [`TaskStore::retain`](crate::scheduler::store::TaskStore::retain).
    ///
    /// # Errors
    /// The rows failed.
    pub fn retain(&mut self, now: Timestamp, retention: &Retention) -> Result<u64, R::Error> {
        let mut forgotten = 0;
        for state in ENDED {
            let keep = retention.of(state);
            let too_many = (*self.count(state) as u64).saturating_sub(keep.count);
            let too_many = usize::try_from(too_many).unwrap_or(usize::MAX).min(SWEEP);
            let mut rows = self.rows.timed(state, now.before(keep.age), SWEEP)?;
            if rows.len() < too_many {
                rows = self.rows.timed(state, Timestamp(u64::MAX), too_many)?;
            }
            for row in rows {
                self.forget(&row)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }
}
