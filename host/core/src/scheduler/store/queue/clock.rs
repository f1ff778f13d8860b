//! A clock that was set: what is relative moves with it.

use super::TaskQueue;
use crate::scheduler::machine::{Progress, TaskState};
use crate::scheduler::store::rows::{Row, Rows};
use crate::scheduler::time::Timestamp;

/// A clock that was set by fewer milliseconds is one that is not exact.
pub const SET_MS: u64 = 500;

impl<R: Rows> TaskQueue<R> {
    /// Moves what is relative; see [`TaskStore`](crate::scheduler::store::TaskStore).
    ///
    /// # Errors
    /// The rows failed.
    pub fn clock_was_set(&mut self, was: i64, is: i64) -> Result<(), R::Error> {
        let by = is.saturating_sub(self.ahead.unwrap_or(was));
        if by.unsigned_abs() >= SET_MS {
            self.rows.shift(by)?;
        }
        self.ahead = Some(is);
        Ok(())
    }

    /// Restores the delay of retries if the clock was set back while no host
    /// had the store open.
    ///
    /// # Errors
    /// The rows failed.
    pub fn make_up(&mut self, now: Timestamp) -> Result<(), R::Error> {
        for row in self.rows.timed(TaskState::Delayed, Timestamp(u64::MAX), usize::MAX)? {
            if row.progress.at <= now || !row.progress.is_relative() {
                continue;
            }
            let Some(failed_at) = self.rows.failed_at(&row)?.filter(|failed| *failed > now) else {
                continue;
            };
            let at = now.after(row.progress.at.since(failed_at));
            self.change(&row, &Row { progress: Progress { at, ..row.progress }, ..row })?;
        }
        Ok(())
    }
}
