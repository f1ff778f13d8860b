//! The rules, applied to rows.
//!
//! Synchronous and single-threaded: a store calls it under its lock or on the
//! thread that owns its connection, inside one transaction. What it counts
//! beside the rows is derived from them: counted anew by [`TaskQueue::recount`], or put
//! back as it was when a transaction is.

pub(super) mod clock;
mod stats;

use std::collections::HashMap;

use super::requests::{
    CancelAnswer, Claim, ClaimRequest, Extension, Handed, Lease, NewTask, Retention, Settled,
    SubmitTerms, Submitted, Swept, Verdict,
};
use super::rows::{NewRow, Row, Rows};
use super::{ENDED, TaskState};
use crate::scheduler::fair_queue::{FairQueue, Slots};
use crate::scheduler::machine::{Bounds, Loss, Progress, TransitionError};
use crate::scheduler::record::{Attempt, AttemptError, DeadReason, Timestamp};
use crate::scheduler::settle::{Counts, Settlement, cancelled, expired, lost};
use crate::telemetry::LogTail;
use crate::{Digest, ExecutionResult, HostFault, Priority, TaskId};

/// Rows that one sweep or round of retention moves at the most of each kind,
/// so that neither holds up claims for long.
const SWEEP: usize = 256;

/// Applies the rules to a store's rows.
#[derive(Debug)]
pub struct TaskQueue<R> {
    rows: R,
    fair_queue: FairQueue,
    by_state: [usize; TaskState::ALL.len()],
    /// Waiting and delayed tasks of each type, by the type's number.
    queued: HashMap<u32, usize>,
    /// By how many milliseconds the clock of those who ask is ahead of a steady
    /// one; `None` before the first of them said so.
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

    /// Takes tasks; see [`TaskStore::submit`](super::TaskStore::submit).
    ///
    /// # Errors
    /// The rows failed.
    pub fn submit(
        &mut self,
        batch: &[NewTask<R::Body>],
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, R::Error> {
        batch.iter().map(|task| self.submit_one(task, terms)).collect()
    }

    fn submit_one(
        &mut self,
        task: &NewTask<R::Body>,
        terms: SubmitTerms,
    ) -> Result<Submitted, R::Error> {
        if let Some(before) = self.repeat(task)? {
            return Ok(before);
        }
        let agent_type = self.rows.intern(&task.agent_type)?;
        let queued = self.queued.get(&agent_type).copied().unwrap_or(0);
        if queued >= terms.capacity {
            return Ok(Submitted::Full { queued });
        }
        let progress = Progress::submitted(terms.now, task.not_before, task.max_attempts);
        self.rows.insert(&NewRow {
            id: task.id,
            agent_type,
            priority: task.priority,
            deadline: task.deadline,
            submitted_at: terms.now,
            progress,
            key: task.key.as_ref(),
            body: &task.body,
        })?;
        self.enter(progress.state, task.priority, agent_type);
        Ok(Submitted::Accepted)
    }

    /// Answers repeats; see [`TaskStore::repeats`](super::TaskStore::repeats).
    ///
    /// # Errors
    /// The rows failed.
    pub fn repeats(
        &mut self,
        batch: &[NewTask<R::Body>],
    ) -> Result<Vec<Option<Submitted>>, R::Error> {
        batch.iter().map(|task| self.repeat(task)).collect()
    }

    fn repeat(&mut self, task: &NewTask<R::Body>) -> Result<Option<Submitted>, R::Error> {
        if let Some((key, fingerprint)) = &task.key
            && let Some((first, theirs)) = self.rows.find_key(key)?
        {
            let same = theirs == *fingerprint;
            return Ok(Some(match same {
                true => Submitted::Duplicate(first),
                false => Submitted::KeyTaken(first),
            }));
        }
        let Some(row) = self.rows.find(task.id)? else { return Ok(None) };
        let of_type = self.rows.type_name(row.agent_type)?;
        let same = of_type.as_deref() == Some(&*task.agent_type)
            && self.rows.has_payload(&row, &task.body)?;
        Ok(Some(if same { Submitted::Duplicate(task.id) } else { Submitted::IdTaken }))
    }

    /// Hands out tasks; see [`TaskStore::claim`](super::TaskStore::claim).
    ///
    /// # Errors
    /// The rows failed.
    pub fn claim(&mut self, request: &ClaimRequest) -> Result<Claim<R::Body>, R::Error> {
        let mut claim = Claim { tasks: Vec::new(), ended: Vec::new() };
        let mut rooms = HashMap::new();
        let mut starts: HashMap<u32, Digest> = HashMap::new();
        for room in &request.rooms {
            let agent_type = self.rows.intern(&room.agent_type)?;
            rooms.insert(agent_type, Slots { free: room.free, reserved: room.reserved });
            starts.extend(room.starts.map(|genome| (agent_type, genome)));
        }
        for (priority, agent_type, count) in self.fair_queue.plan(&mut rooms, request.most) {
            let genome = starts.get(&agent_type).copied();
            for row in self.rows.waiting(priority, agent_type, count)? {
                if row.deadline.is_some_and(|deadline| deadline <= request.now) {
                    self.expire(&row, request.now)?;
                    claim.ended.push(row.id);
                } else if let Some(handed) = self.hand_out(row, request, genome)? {
                    claim.tasks.push(handed);
                }
            }
        }
        Ok(claim)
    }

    fn hand_out(
        &mut self,
        row: Row,
        request: &ClaimRequest,
        genome: Option<Digest>,
    ) -> Result<Option<Handed<R::Body>>, R::Error> {
        // What may have brought a host down is started by itself, so that the
        // next time nobody shares the blame.
        let lost_before = row.progress.crashes > 0 || row.progress.lost_claims > 0;
        let genome = genome.filter(|_| !lost_before);
        let claimed = row.progress.claim(request.owner, request.until, genome.is_some());
        let (Ok(progress), Some(body)) = (claimed, self.rows.body(&row)?) else { return Ok(None) };
        let after = Row { progress, genome: genome.or(row.genome), ..row };
        self.change(&row, &after)?;
        Ok(Some(Handed {
            lease: Lease { id: row.id, fence: progress.fence },
            counts: Counts {
                attempt: progress.attempts,
                max_attempts: progress.max_attempts,
                host_faults: progress.host_faults,
            },
            started: genome.is_some(),
            submitted_at: row.submitted_at,
            deadline: row.deadline,
            body,
        }))
    }

    /// Marks tasks as running; see [`TaskStore::start`](super::TaskStore::start).
    ///
    /// # Errors
    /// The rows failed.
    pub fn start(
        &mut self,
        leases: &[Lease],
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, R::Error> {
        let start = |queue: &mut Self, lease: &Lease| {
            let Some(row) = queue.rows.find(lease.id)? else { return Ok(Err(gone(lease))) };
            match row.progress.start(lease.fence) {
                Ok(progress) => {
                    let genome = genome.or(row.genome);
                    queue.change(&row, &Row { progress, genome, ..row }).map(Ok)
                }
                Err(refused) => Ok(Err(refused)),
            }
        };
        leases.iter().map(|lease| start(self, lease)).collect()
    }

    /// Heartbeats; see [`TaskStore::extend`](super::TaskStore::extend).
    ///
    /// # Errors
    /// The rows failed.
    pub fn extend(&mut self, leases: &[Lease], until: Timestamp) -> Result<Extension, R::Error> {
        let mut answer = Extension::default();
        for lease in leases {
            let row = self.rows.find(lease.id)?;
            let extended = row.map(|row| (row, row.progress.extend(lease.fence, until)));
            let Some((row, Ok(progress))) = extended else {
                answer.lost.push(lease.id);
                continue;
            };
            self.change(&row, &Row { progress, ..row })?;
            if progress.cancel_requested {
                answer.cancelled.push(lease.id);
            }
        }
        Ok(answer)
    }

    /// Moves tasks on; see [`TaskStore::settle`](super::TaskStore::settle).
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

    /// Takes a task back; see [`TaskStore::cancel`](super::TaskStore::cancel).
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

    /// Puts dead tasks back; see [`TaskStore::requeue`](super::TaskStore::requeue).
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

    /// Forgets ended tasks; see [`TaskStore::purge`](super::TaskStore::purge).
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

    /// Does what time brings; see [`TaskStore::sweep`](super::TaskStore::sweep).
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

    /// Loses every lease there is, whoever holds it: for a store that only one
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

    fn expire(&mut self, row: &Row, now: Timestamp) -> Result<(), R::Error> {
        let Ok(progress) = row.progress.expire(now) else { return Ok(()) };
        let after = Row { progress, reason: Some(DeadReason::Expired), ..*row };
        self.change(row, &after)?;
        self.rows.add_attempt(&after, &attempt_without_run(row, AttemptError::Expired, now))?;
        self.keep(&after, expired(row.id, now))
    }

    /// Forgets tasks; see [`TaskStore::retain`](super::TaskStore::retain).
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
