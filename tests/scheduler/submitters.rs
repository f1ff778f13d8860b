//! Those who submit tasks in a simulation: what they submit, and what they know.

use std::collections::{BTreeMap, BTreeSet};

use chimera_layer4::fabric::queue::Submission;
use chimera_layer4::fabric::scheduler::{Scheduler, TaskHandle};
use chimera_layer4::fabric::{
    Breach, Call, ExecutionResult, Fault, GuestFault, HostFault, LimitSource, QuotaKind, TaskId,
};
use fastrand::Rng;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use super::runner::{Step, trap, unavailable};

/// What submitters know.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) taken: BTreeSet<TaskId>,
    pub(super) refused: u64,
    pub(super) told: BTreeMap<TaskId, Vec<ExecutionResult>>,
}

pub(super) fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock()
}

pub(super) fn told(ledger: &Mutex<Ledger>, result: ExecutionResult) {
    open(ledger).told.entry(result.task_id).or_default().push(result);
}

/// Executes the only task of a batch.
pub(super) async fn execute(scheduler: &Scheduler, batch: Vec<Submission>, ledger: &Mutex<Ledger>) {
    let [submission] = <[Submission; 1]>::try_from(batch).unwrap();
    match scheduler.execute(submission).await {
        Ok(result) => {
            open(ledger).taken.insert(result.task_id);
            told(ledger, result);
        }
        Err(_) => open(ledger).refused += 1,
    }
}

/// Submits and waits for all that was taken, as a stream of results would.
pub(super) async fn track(scheduler: &Scheduler, batch: Vec<Submission>, ledger: &Mutex<Ledger>) {
    let count = batch.len() as u64;
    let answers = scheduler.submit_tracked(batch).await.unwrap_or_default();
    let taken: Vec<TaskHandle> = answers.into_iter().flatten().collect();
    open(ledger).refused += count - taken.len() as u64;
    open(ledger).taken.extend(taken.iter().map(TaskHandle::id));
    for handle in taken {
        if let Ok(result) = handle.result().await {
            told(ledger, result);
        }
    }
}

pub(super) async fn submit_and_wait(
    scheduler: &Scheduler,
    mut batch: Vec<Submission>,
    waits: bool,
    ledger: &Mutex<Ledger>,
) {
    let count = batch.len() as u64;
    let answers = match batch.pop() {
        Some(only) if batch.is_empty() => vec![scheduler.submit(only).await],
        last => {
            batch.extend(last);
            scheduler.submit_batch(batch).await.unwrap_or_default()
        }
    };
    let taken: Vec<TaskId> = answers.into_iter().flatten().collect();
    open(ledger).refused += count - taken.len() as u64;
    open(ledger).taken.extend(&taken);
    for id in taken.into_iter().filter(|_| waits) {
        if let Ok(result) = scheduler.wait(id).await {
            told(ledger, result);
        }
    }
}

/// Ends those who talk to a host.
pub(super) async fn gone(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.abort();
        let _ = client.await;
    }
}

pub(super) fn any_step(chance: &mut Rng) -> Step {
    let millis = chance.u64(0..2000);
    match chance.u8(0..20) {
        0..8 => Step::Succeed(millis),
        8..13 => Step::Fail(millis, trap()),
        13..16 => {
            let asked = chance.bool().then(|| chance.u64(0..5000));
            Step::Fail(millis, unavailable(asked))
        }
        16..18 => Step::Fail(millis, no_room()),
        18 => Step::Fail(millis, Fault::Stopped),
        _ => Step::Hang,
    }
}

pub(super) fn last_step(chance: &mut Rng) -> Step {
    let millis = chance.u64(0..2000);
    let (during, message) = (Call::ExecuteTask, String::new());
    match chance.u8(0..20) {
        0..14 => Step::Succeed(millis),
        14 => Step::Fail(millis, trap()),
        15 => Step::Fail(millis, GuestFault::InvalidInput { during, message }.into()),
        16 => Step::Fail(millis, GuestFault::Failed { during, message }.into()),
        17 => {
            let (quota, set_by, detail) = (QuotaKind::Memory, LimitSource::Task, message);
            Step::Fail(millis, Breach { quota, during, set_by, detail }.into())
        }
        18 => Step::Fail(millis, no_room()),
        _ => Step::Hang,
    }
}

pub(super) fn no_room() -> Fault {
    HostFault::NoRoom { message: String::new() }.into()
}
