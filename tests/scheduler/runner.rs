//! A runner that does what each task's payload tells it, and writes down when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chimera_layer4::fabric::queue::Ran;
use chimera_layer4::fabric::scheduler::{Arm, Capacity, Placement, RunTask};
use chimera_layer4::fabric::telemetry::LogTail;
use chimera_layer4::fabric::{
    AgentId, Call, Digest, ExecutionResult, Fault, GuestFault, JsonText, Priority, ResourceUsage,
    Task, TaskId, TrapCode,
};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{TestClock, pass};

/// What a run does. A payload lists the runs of its task; the last goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Returns an output after so many milliseconds.
    Succeed(u64),
    /// Ends with a fault after so many milliseconds.
    Fail(u64, Fault),
    /// Does not end by itself.
    Hang,
    /// The host's own code fails.
    Panic,
}

impl Step {
    pub(super) fn trap() -> Self {
        Step::Fail(1, trap())
    }
}

pub(super) fn trap() -> Fault {
    let (during, code) = (Call::ExecuteTask, TrapCode::Unreachable);
    GuestFault::Trap { during, code, message: "scripted".into() }.into()
}

pub(super) fn unavailable(retry_after_ms: Option<u64>) -> Fault {
    let (during, message) = (Call::ExecuteTask, "scripted".into());
    GuestFault::Unavailable { during, message, retry_after_ms }.into()
}

/// A run, as the runner saw it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) id: TaskId,
    pub(super) agent_type: String,
    pub(super) genome: Digest,
    pub(super) priority: Priority,
    pub(super) attempt: u32,
    pub(super) begun: Instant,
    pub(super) end: Option<End>,
}

/// How a run ended, for the runner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Returned(Instant),
    Dropped(Instant),
}

/// Two genomes of a type, of which one takes every so-manieth task.
#[derive(Clone, Copy)]
struct Trial {
    champion: Digest,
    candidate: Digest,
    one_in: u64,
    /// Every run of this one fails.
    broken: Option<Digest>,
}

#[derive(Default)]
struct TypeState {
    slots: usize,
    genome: Option<Digest>,
    /// What preparing fails with, one after the other.
    unprepared: VecDeque<Fault>,
    /// Every run fails with this, whatever its task says.
    broken: Option<Fault>,
    trial: Option<Trial>,
    running: usize,
    most_at_once: usize,
}

#[derive(Default)]
struct State {
    types: BTreeMap<String, TypeState>,
    runs: Vec<Run>,
    /// Steps taken, by task.
    taken: BTreeMap<TaskId, usize>,
}

pub(super) struct Runner {
    state: Mutex<State>,
    clock: Arc<TestClock>,
}

impl Runner {
    pub(super) fn new(clock: Arc<TestClock>) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// From now on runs of a type begin in so many slots.
    pub(super) fn set_slots(&self, agent_type: &str, slots: usize) {
        self.lock().of(agent_type).slots = slots;
    }

    /// From now on a claim of this type is also a start.
    pub(super) fn set_genome(&self, agent_type: &str, genome: Digest) {
        self.lock().of(agent_type).genome = Some(genome);
    }

    pub(super) fn fail_to_prepare(&self, agent_type: &str, faults: Vec<Fault>) {
        self.lock().of(agent_type).unprepared = faults.into();
    }

    pub(super) fn set_broken(&self, agent_type: &str, fault: Option<Fault>) {
        self.lock().of(agent_type).broken = fault;
    }

    /// From now on the first attempt of one task in so many is the candidate's,
    /// and all else the champion's; all runs of the broken one fail.
    pub(super) fn put_on_trial(
        &self,
        agent_type: &str,
        [champion, candidate]: [Digest; 2],
        one_in: u64,
        broken: Option<Digest>,
    ) {
        let trial = Trial { champion, candidate, one_in, broken };
        self.lock().of(agent_type).trial = Some(trial);
    }

    /// From now on this genome has every task of the type.
    pub(super) fn end_trial(&self, agent_type: &str, genome: Digest) {
        let mut state = self.lock();
        let trial = &mut state.of(agent_type).trial;
        *trial = trial.map(|trial| Trial { champion: genome, candidate: genome, ..trial });
    }

    /// Every run in the order of their beginnings.
    pub(super) fn runs(&self) -> Vec<Run> {
        self.lock().runs.clone()
    }

    pub(super) fn runs_of(&self, id: TaskId) -> Vec<Run> {
        self.lock().runs.iter().filter(|run| run.id == id).cloned().collect()
    }

    pub(super) fn running(&self) -> usize {
        self.lock().types.values().map(|of_type| of_type.running).sum()
    }

    pub(super) fn most_at_once(&self, agent_type: &str) -> usize {
        self.lock().of(agent_type).most_at_once
    }

    fn begin(&self, task: &Task, attempt: u32, place: &Placement) -> (Running<'_>, Step) {
        let genome = place.genome.unwrap_or(genome());
        let mut state = self.lock();
        let of_type = state.of(&task.target_agent_type);
        of_type.running += 1;
        of_type.most_at_once = of_type.most_at_once.max(of_type.running);
        let is_broken = of_type.trial.is_some_and(|trial| trial.broken == Some(genome));
        let broken = is_broken.then(trap).or(of_type.broken.clone());
        let index = state.runs.len();
        state.runs.push(Run {
            id: task.id,
            agent_type: task.target_agent_type.clone(),
            genome,
            priority: task.priority,
            attempt,
            begun: Instant::now(),
            end: None,
        });
        let taken = state.taken.entry(task.id).or_default();
        let steps = script(&task.payload.to_value());
        let step = steps.get(*taken).or(steps.last()).cloned().unwrap_or(Step::Succeed(0));
        *taken += 1;
        let step = broken.map_or(step, |fault| Step::Fail(1, fault));
        (Running { runner: self, index, returned: false }, step)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn of(&mut self, agent_type: &str) -> &mut TypeState {
        self.types.entry(agent_type.to_owned()).or_default()
    }
}

pub(super) fn payload(steps: &[Step]) -> Value {
    serde_json::to_value(steps).unwrap()
}

fn arms(of_type: &TypeState) -> Arc<[Arm]> {
    let Some(Trial { champion, candidate, .. }) = of_type.trial else { return Arc::default() };
    let arm = |genome| Arm { genome, slots: of_type.slots };
    if champion == candidate {
        [arm(champion)].into()
    } else {
        [arm(champion), arm(candidate)].into()
    }
}

fn script(payload: &Value) -> Vec<Step> {
    Vec::deserialize(payload).unwrap()
}

/// The genome and the agent that every run names.
pub(super) fn genome() -> Digest {
    Digest::of(b"scripted")
}

pub(super) fn agent() -> AgentId {
    Uuid::from_u128(7).into()
}

/// The reported use of a run of so many milliseconds.
pub(super) fn usage(millis: u64) -> ResourceUsage {
    ResourceUsage { cpu_seconds: millis as f64 / 1000.0, ..ResourceUsage::default() }
}

#[async_trait]
impl RunTask for Runner {
    fn capacity(&self) -> Vec<Capacity> {
        let state = self.lock();
        let types = state.types.iter().filter(|(_, of_type)| of_type.slots > 0);
        let capacity = types.map(|(name, of_type)| Capacity {
            agent_type: name.as_str().into(),
            slots: of_type.slots,
            genome: of_type.genome,
            arms: arms(of_type),
        });
        capacity.collect()
    }

    async fn prepare(&self, agent_type: &str) -> Result<Option<Digest>, Fault> {
        let mut state = self.lock();
        let fault = state.of(agent_type).unprepared.pop_front();
        fault.map_or(Ok(Some(genome())), Err)
    }

    fn meant_for(&self, task: &Task, attempt: u32) -> Vec<Digest> {
        let mut state = self.lock();
        let Some(trial) = state.of(&task.target_agent_type).trial else { return Vec::new() };
        let is_candidates =
            attempt <= 1 && task.id.as_uuid().as_u128().is_multiple_of(trial.one_in.into());
        let Trial { champion, candidate, .. } = trial;
        if is_candidates { vec![candidate, champion] } else { vec![champion, candidate] }
    }

    async fn run(&self, task: &Task, attempt: u32, place: &Placement) -> Ran {
        let (mut running, step) = self.begin(task, attempt, place);
        let (millis, fault) = match step {
            Step::Succeed(millis) => (millis, None),
            Step::Fail(millis, fault) => (millis, Some(fault)),
            Step::Hang => std::future::pending().await,
            Step::Panic => panic!("scripted"),
        };
        if millis > 0 {
            pass(Duration::from_millis(millis)).await;
        }
        running.returned = true;
        drop(running);
        let result = ExecutionResult {
            task_id: task.id,
            success: fault.is_none(),
            output: if fault.is_none() {
                json!({ "attempt": attempt }).into()
            } else {
                JsonText::default()
            },
            execution_time_ms: millis,
            resource_usage: usage(millis),
            error: fault.as_ref().map(ToString::to_string),
            fault,
            completed_at: self.clock.now(),
        };
        let genome = place.genome.unwrap_or(genome());
        Ran { result, genome: Some(genome), agent_id: Some(agent()), log: LogTail::default() }
    }
}

/// A run on its way; dropped, it is over.
struct Running<'a> {
    runner: &'a Runner,
    index: usize,
    returned: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.runner.lock();
        let now = Instant::now();
        let run = &mut state.runs[self.index];
        run.end = Some(if self.returned { End::Returned(now) } else { End::Dropped(now) });
        let agent_type = run.agent_type.clone();
        state.of(&agent_type).running -= 1;
    }
}
