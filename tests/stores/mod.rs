//! The task stores: what each of them promises, that they answer alike, and
//! what a loss of power leaves of the one on disk.
//!
//! Time is handed to a store, so nothing here waits for it: a test says when
//! each thing happens, in milliseconds since [`at`]`(0)`.

mod conformance;
mod disk;
mod keyvalue;
mod model;
mod power_loss;

use std::collections::BTreeMap;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::queue::store::{
    Claim, ClaimRequest, Claimed, Durability, Filter, Lease, Settled, StoreStats, SubmitTerms,
    Submitted, TaskStore, TypeSlots, Verdict,
};
use chimera_layer4::queue::{
    Attempt, AttemptError, DeadReason, Owner, Settlement, Submission, SubmitOptions, TaskRecord,
    TaskState, Timestamp,
};
use chimera_layer4::telemetry::{LogLevel, LogLine, LogTail};
use chimera_layer4::{
    Digest, ExecutionResult, Fault, HostFault, Priority, ResourceQuota, ResourceUsage, Task, TaskId,
};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner, contextualize_config};
use serde_json::{Value, json};

/// How long a lease of these tests lasts, in milliseconds.
const LEASE: u64 = 1000;
/// More than any test submits.
const ROOMY: usize = 100_000;

const CLASSES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

/// An instant, so many milliseconds after the test's first.
fn at(ms: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + ms)
}

/// Identities in the order of their numbers.
fn id(n: u32) -> TaskId {
    format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap()
}

/// Runs a test's future; a store may have threads of its own beside it.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

// === What is submitted

/// A submission in the making: for agent type `a`, of ordinary priority.
#[derive(Clone, Debug)]
struct Given(Submission);

fn given(n: u32) -> Given {
    let task = Task {
        id: id(n),
        priority: Priority::Normal,
        payload: json!({ "n": n }).into(),
        created_at: at(0).to_system_time(),
        deadline: None,
        resource_quota: ResourceQuota::default(),
        source_layer: String::new(),
        target_agent_type: "a".into(),
        metadata: BTreeMap::new(),
    };
    Given(Submission { task, options: SubmitOptions::default() })
}

impl Given {
    fn of(mut self, agent_type: &str) -> Self {
        self.0.task.target_agent_type = agent_type.into();
        self
    }

    fn class(mut self, priority: Priority) -> Self {
        self.0.task.priority = priority;
        self
    }

    fn payload(mut self, payload: Value) -> Self {
        self.0.task.payload = payload.into();
        self
    }

    fn deadline(mut self, ms: u64) -> Self {
        self.0.task.deadline = Some(at(ms).to_system_time());
        self
    }

    fn not_before(mut self, ms: u64) -> Self {
        self.0.options.not_before = Some(at(ms).to_system_time());
        self
    }

    fn key(mut self, key: &str) -> Self {
        self.0.options.idempotency_key = Some(key.into());
        self
    }

    fn attempts(mut self, most: u32) -> Self {
        self.0.options.max_attempts = Some(most);
        self
    }
}

fn terms(ms: u64) -> SubmitTerms {
    SubmitTerms { now: at(ms), capacity: ROOMY, promise: Durability::Durable }
}

async fn submit_on(
    store: &dyn TaskStore,
    terms: SubmitTerms,
    batch: impl IntoIterator<Item = Given>,
) -> Vec<Submitted> {
    let batch = batch.into_iter().map(|given| given.0).collect();
    store.submit(batch, terms).await.unwrap()
}

async fn submit(
    store: &dyn TaskStore,
    ms: u64,
    batch: impl IntoIterator<Item = Given>,
) -> Vec<Submitted> {
    submit_on(store, terms(ms), batch).await
}

/// Submits what must be taken.
async fn accept(store: &dyn TaskStore, ms: u64, batch: impl IntoIterator<Item = Given>) {
    let answers = submit(store, ms, batch).await;
    assert!(answers.iter().all(|answer| *answer == Submitted::Accepted), "{answers:?}");
}

// === Claims and what follows them

fn owner() -> Owner {
    Owner(id(9_999).as_uuid())
}

fn room(agent_type: &str, free: usize) -> TypeSlots {
    TypeSlots { agent_type: Arc::from(agent_type), free, reserved: 0, starts: None }
}

fn asking(ms: u64, rooms: impl Into<Vec<TypeSlots>>, most: usize) -> ClaimRequest {
    let (now, until) = (at(ms), at(ms + LEASE));
    ClaimRequest { owner: owner(), now, until, rooms: rooms.into(), most }
}

async fn claim(
    store: &dyn TaskStore,
    ms: u64,
    rooms: impl Into<Vec<TypeSlots>>,
    most: usize,
) -> Claim {
    store.claim(asking(ms, rooms, most)).await.unwrap()
}

/// Everything of type `a` that may be claimed.
async fn claim_all(store: &dyn TaskStore, ms: u64) -> Vec<Claimed> {
    claim(store, ms, [room("a", ROOMY)], ROOMY).await.tasks
}

/// Claims the one task that may be, of type `a`.
async fn claim_one(store: &dyn TaskStore, ms: u64) -> Claimed {
    let mut tasks = claim_all(store, ms).await;
    assert_eq!(tasks.len(), 1, "one task to be claimed");
    tasks.remove(0)
}

/// Claims the one task that may be, and marks it as running.
async fn run_one(store: &dyn TaskStore, ms: u64) -> Lease {
    let lease = claim_one(store, ms).await.lease;
    assert_eq!(store.start(vec![lease], None).await.unwrap(), [Ok(())]);
    lease
}

fn ids(tasks: &[Claimed]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.lease.id).collect()
}

fn numbered(numbers: impl IntoIterator<Item = u32>) -> Vec<TaskId> {
    numbers.into_iter().map(id).collect()
}

async fn settle(store: &dyn TaskStore, ms: u64, lease: Lease, settlement: Settlement) -> Verdict {
    let settled = vec![Settled { lease, settlement, genome: None }];
    store.settle(settled, at(ms)).await.unwrap().remove(0)
}

/// A result like an agent's, or like a fault of the host.
fn result(of: TaskId, ms: u64, output: Option<Value>) -> ExecutionResult {
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

fn host_fault() -> Fault {
    HostFault::Internal { message: "a test's".into() }.into()
}

fn failed(number: u32, ms: u64) -> Attempt {
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

fn success(of: TaskId, ms: u64) -> Settlement {
    Settlement::Succeeded(result(of, ms, Some(json!({ "done": true }))))
}

fn retry(due: u64, number: u32, ms: u64) -> Settlement {
    Settlement::Retry { at: at(due), failed: failed(number, ms), host: false }
}

fn dead(of: TaskId, number: u32, ms: u64) -> Settlement {
    let (reason, failed) = (DeadReason::Failed, failed(number, ms));
    Settlement::Dead { reason, failed, result: result(of, ms, None) }
}

// === What a store shows

async fn record(store: &dyn TaskStore, n: u32) -> TaskRecord {
    store.get(id(n)).await.unwrap().unwrap_or_else(|| panic!("task {n} is not in the store"))
}

async fn state(store: &dyn TaskStore, n: u32) -> TaskState {
    record(store, n).await.state
}

fn all_in(state: TaskState) -> Filter {
    Filter::of(Some(state))
}

/// Whether the counts are those of the rows, and each task is in one state.
async fn check_counts(store: &dyn TaskStore) {
    let mut expected = StoreStats::default();
    let mut seen = BTreeMap::new();
    let mut queued: BTreeMap<String, u64> = BTreeMap::new();
    for state in TaskState::ALL {
        let rows = store.list(all_in(state)).await.unwrap();
        expected.by_state.push((state, rows.len() as u64));
        for row in &rows {
            assert_eq!(row.state, state);
            assert_eq!(seen.insert(row.id, state), None, "{} is in two states", row.id);
            if state.is_queued() {
                *queued.entry(row.agent_type.clone()).or_default() += 1;
            }
        }
        if state == TaskState::Waiting {
            for class in CLASSES {
                let of_class = || rows.iter().filter(|row| row.priority == class);
                expected.waiting_by_priority.push((class, of_class().count() as u64));
                let oldest = of_class().map(|row| row.at).min();
                expected.oldest_waiting.extend(oldest.map(|oldest| (class, oldest)));
            }
        }
    }
    expected.queued_by_type = queued.into_iter().collect();
    assert_eq!(store.stats().await.unwrap(), expected);
}

/// The time from one instant to another, for what is kept how long.
fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs a property: `PROPTEST_CASES` asks for another number of cases. A
/// failure names the seed, and `PROPTEST_RNG_SEED` plays it again.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let seed = RandomState::new().build_hasher().finish();
    let config = contextualize_config(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    });
    let seed = config.rng_seed;
    let holds = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = holds {
        panic!("{error}\nplay it again with PROPTEST_RNG_SEED set to the number in {seed:?}");
    }
}
