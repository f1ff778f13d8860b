//! What a test asks of a store, with the answers it must get.

use std::sync::Arc;

use serde_json::{Value, json};

use super::tasks::{Given, at, id};
use crate::scheduler::store::{
    Claim, ClaimRequest, Claimed, Durability, Lease, Settled, SubmitTerms, Submitted, TaskStore,
    TypeSlots, Verdict,
};
use crate::scheduler::{Attempt, AttemptError, DeadReason, Owner, Settlement};
use crate::telemetry::{LogLevel, LogLine, LogTail};
use crate::{Digest, ExecutionResult, Fault, HostFault, ResourceUsage, TaskId};

/// How long a lease of these tests lasts, in milliseconds.
pub const LEASE: u64 = 1000;
/// More than any test submits.
pub const ROOMY: usize = 100_000;

/// Terms that leave room for every task, and promise what survives a crash.
pub fn terms(ms: u64) -> SubmitTerms {
    SubmitTerms { now: at(ms), capacity: ROOMY, promise: Durability::Durable }
}

/// Submits under these terms.
pub async fn submit_on(
    store: &dyn TaskStore,
    terms: SubmitTerms,
    batch: impl IntoIterator<Item = Given>,
) -> Vec<Submitted> {
    let batch = batch.into_iter().map(|given| given.0).collect();
    store.submit(batch, terms).await.unwrap()
}

/// Submits at an instant.
pub async fn submit(
    store: &dyn TaskStore,
    ms: u64,
    batch: impl IntoIterator<Item = Given>,
) -> Vec<Submitted> {
    submit_on(store, terms(ms), batch).await
}

/// Submits what must be taken.
pub async fn accept(store: &dyn TaskStore, ms: u64, batch: impl IntoIterator<Item = Given>) {
    let answers = submit(store, ms, batch).await;
    assert!(answers.iter().all(|answer| *answer == Submitted::Accepted), "{answers:?}");
}

// === Claims and what follows them

/// The host that claims.
pub fn owner() -> Owner {
    Owner(id(9_999).as_uuid())
}

/// Room for so many tasks of a type.
pub fn room(agent_type: &str, free: usize) -> TypeSlots {
    TypeSlots { agent_type: Arc::from(agent_type), free, reserved: 0, starts: None }
}

/// A claim at an instant, of so many tasks at the most.
pub fn asking(ms: u64, rooms: impl Into<Vec<TypeSlots>>, most: usize) -> ClaimRequest {
    let (now, until) = (at(ms), at(ms + LEASE));
    ClaimRequest { owner: owner(), now, until, rooms: rooms.into(), most }
}

/// Claims at an instant, so many tasks at the most.
pub async fn claim(
    store: &dyn TaskStore,
    ms: u64,
    rooms: impl Into<Vec<TypeSlots>>,
    most: usize,
) -> Claim {
    store.claim(asking(ms, rooms, most)).await.unwrap()
}

/// Everything of type `a` that may be claimed.
pub async fn claim_all(store: &dyn TaskStore, ms: u64) -> Vec<Claimed> {
    claim(store, ms, [room("a", ROOMY)], ROOMY).await.tasks
}

/// Claims the one task that may be, of type `a`.
pub async fn claim_one(store: &dyn TaskStore, ms: u64) -> Claimed {
    let mut tasks = claim_all(store, ms).await;
    assert_eq!(tasks.len(), 1, "one task to be claimed");
    tasks.remove(0)
}

/// Claims the one task that may be, and marks it as running.
pub async fn run_one(store: &dyn TaskStore, ms: u64) -> Lease {
    let lease = claim_one(store, ms).await.lease;
    assert_eq!(store.start(vec![lease], None).await.unwrap(), [Ok(())]);
    lease
}

/// The identities of what was handed out, in its order.
pub fn ids(tasks: &[Claimed]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.lease.id).collect()
}

/// The identities of these numbers.
pub fn numbered(numbers: impl IntoIterator<Item = u32>) -> Vec<TaskId> {
    numbers.into_iter().map(id).collect()
}

/// Says how one run ended.
pub async fn settle(
    store: &dyn TaskStore,
    ms: u64,
    lease: Lease,
    settlement: Settlement,
) -> Verdict {
    let settled = vec![Settled { lease, settlement, genome: None }];
    store.settle(settled, at(ms)).await.unwrap().remove(0)
}

/// A result like an agent's, or like a fault of the host.
pub fn result(of: TaskId, ms: u64, output: Option<Value>) -> ExecutionResult {
    let fault = output.is_none().then(host_fault);
    ExecutionResult {
        task_id: of,
        success: output.is_some(),
        output: output.unwrap_or_default().into(),
        execution_time_ms: 12,
        resource_usage: ResourceUsage { cpu_seconds: 0.1, ..ResourceUsage::default() },
        error: fault.as_ref().map(Fault::to_string),
        fault,
        completed_at: at(ms).to_system_time(),
    }
}

/// A fault of the host.
pub fn host_fault() -> Fault {
    HostFault::Internal { message: "a test's".into() }.into()
}

/// An attempt that ended with a fault of the host, each field filled.
pub fn failed(number: u32, ms: u64) -> Attempt {
    let line = LogLine { level: LogLevel::Warn, message: "no \"row\" größer".into() };
    Attempt {
        number,
        ended_at: at(ms),
        error: AttemptError::Fault(host_fault()),
        usage: Some(ResourceUsage { cpu_seconds: 0.1, ..ResourceUsage::default() }),
        genome: Some(Digest::of(b"genome")),
        agent_id: Some(id(77).as_uuid().into()),
        log: LogTail { lines: vec![line], bytes_left_out: 7 },
    }
}

/// The task succeeded.
pub fn success(of: TaskId, ms: u64) -> Settlement {
    Settlement::Succeeded(result(of, ms, Some(json!({ "done": true }))))
}

/// The run failed, and another is due at an instant.
pub fn retry(due: u64, number: u32, ms: u64) -> Settlement {
    Settlement::Retry { at: at(due), failed: failed(number, ms), host: false }
}

/// The task failed for good.
pub fn dead(of: TaskId, number: u32, ms: u64) -> Settlement {
    let (reason, failed) = (DeadReason::Failed, failed(number, ms));
    Settlement::Dead { reason, failed, result: result(of, ms, None) }
}
