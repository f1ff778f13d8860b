//! The rollouts that are under way, and what their trials hear.
//!
//! Every run of the host passes here, so where no rollout is under way it costs
//! one look at a counter.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use chimera_layer4_core::genome::{Finding, Observation, Rollout, Side, rollout};
use chimera_layer4_core::scheduler::settle::blames_agent;
use chimera_layer4_core::{Digest, Fault, GuestFault, Task, TaskId};
use chimera_layer4_runtime::RunReport;
use tokio::sync::Notify;

/// Names who a task is for: tasks with the same one stay on the same side.
const KEY: &str = "rollout-key";

/// Judgements of one trial. More than its most runs of both sides at a quarter.
const MOST_JUDGED: usize = 100_000;

/// A rollout that tasks are shared out by.
pub(super) struct Live {
    pub(super) agent_type: String,
    rollout: Mutex<Rollout>,
    began: SystemTime,
    /// Tasks whose output was judged: once is enough.
    judged: Mutex<HashSet<TaskId>>,
    /// It has gone on a step, or has ended.
    pub(super) changed: Notify,
}

impl Live {
    pub(super) fn new(agent_type: &str, rollout: Rollout) -> Self {
        let agent_type = agent_type.to_owned();
        Self {
            agent_type,
            rollout: Mutex::new(rollout),
            began: SystemTime::now(),
            judged: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// How the candidate stands, in each measure that was taken of both.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let rollout = self.rollout();
        rollout.trial().findings(&rollout.plan().policy)
    }

    /// Whether a judgement counts: the first of a task that ran since the trial
    /// began, while there is room to remember which.
    fn is_news(&self, task_id: TaskId, ended: SystemTime) -> bool {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        ended >= self.began && judged.len() < MOST_JUDGED && judged.insert(task_id)
    }

    pub(super) fn rollout(&self) -> MutexGuard<'_, Rollout> {
        self.rollout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the candidate runs this task.
    pub(super) fn takes(&self, task: &Task) -> bool {
        let rollout = self.rollout();
        let side = match task.metadata.get(KEY) {
            Some(key) => rollout.side(key),
            None => rollout.side(&task.id.to_string()),
        };
        side == Side::Candidate
    }

    fn change(&self, genome: Digest, change: impl FnOnce(&mut Rollout, Side) -> rollout::Change) {
        let mut rollout = self.rollout();
        let side = match genome {
            genome if genome == rollout.candidate() => Side::Candidate,
            genome if genome == rollout.champion() => Side::Champion,
            _ => return, // An agent that somebody put there by hand.
        };
        let changed = change(&mut rollout, side);
        drop(rollout);
        match changed {
            rollout::Change::None => {}
            rollout::Change::Step { .. } | rollout::Change::Ended => self.changed.notify_one(),
        }
    }
}

/// Rollouts by agent type.
#[derive(Default)]
pub(in crate::fabric) struct Trials {
    count: AtomicUsize,
    by_type: RwLock<HashMap<String, Arc<Live>>>,
}

impl Trials {
    pub(super) fn get(&self, agent_type: &str) -> Option<Arc<Live>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let by_type = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        by_type.get(agent_type).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        let by_type = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = by_type.values().cloned().collect();
        all.sort_by(|a, b| a.agent_type.cmp(&b.agent_type));
        all
    }

    pub(super) fn insert(&self, live: Arc<Live>) {
        let mut by_type = self.by_type.write().unwrap_or_else(PoisonError::into_inner);
        by_type.insert(live.agent_type.clone(), live);
        self.count.store(by_type.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, agent_type: &str) {
        let mut by_type = self.by_type.write().unwrap_or_else(PoisonError::into_inner);
        by_type.remove(agent_type);
        self.count.store(by_type.len(), Ordering::Release);
    }

    /// A run ended.
    pub(in crate::fabric) fn ran(&self, agent_type: &str, genome: Digest, report: &RunReport) {
        let Some(live) = self.get(agent_type) else { return };
        if let Some(run) = observation(report) {
            live.change(genome, |rollout, side| rollout.observe(side, &run));
        }
    }

    /// Layer 3 judged the output of a task that ended then.
    pub(in crate::fabric) fn judged(
        &self,
        agent_type: &str,
        genome: Digest,
        (task_id, ended): (TaskId, SystemTime),
        accuracy: f64,
    ) {
        let Some(live) = self.get(agent_type) else { return };
        if !live.is_news(task_id, ended) {
            return;
        }
        live.change(genome, |rollout, side| rollout.judge(side, accuracy));
    }
}

/// What a run says of its genome; `None`: nothing, since the host, the deadline
/// or the submitter ended it.
///
/// For a breaker an agent that refuses bad input does its work. Here it counts
/// as a failure on either side: both are given the same kind of input, and one
/// that refuses everything would otherwise never fail.
fn observation(report: &RunReport) -> Option<Observation> {
    let fault = report.result.as_ref().err();
    let refused = matches!(fault, Some(Fault::Guest(GuestFault::InvalidInput { .. })));
    let failed = blames_agent(fault)? || refused;
    let memory = report.usage.memory_peak_mb;
    let memory_mb = (memory > 0.0).then_some(memory);
    Some(Observation { failed, latency: report.wall, memory_mb })
}
