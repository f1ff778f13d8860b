//! What a store holds, counted.

use super::TaskQueue;
use crate::Priority;
use crate::scheduler::fair_queue::WEIGHTS;
use crate::scheduler::machine::TaskState;
use crate::scheduler::store::requests::StoreStats;
use crate::scheduler::store::rows::Rows;
use crate::scheduler::time::Timestamp;

impl<R: Rows> TaskQueue<R> {
    /// Counts; see [`TaskStore::stats`](crate::scheduler::store::TaskStore::stats).
    ///
    /// # Errors
    /// The rows failed.
    pub fn stats(&mut self) -> Result<StoreStats, R::Error> {
        let mut stats = StoreStats::default();
        for (state, count) in TaskState::ALL.into_iter().zip(self.by_state) {
            stats.by_state.push((state, count as u64));
        }
        for (priority, _) in WEIGHTS {
            stats.waiting_by_priority.push((priority, self.fair_queue.waiting(priority) as u64));
            stats.oldest_waiting.extend(self.oldest(priority)?.map(|at| (priority, at)));
        }
        for (agent_type, count) in self.queued.iter().filter(|(_, count)| **count > 0) {
            let name = self.rows.type_name(*agent_type)?.unwrap_or_default();
            stats.queued_by_type.push((name, *count as u64));
        }
        stats.queued_by_type.sort();
        Ok(stats)
    }

    fn oldest(&mut self, priority: Priority) -> Result<Option<Timestamp>, R::Error> {
        let types: Vec<u32> = self.queued.keys().copied().collect();
        let mut oldest = None;
        for agent_type in types {
            if self.fair_queue.waiting_of(priority, agent_type) > 0 {
                let first = self.rows.waiting(priority, agent_type, 1)?;
                let since = first.first().map(|row| row.progress.at);
                oldest = [oldest, since].into_iter().flatten().min();
            }
        }
        Ok(oldest)
    }
}
