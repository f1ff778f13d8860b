//! The agents of one type, and which of them takes a task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chimera_layer4_core::genome::TrafficArm;
use chimera_layer4_core::{AgentId, Digest, Task};

use super::entry::AgentEntry;
use crate::scheduler::Arm;

/// Who a task goes to while a genome is on trial.
pub(crate) type TrafficSplit = Arc<dyn Fn(&Task) -> TrafficArm + Send + Sync>;

/// The agents of one type. Their sums are kept, since each task asks for them.
#[derive(Default)]
pub(super) struct AgentGroup {
    agents: Vec<Arc<AgentEntry>>,
    trial: Option<OnTrial>,
    pub(super) in_flight: Arc<AtomicUsize>,
    /// Tasks that may run at once, over all of them.
    pub(super) room: usize,
    /// The type's name, shared with callers.
    pub(super) name: Arc<str>,
    /// The genome, where all of them run the same.
    pub(super) genome: Option<Digest>,
    /// What all of them run, each genome once.
    pub(super) arms: Arc<[Arm]>,
    /// The task types that those in charge say they support.
    pub(super) supported: BTreeSet<String>,
}

/// The agents of a genome that is to show what it can do, and those of the one
/// in charge that it is held against.
struct OnTrial {
    candidates: Vec<Arc<AgentEntry>>,
    control: Vec<Arc<AgentEntry>>,
    split: TrafficSplit,
}

impl OnTrial {
    fn agents(&self) -> impl Iterator<Item = &Arc<AgentEntry>> {
        self.candidates.iter().chain(&self.control)
    }

    fn candidate(&self) -> Option<Digest> {
        self.candidates.first().map(|entry| entry.genome())
    }
}

impl AgentGroup {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Those that are in charge.
    pub(super) fn agents(&self) -> &[Arc<AgentEntry>] {
        &self.agents
    }

    /// Those that are in charge, and those on trial.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<AgentEntry>> {
        self.agents.iter().chain(self.trial.iter().flat_map(OnTrial::agents))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub(super) fn push(&mut self, entry: Arc<AgentEntry>) {
        self.room += entry.room();
        // Added to what is known of all the others already.
        let arms = self.arms.iter().copied().chain([arm(&entry)]);
        self.set_arms(arms.collect());
        self.supported.extend(supported(&entry).cloned());
        self.agents.push(entry);
    }

    /// Puts another in the place of the one with its id; the answer is the one
    /// that was there.
    pub(super) fn replace(&mut self, entry: Arc<AgentEntry>) -> Option<Arc<AgentEntry>> {
        let place = self.agents.iter_mut().find(|old| old.id() == entry.id())?;
        let old = std::mem::replace(place, entry);
        self.sum_up();
        Some(old)
    }

    pub(super) fn remove(&mut self, id: AgentId) {
        self.agents.retain(|other| other.id() != id);
        if let Some(trial) = &mut self.trial {
            trial.candidates.retain(|other| other.id() != id);
            trial.control.retain(|other| other.id() != id);
        }
        self.sum_up();
    }

    /// Gives these their shares of the tasks, in place of any that had one.
    pub(super) fn put_on_trial(
        &mut self,
        candidates: Vec<Arc<AgentEntry>>,
        control: Vec<Arc<AgentEntry>>,
        split: TrafficSplit,
    ) {
        self.trial = Some(OnTrial { candidates, control, split });
        self.sum_up();
    }

    /// Leaves all tasks to those in charge; the answer is those on trial.
    pub(super) fn end_trial(&mut self) -> Vec<Arc<AgentEntry>> {
        let ended = self.trial.take();
        let ended = ended.iter().flat_map(OnTrial::agents).cloned().collect();
        self.sum_up();
        ended
    }

    /// The genomes that may run a task, the one that is meant for it first. Only
    /// a task that is given is meant for the genome on trial.
    pub(super) fn meant_for(&self, task: Option<&Task>) -> Vec<Digest> {
        if let Some(genome) = self.genome {
            return vec![genome];
        }
        let candidate = self.trial.as_ref().and_then(OnTrial::candidate);
        let others = self.arms.iter().map(|arm| arm.genome);
        let mut meant: Vec<Digest> = others.filter(|its| Some(*its) != candidate).collect();
        if meant.len() > 1 {
            // They were started by hand: the one whose agents have the least to do.
            let first = least_busy(&self.agents, None).map(|entry| entry.genome());
            meant.sort_by_key(|genome| first != Some(*genome));
        }
        let Some(trial) = &self.trial else { return meant };
        let is_candidates = task.is_some_and(|task| (trial.split)(task) == TrafficArm::Candidate);
        let at = if is_candidates { 0 } else { meant.len() };
        meant.splice(at..at, candidate);
        meant
    }

    /// Who takes a task: an agent of this genome, if one runs. Only a task that
    /// is given goes to the control of a trial.
    pub(super) fn taker(
        &self,
        task: Option<&Task>,
        on: Option<Digest>,
    ) -> Option<&Arc<AgentEntry>> {
        let others = || least_busy(&self.agents, on).or_else(|| least_busy(&self.agents, None));
        let Some(trial) = &self.trial else { return others() };
        let one = match task.map_or(TrafficArm::Others, |task| (trial.split)(task)) {
            // The side was chosen when the task was handed out.
            _ if on.is_some() && on == trial.candidate() => least_busy(&trial.candidates, None),
            TrafficArm::Candidate if on.is_none() => least_busy(&trial.candidates, None),
            TrafficArm::Control => least_busy(&trial.control, None),
            TrafficArm::Candidate | TrafficArm::Others => None,
        };
        let left =
            || least_busy(&trial.control, None).or_else(|| least_busy(&trial.candidates, None));
        one.or_else(others).or_else(left)
    }

    fn sum_up(&mut self) {
        self.room = self.all().map(|entry| entry.room()).sum();
        let arms = self.all().map(arm).collect();
        self.set_arms(arms);
        self.supported = self.agents.iter().flat_map(supported).cloned().collect();
    }

    /// Of each genome one, with the slots of all.
    fn set_arms(&mut self, mut arms: Vec<Arm>) {
        arms.sort_by_key(|arm| arm.genome);
        arms.dedup_by(|arm, kept| {
            let same = arm.genome == kept.genome;
            kept.slots += if same { arm.slots } else { 0 };
            same
        });
        self.genome = match arms[..] {
            [Arm { genome, .. }] => Some(genome),
            _ => None,
        };
        self.arms = arms.into();
    }
}

fn supported(entry: &Arc<AgentEntry>) -> impl Iterator<Item = &String> {
    entry.agent.capabilities().supported_task_types.iter()
}

fn arm(entry: &Arc<AgentEntry>) -> Arm {
    Arm { genome: entry.genome(), slots: entry.room() }
}

/// An idle one if there is one, else the least busy. If a genome is named, only
/// the agents that run it count.
fn least_busy(agents: &[Arc<AgentEntry>], on: Option<Digest>) -> Option<&Arc<AgentEntry>> {
    let runs = |entry: &&Arc<AgentEntry>| on.is_none_or(|genome| entry.genome() == genome);
    let idle = agents.iter().find(|entry| entry.in_flight() == 0 && runs(entry));
    idle.or_else(|| agents.iter().filter(runs).min_by_key(|entry| entry.in_flight()))
}
