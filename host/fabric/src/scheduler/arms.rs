//! The circuit breakers of one agent type: one for each genome that it runs.
//!
//! What a genome fails at says nothing of another one. While one is on trial,
//! or agents of several were started by hand, a task goes to the genome that is
//! meant for it, unless that one's breaker is open and another's is not; and a
//! genome that takes over begins with a breaker of its own.

use std::collections::HashMap;
use std::sync::Arc;

use chimera_layer4_core::Digest;
use chimera_layer4_core::scheduler::{Breaker, BreakerPolicy, BreakerState, Moment};

use super::{Arm, Placement};
use chimera_layer4_core::scheduler::GenomeBreaker;

/// Genomes whose breakers are kept once no agent runs them, for those that come
/// back soon; with more, all of them are forgotten.
const MOST_KEPT: usize = 8;

/// The breakers of a type.
pub(super) struct Arms {
    policy: BreakerPolicy,
    /// `None`: no agent of the type is up, so the genome is not known.
    arms: HashMap<Option<Digest>, OfGenome>,
    /// The current ones, as they were told last.
    told: Arc<[Arm]>,
    /// Openings over all genomes, those too that are forgotten.
    opened: u64,
}

struct OfGenome {
    breaker: Breaker,
    running: usize,
    /// Of those that run, the ones that began since the breaker last opened: an
    /// older one may take as long as its limit allows, and keeps no probe away.
    probing: usize,
    /// Runs that its agents can take at once; `None`: no agent runs it.
    slots: Option<usize>,
}

/// Where a run was placed, and after which opening of that genome's breaker.
#[derive(Clone)]
pub(super) struct Placed {
    pub(super) placement: Placement,
    opened: u64,
}

impl Arms {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        let mut arms = Self { policy, arms: HashMap::new(), told: Arc::default(), opened: 0 };
        arms.of(None).slots = Some(0);
        arms
    }

    /// The genomes that agents run now; none: no agent is up, but one that would
    /// take so many `slots` is started for the first task.
    pub(super) fn renew(&mut self, told: &Arc<[Arm]>, slots: usize, now: Moment) {
        if told.is_empty() {
            self.arms.values_mut().for_each(|arm| arm.slots = None);
            self.of(None).slots = Some(slots);
        } else if !Arc::ptr_eq(&self.told, told) {
            self.arms.values_mut().for_each(|arm| arm.slots = None);
            if told.iter().any(|arm| !self.arms.contains_key(&Some(arm.genome))) {
                // Another genome takes the tasks, so little is lost by trying
                // the others soon; and a trial learns from it.
                self.arms.values_mut().for_each(|arm| arm.breaker.hasten(now));
            }
            told.iter().for_each(|arm| self.of(Some(arm.genome)).slots = Some(arm.slots));
        } else {
            return;
        }
        self.told = Arc::clone(told);
        self.forget();
    }

    fn forget(&mut self) {
        let idle = |arm: &OfGenome| arm.slots.is_none() && arm.running == 0;
        if self.arms.values().filter(|arm| idle(arm)).count() > MOST_KEPT {
            self.arms.retain(|_, arm| !idle(arm));
        }
    }

    /// How many more runs may begin, over all genomes. `most` says how many an
    /// agent's slots may have on their way.
    pub(super) fn room(&self, now: Moment, most: impl Fn(usize) -> usize) -> usize {
        let room = |(_, arm, slots): (_, &OfGenome, usize)| {
            let wanted = most(slots).saturating_sub(arm.running);
            arm.breaker.room(now, wanted, arm.probing)
        };
        self.current().map(room).fold(0, usize::saturating_add)
    }

    /// Chooses who runs a task, of those that are meant for it, the first before
    /// the others; the run is counted until [`left`](Self::left).
    pub(super) fn place(&mut self, meant: &[Digest], now: Moment) -> Placed {
        let may = |arm: &OfGenome| arm.breaker.room(now, 1, arm.probing) > 0;
        let well = meant.iter().find(|genome| self.arms.get(&Some(**genome)).is_none_or(may));
        // A breaker opened after the claim: the run counts as under way.
        let genome = well.or(meant.first()).copied();
        let rests = |arm: &OfGenome| arm.breaker.state(now) != BreakerState::Closed;
        let resting = self.current().filter(|(_, arm, _)| rests(arm));
        let resting = resting.filter_map(|(genome, ..)| genome).collect();
        let arm = self.of(genome);
        arm.running += 1;
        arm.probing += 1;
        Placed { placement: Placement { genome, resting }, opened: arm.breaker.opened() }
    }

    /// A run no longer takes up a slot.
    pub(super) fn left(&mut self, place: &Placed) {
        let arm = self.of(place.placement.genome);
        arm.running = arm.running.saturating_sub(1);
        if place.opened == arm.breaker.opened() {
            arm.probing = arm.probing.saturating_sub(1);
        }
    }

    /// Takes the outcome of a run: of the genome that ran, if agents run it, and
    /// else of the one that it was placed with.
    pub(super) fn record(
        &mut self,
        place: &Placed,
        ran: Option<Digest>,
        success: bool,
        now: Moment,
        chance: f64,
    ) {
        let runs = |genome: &Digest| self.told.iter().any(|arm| arm.genome == *genome);
        let arm = self.of(ran.filter(runs).or(place.placement.genome));
        let before = arm.breaker.opened();
        arm.breaker.record(success, now, chance);
        let openings = arm.breaker.opened().saturating_sub(before);
        if openings > 0 {
            arm.probing = 0;
        }
        self.opened += openings;
    }

    /// The worst of all genomes that agents run.
    pub(super) fn state(&self, now: Moment) -> BreakerState {
        let states = || self.current().map(|(_, arm, _)| arm.breaker.state(now));
        [BreakerState::Open, BreakerState::HalfOpen]
            .into_iter()
            .find(|state| states().any(|its| its == *state))
            .unwrap_or(BreakerState::Closed)
    }

    /// When the first of those that are open is tried again.
    pub(super) fn open_until(&self, now: Moment) -> Option<Moment> {
        let until = self.current().filter_map(|(_, arm, _)| arm.breaker.open_until());
        until.filter(|until| *until > now).min()
    }

    /// Openings over all genomes.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// Each genome that agents run.
    pub(super) fn each(&self, now: Moment) -> Vec<GenomeBreaker> {
        let each = |(genome, arm, _): (Option<Digest>, &OfGenome, usize)| {
            let (state, opened) = (arm.breaker.state(now), arm.breaker.opened());
            genome.map(|genome| GenomeBreaker { genome, state, opened })
        };
        let mut each: Vec<_> = self.current().filter_map(each).collect();
        each.sort_by_key(|breaker| breaker.genome);
        each
    }

    /// Those that agents run, each with its slots.
    fn current(&self) -> impl Iterator<Item = (Option<Digest>, &OfGenome, usize)> {
        self.arms.iter().filter_map(|(genome, arm)| Some((*genome, arm, arm.slots?)))
    }

    fn of(&mut self, genome: Option<Digest>) -> &mut OfGenome {
        let policy = self.policy;
        let new =
            || OfGenome { breaker: Breaker::new(policy), running: 0, probing: 0, slots: None };
        self.arms.entry(genome).or_insert_with(new)
    }
}
