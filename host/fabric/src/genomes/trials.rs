//! The rollouts that are under way, and the runs that their trials count.
//!
//! Every run of the host passes here, so where no rollout is under way it costs
//! one look at a counter.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chimera_layer4_core::genome::{Finding, Observation, Rollout, Side, TrafficArm, rollout};
use chimera_layer4_core::scheduler::settle::fails_beside_others;
use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult, Task, TaskId};
use chimera_layer4_runtime::RunReport;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::{Notify, watch};

use crate::scheduler::Placement;
use crate::telemetry::metrics::Runner;

/// The key of a task, such as a user: tasks with the same key stay on the same side.
const KEY: &str = "rollout-key";

/// Runs of one trial that can still be judged; beyond, the oldest cannot. More
/// than its most runs of both sides at a quarter.
const MOST_UNJUDGED: usize = 100_000;

/// A rollout that tasks are shared out by.
pub(crate) struct Live {
    pub(super) agent_type: String,
    rollout: Mutex<Rollout>,
    /// The champion's agents that the candidate is held against; empty: all.
    control: HashSet<AgentId>,
    unjudged: Mutex<Unjudged>,
    /// It has gone on a step, or has ended.
    pub(super) changed: Notify,
    /// It has ended, and what follows is done.
    over: watch::Sender<bool>,
    /// The outcome of the decision that ended it, for the caller that made the decision.
    outcome: Mutex<Option<FabricResult<()>>>,
}

impl Live {
    pub(super) fn new(agent_type: &str, rollout: Rollout, control: HashSet<AgentId>) -> Self {
        let agent_type = agent_type.to_owned();
        Self {
            agent_type,
            rollout: Mutex::new(rollout),
            control,
            unjudged: Mutex::default(),
            changed: Notify::new(),
            over: watch::Sender::new(false),
            outcome: Mutex::default(),
        }
    }

    /// How the candidate stands, in each measure that was taken of both.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let rollout = self.rollout();
        rollout.trial().findings(&rollout.plan().policy)
    }

    /// Whether a judgement counts: the first of a task that ran since the trial
    /// began.
    fn is_news(&self, task_id: TaskId) -> bool {
        self.unjudged().tasks.remove(&task_id)
    }

    fn unjudged(&self) -> MutexGuard<'_, Unjudged> {
        self.unjudged.lock()
    }

    /// Waits until the rollout has ended and everything that follows is done:
    /// the lineage says so, and its agents take no more tasks.
    ///
    /// # Errors
    /// What kept the decision from being carried out; `NotRunning` when the host
    /// shut down first.
    pub(super) async fn carried_out(&self) -> FabricResult<()> {
        self.over().await;
        let outcome = self.outcome.lock().take();
        outcome.unwrap_or(Err(FabricError::NotRunning { state: "shut down" }))
    }

    /// Waits until the rollout has ended and everything that follows is done,
    /// whether the trial or an operator decided it.
    pub(super) async fn over(&self) {
        // The sender lives as long as this does.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Everything that follows from the rollout's end is done.
    pub(super) fn finish(&self, outcome: FabricResult<()>) {
        *self.outcome.lock() = Some(outcome);
        self.over.send_replace(true);
    }

    pub(super) fn rollout(&self) -> MutexGuard<'_, Rollout> {
        self.rollout.lock()
    }

    /// Who runs this task.
    pub(super) fn arm(&self, task: &Task) -> TrafficArm {
        let rollout = self.rollout();
        match task.metadata.get(KEY) {
            Some(key) => rollout.lane(key),
            None => rollout.lane(&task.id.to_string()),
        }
    }

    /// Whether what the agent does is held against what the other side does. It
    /// is not while the champion's breaker is open: the candidate is given its
    /// tasks then, and may meet what the champion is kept from.
    fn counts(&self, agent: AgentId, genome: Digest, place: &Placement) -> bool {
        let champion = self.rollout().champion();
        let is_of_it = genome != champion || self.control.is_empty();
        (is_of_it || self.control.contains(&agent)) && !place.resting.contains(&champion)
    }

    fn change(&self, genome: Digest, change: impl FnOnce(&mut Rollout, Side) -> rollout::Change) {
        let mut rollout = self.rollout();
        let side = match genome {
            genome if genome == rollout.candidate() => Side::Candidate,
            genome if genome == rollout.champion() => Side::Champion,
            _ => return, // An agent that an operator started by hand.
        };
        let changed = change(&mut rollout, side);
        drop(rollout);
        match changed {
            rollout::Change::None => {}
            rollout::Change::Step { .. } | rollout::Change::Ended => self.changed.notify_one(),
        }
    }
}

/// Tasks that ran since a trial began and whose output is not judged yet.
#[derive(Default)]
struct Unjudged {
    tasks: HashSet<TaskId>,
    /// The oldest first, those too that were judged.
    order: VecDeque<TaskId>,
}

impl Unjudged {
    fn ran(&mut self, task_id: TaskId) {
        if self.tasks.insert(task_id) {
            self.order.push_back(task_id);
        }
        while self.order.len() > MOST_UNJUDGED
            && let Some(oldest) = self.order.pop_front()
        {
            self.tasks.remove(&oldest);
        }
    }
}

/// Rollouts by agent type.
#[derive(Default)]
pub(crate) struct Trials {
    count: AtomicUsize,
    by_type: RwLock<HashMap<String, Arc<Live>>>,
}

impl Trials {
    pub(crate) fn get(&self, agent_type: &str) -> Option<Arc<Live>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let by_type = self.by_type.read();
        by_type.get(agent_type).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        let by_type = self.by_type.read();
        let mut all: Vec<_> = by_type.values().cloned().collect();
        all.sort_by(|a, b| a.agent_type.cmp(&b.agent_type));
        all
    }

    pub(super) fn insert(&self, live: Arc<Live>) {
        let mut by_type = self.by_type.write();
        by_type.insert(live.agent_type.clone(), live);
        self.count.store(by_type.len(), Ordering::Release);
    }

    /// No further run counts for it. The caller finishes it.
    pub(super) fn remove(&self, agent_type: &str) {
        let mut by_type = self.by_type.write();
        by_type.remove(agent_type);
        self.count.store(by_type.len(), Ordering::Release);
    }

    /// Drops all trials without finishing them.
    pub(super) fn end_all(&self) {
        for live in self.all() {
            self.remove(&live.agent_type);
            live.over.send_replace(true);
        }
    }

    /// A task has an output, which may be judged.
    pub(crate) fn answered(&self, agent_type: &str, task_id: TaskId) {
        if let Some(live) = self.get(agent_type) {
            live.unjudged().ran(task_id);
        }
    }

    /// A run ended.
    pub(crate) fn ran(&self, runner: &Runner<'_>, place: &Placement, report: &RunReport) {
        let Runner { agent_id, agent_type, genome } = *runner;
        let Some(live) = self.get(agent_type) else { return };
        let Some(run) = observation(report) else { return };
        let counts = live.counts(agent_id, genome, place);
        live.change(genome, |rollout, side| match counts {
            true => rollout.observe(side, &run),
            false => rollout.observe_apart(side, run.failed),
        });
    }

    /// Layer 3 judged the output of a task.
    pub(crate) fn judged(&self, agent_type: &str, genome: Digest, task_id: TaskId, accuracy: f64) {
        let Some(live) = self.get(agent_type) else { return };
        if !live.is_news(task_id) {
            return;
        }
        live.change(genome, |rollout, side| rollout.judge(side, accuracy));
    }
}

/// What a run says of its genome; `None`: nothing, since the host, the submitter
/// or a limit of the submitter's own ended it.
fn observation(report: &RunReport) -> Option<Observation> {
    let failed = fails_beside_others(report.result.as_ref().err())?;
    let memory = report.usage.memory_peak_mb;
    let memory_mb = (memory > 0.0).then_some(memory);
    Some(Observation { failed, latency: Some(report.wall), memory_mb })
}
