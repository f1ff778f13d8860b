//! The agents of one type, and which of them takes a task.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chimera_layer4_core::genome::Lane;
use chimera_layer4_core::{AgentId, Digest, Task};

use super::entry::Entry;

/// Who a task goes to while a genome is on trial.
pub(in crate::fabric) type Lanes = Arc<dyn Fn(&Task) -> Lane + Send + Sync>;

/// The agents of one type. Their sums are kept, since each task asks for them.
#[derive(Default)]
pub(super) struct OfType {
    agents: Vec<Arc<Entry>>,
    trial: Option<OnTrial>,
    pub(super) in_hand: Arc<AtomicUsize>,
    /// Tasks that may run at once, over all of them.
    pub(super) room: usize,
    /// The type's name, shared with whoever asks.
    pub(super) name: Arc<str>,
    /// The genome, where all of them run the same.
    pub(super) genome: Option<Digest>,
}

/// The agents of a genome that is to show what it can do, and those of the one
/// in charge that it is held against.
struct OnTrial {
    candidates: Vec<Arc<Entry>>,
    control: Vec<Arc<Entry>>,
    lanes: Lanes,
}

impl OnTrial {
    fn agents(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.candidates.iter().chain(&self.control)
    }
}

impl OfType {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Those that are in charge.
    pub(super) fn agents(&self) -> &[Arc<Entry>] {
        &self.agents
    }

    /// Those that are in charge, and those on trial.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.agents.iter().chain(self.trial.iter().flat_map(OnTrial::agents))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.room += entry.room();
        // Compared with what all the others run, which is known already.
        let genome = entry.agent.genome().digest();
        let same = self.is_empty() || self.genome == Some(genome);
        self.genome = same.then_some(genome);
        self.agents.push(entry);
    }

    /// Puts another in the place of the one with its id; the answer is the one
    /// that was there.
    pub(super) fn replace(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
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
        candidates: Vec<Arc<Entry>>,
        control: Vec<Arc<Entry>>,
        lanes: Lanes,
    ) {
        self.trial = Some(OnTrial { candidates, control, lanes });
        self.sum_up();
    }

    /// Leaves all tasks to those in charge; the answer is those on trial.
    pub(super) fn end_trial(&mut self) -> Vec<Arc<Entry>> {
        let ended = self.trial.take();
        let ended = ended.iter().flat_map(OnTrial::agents).cloned().collect();
        self.sum_up();
        ended
    }

    /// Who takes a task. Only one that is given may go to the genome on trial,
    /// unless nobody else is left.
    pub(super) fn taker(&self, task: Option<&Task>) -> Option<&Arc<Entry>> {
        let others = || least_busy(&self.agents);
        let Some(trial) = &self.trial else { return others() };
        let one = match task.map_or(Lane::Others, |task| (trial.lanes)(task)) {
            Lane::Candidate => least_busy(&trial.candidates),
            Lane::Control => least_busy(&trial.control),
            Lane::Others => None,
        };
        let left = || least_busy(&trial.control).or_else(|| least_busy(&trial.candidates));
        one.or_else(others).or_else(left)
    }

    fn sum_up(&mut self) {
        self.room = self.all().map(|entry| entry.room()).sum();
        let first = self.all().next().map(|entry| entry.agent.genome().digest());
        let same = |first: &Digest| self.all().all(|e| e.agent.genome().digest() == *first);
        self.genome = first.filter(same);
    }
}

/// One with nothing in hand if there is one, else the least busy.
fn least_busy(agents: &[Arc<Entry>]) -> Option<&Arc<Entry>> {
    let idle = agents.iter().find(|entry| entry.in_hand() == 0);
    idle.or_else(|| agents.iter().min_by_key(|entry| entry.in_hand()))
}
