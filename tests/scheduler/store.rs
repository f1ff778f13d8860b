//! A store that counts how often each task ended, and fails when a test asks it to.
//!
//! [`Disk`] is what survives: tasks in memory, shared by all hosts that are
//! started on it, one after the other or at once. Each host has a [`Handle`];
//! one that was killed neither writes any more nor hears what it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chimera_layer4::fabric::queue::machine::TransitionError;
use chimera_layer4::fabric::queue::record::{TaskRecord, TaskSummary};
use chimera_layer4::fabric::queue::store::{
    CancelAnswer, Claim, ClaimRequest, Extension, Filter, Lease, MemoryStore, Retention, SET_MS,
    Settled, StoreError, StoreStats, SubmitTerms, Submitted, Swept, TaskStore, Verdict,
};
use chimera_layer4::fabric::queue::{Bounds, Submission, Timestamp};
use chimera_layer4::fabric::{Digest, TaskId};
use parking_lot::{Mutex, MutexGuard};

use super::pass;

/// What a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Submit,
    Claim,
    Start,
    Extend,
    Settle,
    Cancel,
    Requeue,
    Purge,
    Sweep,
    /// That the clock was set.
    Clock,
    Retain,
    Read,
}

/// Those that write.
pub(super) const WRITES: [Op; 11] = [
    Op::Submit,
    Op::Claim,
    Op::Start,
    Op::Extend,
    Op::Settle,
    Op::Cancel,
    Op::Requeue,
    Op::Purge,
    Op::Sweep,
    Op::Clock,
    Op::Retain,
];

#[derive(Default)]
struct State {
    unavailable: BTreeSet<Op>,
    /// How long an answer is on its way, at the most; drawn for each.
    latency: Option<(fastrand::Rng, u64)>,
    /// How long the answers to these are on their way.
    late_answers: BTreeMap<Op, Duration>,
    asked: BTreeMap<Op, usize>,
    endings: BTreeMap<TaskId, usize>,
    requeued: BTreeMap<TaskId, usize>,
    /// How far ahead the hosts' clock is, and how often it was set.
    ahead_ms: Option<i64>,
    clock_sets: usize,
}

/// What outlives a host.
#[derive(Default)]
pub(super) struct Disk {
    rows: MemoryStore,
    state: Mutex<State>,
}

impl Disk {
    /// From now on these answer that the store cannot write.
    pub(super) fn fail(&self, ops: &[Op]) {
        self.lock().unavailable = ops.iter().copied().collect();
    }

    /// From now on each question and each answer is on its way for up to this.
    pub(super) fn set_latency(&self, seed: u64, most: Duration) {
        let most = u64::try_from(most.as_millis()).unwrap();
        self.lock().latency = Some((fastrand::Rng::with_seed(seed), most));
    }

    /// From now on each answer to this is on its way for so long; what was asked
    /// is done before.
    pub(super) fn answer_late(&self, op: Op, by: Duration) {
        self.lock().late_answers.insert(op, by);
    }

    /// How often this was asked for.
    pub(super) fn asked(&self, op: Op) -> usize {
        self.lock().asked.get(&op).copied().unwrap_or(0)
    }

    /// How often a task came to an end.
    pub(super) fn endings(&self, id: TaskId) -> usize {
        self.lock().endings.get(&id).copied().unwrap_or(0)
    }

    /// How often a task was put back from the dead letters.
    pub(super) fn requeued(&self, id: TaskId) -> usize {
        self.lock().requeued.get(&id).copied().unwrap_or(0)
    }

    pub(super) fn rows(&self) -> &MemoryStore {
        &self.rows
    }

    fn ended<'a>(&self, ids: impl IntoIterator<Item = &'a TaskId>) {
        let mut state = self.lock();
        ids.into_iter().for_each(|id| *state.endings.entry(*id).or_default() += 1);
    }

    async fn way(&self) {
        let millis = {
            let mut state = self.lock();
            state.latency.as_mut().map_or(0, |(chance, most)| chance.u64(0..=*most))
        };
        if millis > 0 {
            pass(Duration::from_millis(millis)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// One host's way to the disk.
pub(super) struct Handle {
    disk: Arc<Disk>,
    gone: AtomicBool,
    unavailable: Mutex<BTreeSet<Op>>,
    /// The last setting of the clock that this host reported, if any.
    reported: Mutex<Option<usize>>,
}

impl Handle {
    pub(super) fn new(disk: &Arc<Disk>) -> Arc<Self> {
        let disk = Arc::clone(disk);
        Arc::new(Self {
            disk,
            gone: AtomicBool::new(false),
            unavailable: Mutex::default(),
            reported: Mutex::default(),
        })
    }

    /// The host went down: what is on its way to the disk does not arrive.
    pub(super) fn kill(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// As [`Disk::fail`], for this host alone.
    pub(super) fn fail(&self, ops: &[Op]) {
        *self.failing() = ops.iter().copied().collect();
    }

    fn failing(&self) -> MutexGuard<'_, BTreeSet<Op>> {
        self.unavailable.lock()
    }

    async fn ask<T>(
        &self,
        op: Op,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.disk.way().await;
        self.is_there()?;
        {
            let mut state = self.disk.lock();
            *state.asked.entry(op).or_default() += 1;
            if state.unavailable.contains(&op) || self.failing().contains(&op) {
                return Err(StoreError::Unavailable { reason: "scripted".into() });
            }
            if !matches!(op, Op::Read | Op::Clock) && self.is_behind(state.clock_sets) {
                return Err(StoreError::Unavailable { reason: "the clock was set".into() });
            }
        }
        let done = work.await?;
        let late = self.disk.lock().late_answers.get(&op).copied();
        if let Some(late) = late {
            pass(late).await;
        }
        self.disk.way().await;
        // The change stays, but the caller gets no answer.
        self.is_there()?;
        Ok(done)
    }

    /// Whether another host reported that the clock was set, and this one has not yet.
    fn is_behind(&self, clock_sets: usize) -> bool {
        self.telling().is_some_and(|reported| reported < clock_sets)
    }

    fn telling(&self) -> MutexGuard<'_, Option<usize>> {
        self.reported.lock()
    }

    fn is_there(&self) -> Result<(), StoreError> {
        if self.gone.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }
}

#[async_trait]
impl TaskStore for Handle {
    async fn submit(
        &self,
        batch: Vec<Submission>,
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, StoreError> {
        self.ask(Op::Submit, self.disk.rows.submit(batch, terms)).await
    }

    async fn repeats(&self, batch: Vec<Submission>) -> Result<Vec<Option<Submitted>>, StoreError> {
        self.ask(Op::Submit, self.disk.rows.repeats(batch)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claim, StoreError> {
        self.ask(Op::Claim, async {
            let claim = self.disk.rows.claim(request).await?;
            self.disk.ended(&claim.ended);
            Ok(claim)
        })
        .await
    }

    async fn start(
        &self,
        leases: Vec<Lease>,
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, StoreError> {
        self.ask(Op::Start, self.disk.rows.start(leases, genome)).await
    }

    async fn extend(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Extension, StoreError> {
        self.ask(Op::Extend, self.disk.rows.extend(leases, until)).await
    }

    async fn settle(
        &self,
        settled: Vec<Settled>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.ask(Op::Settle, async {
            let ids: Vec<TaskId> = settled.iter().map(|settled| settled.lease.id).collect();
            let verdicts = self.disk.rows.settle(settled, now).await?;
            let moved = ids.iter().zip(&verdicts);
            let ended =
                moved.filter(|(_, verdict)| verdict.as_ref().is_ok_and(|state| state.has_ended()));
            self.disk.ended(ended.map(|(id, _)| id));
            Ok(verdicts)
        })
        .await
    }

    async fn cancel(&self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, StoreError> {
        self.ask(Op::Cancel, async {
            let answer = self.disk.rows.cancel(id, now).await?;
            if answer == CancelAnswer::Cancelled {
                self.disk.ended(&[id]);
            }
            Ok(answer)
        })
        .await
    }

    async fn requeue(&self, ids: Vec<TaskId>, now: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.ask(Op::Requeue, async {
            let requeued = self.disk.rows.requeue(ids, now).await?;
            let mut state = self.disk.lock();
            requeued.iter().for_each(|id| *state.requeued.entry(*id).or_default() += 1);
            Ok(requeued)
        })
        .await
    }

    async fn purge(&self, ids: Vec<TaskId>) -> Result<Vec<TaskId>, StoreError> {
        self.ask(Op::Purge, self.disk.rows.purge(ids)).await
    }

    async fn sweep(&self, now: Timestamp, bounds: Bounds) -> Result<Swept, StoreError> {
        self.ask(Op::Sweep, async {
            let swept = self.disk.rows.sweep(now, bounds).await?;
            self.disk.ended(&swept.ended);
            Ok(swept)
        })
        .await
    }

    async fn clock_was_set(&self, was: i64, is: i64) -> Result<(), StoreError> {
        self.ask(Op::Clock, async {
            self.disk.rows.clock_was_set(was, is).await?;
            let mut state = self.disk.lock();
            let before = state.ahead_ms.replace(is).unwrap_or(was);
            state.clock_sets += usize::from(before.abs_diff(is) >= SET_MS);
            *self.telling() = Some(state.clock_sets);
            Ok(())
        })
        .await
    }

    async fn retain(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.ask(Op::Retain, self.disk.rows.retain(now, retention)).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.ask(Op::Read, self.disk.rows.get(id)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError> {
        self.ask(Op::Read, self.disk.rows.list(filter)).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.ask(Op::Read, self.disk.rows.stats()).await
    }

    async fn close(&self) {
        self.kill();
    }
}
