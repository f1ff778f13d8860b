//! Tasks in memory: for one-shot runs, and the twin that the others are held to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use super::queue::TaskQueue;
use super::requests::{
    CancelAnswer, Claim, ClaimRequest, Extension, Filter, Lease, NewTask, Order, Retention,
    Settled, StoreStats, SubmitTerms, Submitted, Swept, Verdict,
};
use super::rows::{Census, NewRow, Row, Rows};
use super::{StoreError, TaskStore};
use crate::scheduler::machine::{Bounds, Progress, TaskState, TransitionError};
use crate::scheduler::record::{Attempt, TaskRecord, TaskSummary};
use crate::scheduler::submission::Submission;
use crate::scheduler::time::Timestamp;
use crate::{Digest, ExecutionResult, Priority, Task, TaskId};

/// Tasks that are gone with the process.
#[derive(Debug)]
pub struct MemoryStore {
    queue: Mutex<Open>,
}

#[derive(Debug)]
enum Open {
    Yes(Box<TaskQueue<MemoryRows>>),
    Closed,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let Ok(queue) = TaskQueue::new(MemoryRows::default());
        Self { queue: Mutex::new(Open::Yes(Box::new(queue))) }
    }
}

impl MemoryStore {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut TaskQueue<MemoryRows>) -> Result<T, Infallible>,
    ) -> Result<T, StoreError> {
        match &mut *self.lock() {
            Open::Yes(queue) => {
                let Ok(done) = work(queue);
                Ok(done)
            }
            Open::Closed => Err(StoreError::Closed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.queue.lock()
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn submit(
        &self,
        batch: Vec<Submission>,
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, StoreError> {
        let batch: Vec<_> = batch.into_iter().map(|one| NewTask::of(one, Arc::new)).collect();
        self.with(|queue| queue.submit(&batch, terms))
    }

    async fn repeats(&self, batch: Vec<Submission>) -> Result<Vec<Option<Submitted>>, StoreError> {
        let batch: Vec<_> = batch.into_iter().map(|one| NewTask::of(one, Arc::new)).collect();
        self.with(|queue| queue.repeats(&batch))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claim, StoreError> {
        self.with(|queue| queue.claim(&request))
    }

    async fn start(
        &self,
        leases: Vec<Lease>,
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, StoreError> {
        self.with(|queue| queue.start(&leases, genome))
    }

    async fn extend(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Extension, StoreError> {
        self.with(|queue| queue.extend(&leases, until))
    }

    async fn settle(
        &self,
        settled: Vec<Settled>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.with(|queue| queue.settle(&settled, now))
    }

    async fn cancel(&self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, StoreError> {
        self.with(|queue| queue.cancel(id, now))
    }

    async fn requeue(&self, ids: Vec<TaskId>, now: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.with(|queue| queue.requeue(&ids, now))
    }

    async fn purge(&self, ids: Vec<TaskId>) -> Result<Vec<TaskId>, StoreError> {
        self.with(|queue| queue.purge(&ids))
    }

    async fn sweep(&self, now: Timestamp, bounds: Bounds) -> Result<Swept, StoreError> {
        self.with(|queue| queue.sweep(now, bounds))
    }

    async fn clock_was_set(&self, was: i64, is: i64) -> Result<(), StoreError> {
        self.with(|queue| queue.clock_was_set(was, is))
    }

    async fn retain(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.with(|queue| queue.retain(now, &retention))
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.with(|queue| Ok(queue.rows().record(id)))
    }

    async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError> {
        self.with(|queue| Ok(queue.rows().list(&filter)))
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.with(TaskQueue::stats)
    }

    async fn close(&self) {
        *self.lock() = Open::Closed;
    }
}

/// Rows in maps, each order in an index of its own.
#[derive(Debug, Default)]
pub(super) struct MemoryRows {
    types: HashMap<String, u32>,
    tasks: HashMap<TaskId, Kept>,
    keys: HashMap<String, (TaskId, Digest)>,
    waiting: BTreeMap<(Priority, u32), BTreeMap<(Timestamp, u64), TaskId>>,
    /// Every task that does not wait, by state and time.
    timed: BTreeSet<(TaskState, Timestamp, u64, TaskId)>,
    /// Queued tasks with a deadline.
    deadlines: BTreeSet<(Timestamp, u64, TaskId)>,
    last_seq: u64,
}

#[derive(Debug)]
struct Kept {
    row: Row,
    body: Arc<Task>,
    key: Option<String>,
    outcome: Option<ExecutionResult>,
    attempts: Vec<Attempt>,
}

impl MemoryRows {
    fn index(&mut self, row: &Row) {
        let Row { seq, id, progress, .. } = *row;
        if progress.state == TaskState::Waiting {
            let line = self.waiting.entry((row.priority, row.agent_type)).or_default();
            line.insert((progress.at, seq), id);
        } else {
            self.timed.insert((progress.state, progress.at, seq, id));
        }
        if let Some(deadline) = row.deadline.filter(|_| progress.state.is_queued()) {
            self.deadlines.insert((deadline, seq, id));
        }
    }

    fn unindex(&mut self, row: &Row) {
        let Row { seq, id, progress, .. } = *row;
        let line = (row.priority, row.agent_type);
        if let Some(waiting) = self.waiting.get_mut(&line) {
            waiting.remove(&(progress.at, seq));
            if waiting.is_empty() {
                self.waiting.remove(&line);
            }
        }
        self.timed.remove(&(progress.state, progress.at, seq, id));
        if let Some(deadline) = row.deadline {
            self.deadlines.remove(&(deadline, seq, id));
        }
    }

    fn rows(&self, ids: impl Iterator<Item = TaskId>, limit: usize) -> Vec<Row> {
        ids.filter_map(|id| self.tasks.get(&id)).map(|kept| kept.row).take(limit).collect()
    }

    pub(super) fn record(&self, id: TaskId) -> Option<TaskRecord> {
        let Kept { row, body, outcome, attempts, .. } = self.tasks.get(&id)?;
        let task = Task::clone(body);
        Some(row.record(task, outcome.clone(), attempts.clone()))
    }

    fn list(&self, filter: &Filter) -> Vec<TaskSummary> {
        let fits = |kept: &&Kept| {
            let Filter { state, agent_type, priority, reason, .. } = filter;
            state.is_none_or(|state| kept.row.progress.state == state)
                && priority.is_none_or(|priority| kept.row.priority == priority)
                && reason.is_none_or(|reason| kept.row.reason == Some(reason))
                && agent_type.as_ref().is_none_or(|name| *name == kept.body.target_agent_type)
        };
        let mut rows: Vec<&Kept> = self.tasks.values().filter(fits).collect();
        match filter.state {
            Some(_) => {
                let place = |kept: &&Kept| (kept.row.progress.at, kept.row.id);
                retain_page(&mut rows, place, filter.order, filter.after);
            }
            None => {
                let after = filter.after.map(|after| self.number_of(after, filter.order));
                retain_page(&mut rows, |kept| kept.row.seq, filter.order, after);
            }
        }
        let summary = |kept: &&Kept| kept.row.summary(kept.body.target_agent_type.clone());
        rows.iter().take(filter.limit).map(summary).collect()
    }

    /// The place of a task in the order of submission. Of one that is gone it is
    /// before all that was submitted in the same millisecond, so that a list
    /// leaves nothing out.
    fn number_of(&self, (at, id): (Timestamp, TaskId), order: Order) -> u64 {
        if let Some(kept) = self.tasks.get(&id) {
            return kept.row.seq;
        }
        let rows = self.tasks.values().map(|kept| kept.row);
        match order {
            Order::Oldest => {
                let later = rows.filter(|row| row.submitted_at >= at).map(|row| row.seq).min();
                later.map_or(u64::MAX, |seq| seq - 1)
            }
            Order::Newest => {
                let earlier = rows.filter(|row| row.submitted_at <= at).map(|row| row.seq).max();
                earlier.map_or(0, |seq| seq + 1)
            }
        }
    }
}

/// Orders rows by `key`, and leaves those that come after the page before.
fn retain_page<K: Ord>(
    rows: &mut Vec<&Kept>,
    key: impl Fn(&&Kept) -> K,
    order: Order,
    after: Option<K>,
) {
    rows.retain(|kept| {
        after.as_ref().is_none_or(|after| match order {
            Order::Oldest => key(kept) > *after,
            Order::Newest => key(kept) < *after,
        })
    });
    rows.sort_by_key(&key);
    if order == Order::Newest {
        rows.reverse();
    }
}

impl Rows for MemoryRows {
    type Error = Infallible;
    type Body = Arc<Task>;
    type Outcome = ExecutionResult;

    fn intern(&mut self, agent_type: &str) -> Result<u32, Infallible> {
        if let Some(number) = self.types.get(agent_type) {
            return Ok(*number);
        }
        let number = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        self.types.insert(agent_type.to_owned(), number);
        Ok(number)
    }

    fn type_name(&mut self, number: u32) -> Result<Option<String>, Infallible> {
        let mut types = self.types.iter();
        Ok(types.find(|(_, its)| **its == number).map(|(name, _)| name.clone()))
    }

    fn find(&mut self, id: TaskId) -> Result<Option<Row>, Infallible> {
        Ok(self.tasks.get(&id).map(|kept| kept.row))
    }

    fn find_key(&mut self, key: &str) -> Result<Option<(TaskId, Digest)>, Infallible> {
        Ok(self.keys.get(key).copied())
    }

    fn insert(&mut self, new: &NewRow<'_, Arc<Task>>) -> Result<(), Infallible> {
        self.last_seq += 1;
        let row = Row {
            seq: self.last_seq,
            id: new.id,
            agent_type: new.agent_type,
            priority: new.priority,
            deadline: new.deadline,
            submitted_at: new.submitted_at,
            progress: new.progress,
            genome: None,
            reason: None,
        };
        if let Some((key, fingerprint)) = new.key {
            self.keys.insert(key.clone(), (new.id, *fingerprint));
        }
        self.index(&row);
        let key = new.key.map(|(key, _)| key.clone());
        let body = Arc::clone(new.body);
        self.tasks.insert(new.id, Kept { row, body, key, outcome: None, attempts: Vec::new() });
        Ok(())
    }

    fn update(&mut self, before: &Row, after: &Row) -> Result<(), Infallible> {
        self.unindex(before);
        self.index(after);
        if let Some(kept) = self.tasks.get_mut(&after.id) {
            kept.row = *after;
        }
        Ok(())
    }

    fn waiting(
        &mut self,
        priority: Priority,
        agent_type: u32,
        limit: usize,
    ) -> Result<Vec<Row>, Infallible> {
        let line = self.waiting.get(&(priority, agent_type));
        Ok(self.rows(line.into_iter().flat_map(BTreeMap::values).copied(), limit))
    }

    fn timed(
        &mut self,
        state: TaskState,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Row>, Infallible> {
        let from = (state, Timestamp(0), 0, TaskId::from(uuid::Uuid::nil()));
        let until = (state, until, u64::MAX, TaskId::from(uuid::Uuid::max()));
        Ok(self.rows(self.timed.range(from..=until).map(|(_, _, _, id)| *id), limit))
    }

    fn shift(&mut self, by_ms: i64) -> Result<(), Infallible> {
        let rows: Vec<Row> = self.tasks.values().map(|kept| kept.row).collect();
        for row in rows.iter().filter(|row| row.progress.is_relative()) {
            let at = row.progress.at.set_by(by_ms);
            self.update(row, &Row { progress: Progress { at, ..row.progress }, ..*row })?;
        }
        Ok(())
    }

    fn failed_at(&mut self, row: &Row) -> Result<Option<Timestamp>, Infallible> {
        let kept = self.tasks.get(&row.id);
        Ok(kept.and_then(|kept| kept.attempts.last()).map(|attempt| attempt.ended_at))
    }

    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Infallible> {
        let until = (now, u64::MAX, TaskId::from(uuid::Uuid::max()));
        Ok(self.rows(self.deadlines.range(..=until).map(|(_, _, id)| *id), limit))
    }

    fn next_event(&mut self) -> Result<Option<Timestamp>, Infallible> {
        let first = |state| {
            let from = (state, Timestamp(0), 0, TaskId::from(uuid::Uuid::nil()));
            let next = self.timed.range(from..).next();
            next.filter(|(its, ..)| *its == state).map(|(_, at, ..)| *at)
        };
        let events = [TaskState::Delayed, TaskState::Claimed, TaskState::Running].map(first);
        let deadline = self.deadlines.first().map(|(at, ..)| *at);
        Ok(events.into_iter().chain([deadline]).flatten().min())
    }

    fn body(&mut self, row: &Row) -> Result<Option<Arc<Task>>, Infallible> {
        Ok(self.tasks.get(&row.id).map(|kept| Arc::clone(&kept.body)))
    }

    fn has_payload(&mut self, row: &Row, body: &Arc<Task>) -> Result<bool, Infallible> {
        Ok(self.tasks.get(&row.id).is_some_and(|kept| kept.body.payload == body.payload))
    }

    fn outcome(&self, result: ExecutionResult) -> ExecutionResult {
        result
    }

    fn set_outcome(
        &mut self,
        row: &Row,
        outcome: Option<&ExecutionResult>,
    ) -> Result<(), Infallible> {
        if let Some(kept) = self.tasks.get_mut(&row.id) {
            kept.outcome = outcome.cloned();
        }
        Ok(())
    }

    fn add_attempt(&mut self, row: &Row, attempt: &Attempt) -> Result<(), Infallible> {
        if let Some(kept) = self.tasks.get_mut(&row.id) {
            kept.attempts.push(attempt.clone());
        }
        Ok(())
    }

    fn remove(&mut self, row: &Row) -> Result<(), Infallible> {
        self.unindex(row);
        if let Some(key) = self.tasks.remove(&row.id).and_then(|kept| kept.key) {
            self.keys.remove(&key);
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Vec<Census>, Infallible> {
        let mut counts: BTreeMap<(TaskState, u32, Priority), usize> = BTreeMap::new();
        for Kept { row, .. } in self.tasks.values() {
            *counts.entry((row.progress.state, row.agent_type, row.priority)).or_insert(0) += 1;
        }
        let census = counts.into_iter().map(|((state, agent_type, priority), count)| Census {
            state,
            agent_type,
            priority,
            count,
        });
        Ok(census.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::MemoryStore;
    use crate::scheduler::store::suite::Test;

    /// This store never waits, so that one poll is all of a run.
    fn on_memory(test: Test) {
        let store = MemoryStore::default();
        let run = pin!(test.on(&store));
        assert!(run.poll(&mut Context::from_waker(Waker::noop())).is_ready(), "{test:?} waits");
    }

    crate::task_store_tests!(on_memory);
}
