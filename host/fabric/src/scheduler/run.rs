//! A task in flight: from its claim to its settlement.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::scheduler::store::{Claimed, Lease, Settled, StoreError, Verdict};
use chimera_layer4_core::scheduler::{Ran, Settlement, TaskState, Timestamp, settle};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{AgentId, Digest, ExecutionResult, Fault, Task, TaskId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Shared;
use super::arms::Placed;
use super::in_flight::Stop;
use super::observe::{Change, End};

/// The delay before a write of a run's start or end is tried again on a store that cannot write.
const PATIENCE: Duration = Duration::from_millis(100);

/// With thousands of results waiting this is load enough.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// Starts a claimed task; a future of its own runs it to its settlement.
pub(super) fn spawn_run(shared: &Arc<Shared>, mut claimed: Claimed) {
    if claimed.body.deadline.map(Timestamp::from) != claimed.deadline {
        let deadline = claimed.deadline.map(Timestamp::to_system_time);
        claimed.body = Arc::new(Task { deadline, ..Task::clone(&claimed.body) });
    }
    let stopped = shared.in_flight.insert(claimed.lease);
    let Task { target_agent_type, priority, .. } = &*claimed.body;
    let now = shared.now();
    let attempt = claimed.counts.attempt;
    let meant = shared.runner.meant_for(&claimed.body, attempt);
    let place = shared.types().began(
        target_agent_type,
        *priority,
        attempt <= 1,
        &meant,
        shared.time.moment(),
    );
    let shared = Arc::clone(shared);
    let age = now.since(claimed.submitted_at);
    shared.observe(&claimed.body, now, Change::Started { attempt, age });
    let slot = Slot::of(&shared, &claimed, place.clone());
    let in_flight = RemoveOnDrop { shared: Arc::clone(&shared), lease: claimed.lease };
    tokio::spawn(async move {
        drive(&shared, claimed, &place, stopped, slot).await;
        drop(in_flight);
    });
}

/// Gives back what was claimed too late to be run here.
pub(super) async fn release(shared: &Shared, claimed: Vec<Claimed>) {
    let give_back = |claimed: Claimed| Settled {
        lease: claimed.lease,
        settlement: Settlement::GiveBack,
        genome: None,
    };
    let settled = claimed.into_iter().map(give_back).collect();
    let reading = shared.time.for_write().await;
    if let Err(error) = shared.store.settle(settled, reading.now).await {
        tracing::warn!(%error, "tasks could not be given back; their leases run out");
    }
}

/// Removes a task from those in flight when dropped, so that a runner which panics does not keep
/// its lease alive: it ends, and the run counts as lost with its host.
struct RemoveOnDrop {
    shared: Arc<Shared>,
    lease: Lease,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        self.shared.in_flight.remove(self.lease);
        // The in-flight limit may have held tasks back; wake the dispatcher.
        self.shared.work.notify_one();
    }
}

/// A slot of the task's type, free again when dropped.
struct Slot {
    shared: Arc<Shared>,
    body: Arc<Task>,
    place: Placed,
    begun: Instant,
}

impl Slot {
    fn of(shared: &Arc<Shared>, claimed: &Claimed, place: Placed) -> Self {
        let body = Arc::clone(&claimed.body);
        Self { shared: Arc::clone(shared), body, place, begun: Instant::now() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let Task { target_agent_type, priority, .. } = &*self.body;
        self.shared.types().ended(target_agent_type, *priority, &self.place, seconds);
        self.shared.work.notify_one();
    }
}

async fn drive(
    shared: &Arc<Shared>,
    claimed: Claimed,
    place: &Placed,
    mut stopped: oneshot::Receiver<Stop>,
    slot: Slot,
) {
    let task = &*claimed.body;
    let ran = tokio::select! {
        // What has ended has ended, also when it was to be stopped.
        biased;
        ran = run(shared, &claimed, place) => ran,
        why = &mut stopped => ended_by(task.id, why.unwrap_or(Stop::ShuttingDown), shared),
    };
    drop(slot);
    // Nothing can end the run any more. Closed before its end is written to the
    // store, so that a heartbeat after the settlement finds no run.
    drop(stopped);
    // Without a result the lease is lost, and the task belongs to another owner.
    let Some(ran) = ran else { return };
    let (now, ahead_ms) = shared.time.now_and_ahead();
    let result = shared.subscribers.has(task.id).then(|| ran.result.clone());
    let outcome = Outcome { genome: ran.genome, agent_id: ran.agent_id, result };
    let both = (now, shared.time.moment());
    let settlement =
        shared
            .types()
            .settle(&task.target_agent_type, place, ran, claimed.counts, both, || shared.chance());
    let mut settled = Settled { lease: claimed.lease, settlement, genome: outcome.genome };
    if let Some(verdict) = record(shared, &mut settled, now, ahead_ms).await {
        announce(shared, &claimed, &settled.settlement, verdict, outcome, now).await;
    }
}

/// Reports to the observer and the subscribers what became of a task whose run ended.
async fn announce(
    shared: &Shared,
    claimed: &Claimed,
    settlement: &Settlement,
    verdict: Verdict,
    outcome: Outcome,
    now: Timestamp,
) {
    let task = &*claimed.body;
    match verdict {
        Ok(state) if state.has_ended() => {
            // Cancelled meanwhile, it is cancelled whatever the run brought.
            let took = now.since(claimed.submitted_at);
            shared.observe(task, now, Change::Ended(outcome.end(state, settlement, took)));
            match outcome.result.filter(|_| ends(settlement)) {
                Some(result) => shared.subscribers.notify(&result),
                // Cancelled meanwhile, or waited for only since.
                None => shared.notify(&[task.id]).await,
            }
        }
        Ok(_) => {
            let (mut message, attempt) = (String::new(), claimed.counts.attempt);
            shared.observe(task, now, goes_on(settlement, attempt, &mut message));
            if let Settlement::Retry { at, .. } = settlement {
                shared.timer.schedule(Some(*at));
            }
            shared.work.notify_one();
        }
        Err(refused) => {
            tracing::warn!(id = %task.id, %refused, "the store refused the result of a run");
        }
    }
}

/// Whether a settlement gives a task the result of its run.
fn ends(settlement: &Settlement) -> bool {
    match settlement {
        Settlement::Succeeded(_) | Settlement::Dead { .. } | Settlement::Cancelled(_) => true,
        Settlement::Retry { .. } | Settlement::GiveBack => false,
    }
}

/// What the observer still needs of a run once its settlement has gone to the store.
struct Outcome {
    genome: Option<Digest>,
    agent_id: Option<AgentId>,
    /// Its result, if a caller waited for it.
    result: Option<ExecutionResult>,
}

impl Outcome {
    fn end<'a>(&self, state: TaskState, settlement: &'a Settlement, took: Duration) -> End<'a> {
        let (reason, result) = match settlement {
            Settlement::Dead { reason, result, .. } => (Some(*reason), Some(result)),
            Settlement::Succeeded(result) | Settlement::Cancelled(result) => (None, Some(result)),
            Settlement::Retry { .. } | Settlement::GiveBack => (None, None),
        };
        let error = result.and_then(|result| result.error.as_deref());
        End { state, reason, took, error, genome: self.genome, agent_id: self.agent_id }
    }
}

/// What becomes of a task that has not ended with its run. The error's text is
/// put into `error`, from which the answer borrows.
fn goes_on<'a>(settlement: &Settlement, attempt: u32, error: &'a mut String) -> Change<'a> {
    match settlement {
        Settlement::Retry { at, failed, .. } => {
            *error = failed.error.to_string();
            Change::Retried { attempt, again: *at, error }
        }
        Settlement::GiveBack
        | Settlement::Succeeded(_)
        | Settlement::Dead { .. }
        | Settlement::Cancelled(_) => Change::GivenBack,
    }
}

/// Runs the task; `None` when its lease is lost before it starts.
async fn run(shared: &Shared, claimed: &Claimed, place: &Placed) -> Option<Ran> {
    let task = &*claimed.body;
    if !claimed.started {
        let genome = match shared.runner.prepare(&task.target_agent_type).await {
            Ok(genome) => genome,
            Err(fault) => return Some(without_agent(task.id, fault, shared.now())),
        };
        // Now that an agent is up there may be room for more of the type.
        shared.work.notify_one();
        // The store records it before the guest runs: if the guest brings the
        // host down, the crash counts against this task and no other.
        match start(shared, claimed.lease, genome).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::warn!(id = %task.id, %error, "a start could not be recorded; given back");
                return Some(without_agent(task.id, Fault::Stopped, shared.now()));
            }
        }
    }
    Some(shared.runner.run(task, claimed.counts.attempt, &place.placement).await)
}

/// Writes a start to the store, and tries again until it is written; `false` when the lease is
/// lost.
async fn start(shared: &Shared, lease: Lease, genome: Option<Digest>) -> Result<bool, StoreError> {
    loop {
        match shared.store.start(vec![lease], genome).await {
            Ok(mut answers) => return Ok(matches!(answers.pop(), Some(Ok(())))),
            Err(StoreError::Unavailable { reason }) => {
                tracing::warn!(id = %lease.id, reason, "a start waits until the store can write");
                tokio::time::sleep(PATIENCE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn ended_by(id: TaskId, why: Stop, shared: &Shared) -> Option<Ran> {
    match why {
        Stop::Cancelled => {
            let result = settle::cancelled(id, shared.now());
            Some(Ran { result, genome: None, agent_id: None, log: LogTail::default() })
        }
        Stop::ShuttingDown => Some(without_agent(id, Fault::Stopped, shared.now())),
        Stop::Lost => None,
    }
}

fn without_agent(task_id: TaskId, fault: Fault, now: Timestamp) -> Ran {
    Ran {
        result: settle::without_run(task_id, fault, now),
        genome: None,
        agent_id: None,
        log: LogTail::default(),
    }
}

/// Writes it to the store, and tries again until it is written; `None` when it never will be.
async fn record(
    shared: &Shared,
    settled: &mut Settled,
    mut now: Timestamp,
    mut ahead_ms: i64,
) -> Option<Verdict> {
    let id = settled.lease.id;
    let mut patience = PATIENCE;
    loop {
        let reading = shared.time.for_write().await;
        // The clock may be set before the store can write.
        let by = reading.ahead_ms.saturating_sub(ahead_ms);
        (ahead_ms, now) = (reading.ahead_ms, now.set_by(by));
        if let Settlement::Retry { at, .. } = &mut settled.settlement {
            *at = at.set_by(by);
        }
        let verdicts = shared.store.settle(vec![settled.clone()], now).await;
        drop(reading);
        match verdicts {
            Ok(mut verdicts) => return verdicts.pop(),
            Err(StoreError::Unavailable { reason }) if !shared.has_stopped() => {
                // Said once for each: there may be thousands, on a full disk.
                if patience == PATIENCE {
                    tracing::warn!(%id, reason, "a result waits until the store can write");
                }
                tokio::time::sleep(patience).await;
                patience = (2 * patience).min(LONGEST_PATIENCE);
            }
            Err(error) => {
                tracing::error!(%id, %error, "a result is lost; the task is run again after a restart");
                return None;
            }
        }
    }
}
