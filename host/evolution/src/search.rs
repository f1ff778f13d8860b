//! An evolution from its beginning, or from where it was, to its end.

use std::sync::Arc;

use chimera_layer4_core::Digest;
use chimera_layer4_fabric::Fabric;

use super::error::EvolutionError;
use super::folder::Folder;
use super::options::EvolutionOptions;
use super::outcome::{Outcome, Why};
use super::report;
use super::state::{Generation, MOST_KNOWN, State};
use super::step::Steps;
use super::terms::Terms;

/// What is reported while it runs.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// The start was measured, or the state of an earlier run was found.
    Ready(&'a State),
    /// One more candidate is through, with all before it.
    Candidate(&'a State),
    /// A generation is through.
    Generation(&'a Generation),
    /// The best is run on the held-out tasks.
    HeldOut,
}

/// An evolution of one agent type; no other process has its folder meanwhile.
#[derive(Debug)]
pub struct Evolution {
    options: EvolutionOptions,
    folder: Arc<Folder>,
    start: Digest,
    /// Absent until the start was measured.
    state: Option<State>,
}

impl Evolution {
    /// Opens the state of the agent type, or begins one.
    ///
    /// # Errors
    /// `Options` when something is out of range, `Busy` when another process has
    /// it, `Differs` when what is there was begun with other options, `State`
    /// when it cannot be read.
    pub fn open(options: EvolutionOptions) -> Result<Self, EvolutionError> {
        let complaints = options.complaints();
        if !complaints.is_empty() {
            return Err(EvolutionError::Options(complaints));
        }
        let folder = Folder::open(&options.folder, &options.agent_type)?;
        if options.anew {
            folder.clear()?;
        }
        let mut state = folder.read_state()?;
        if let Some(state) = &mut state {
            let differences = state.terms.differences(&Terms::of(&options));
            if !differences.is_empty() {
                return Err(EvolutionError::Differs { path: folder.state(), differences });
            }
            folder.recover(state)?;
        }
        let start = Digest::of(&options.start);
        Ok(Self { options, folder: Arc::new(folder), start, state })
    }

    /// Runs until the generations, the budget or the generator's ideas are used
    /// up, and runs the best on the held-out tasks. If it is dropped in between,
    /// it resumes from the last candidate that was finished; the fabric is to be
    /// shut down then, since an agent of it may still run.
    ///
    /// # Errors
    /// `Start` when the start itself does not do the tasks, `Generator` when it
    /// failed too often in a row, `State` when the disk fails, `Fabric`.
    pub async fn run(
        &mut self,
        fabric: &Fabric,
        mut told: impl FnMut(Progress<'_>),
    ) -> Result<Outcome, EvolutionError> {
        self.check_alone(fabric)?;
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.steps(fabric).begin().await?,
        };
        state.resume();
        told(Progress::Ready(&state));
        let ran = self.generations(fabric, &mut state, &mut told).await;
        let state = self.state.insert(state);
        ran?;
        if let Some(outcome) = &state.report {
            return Ok(outcome.clone());
        }
        told(Progress::HeldOut);
        let outcome = report::outcome(fabric, &self.options, &self.folder, state).await?;
        state.report = Some(outcome.clone());
        self.folder.keep_state(state).await?;
        Ok(outcome)
    }

    /// The component of a genome that is kept: the start's or an elite's.
    ///
    /// # Errors
    /// `State` when it is not kept, or damaged.
    pub fn component(&self, genome: Digest) -> Result<Arc<[u8]>, EvolutionError> {
        if genome == self.start {
            return Ok(Arc::clone(&self.options.start));
        }
        self.folder.component(genome).map(Into::into)
    }

    /// The genome that it began with.
    #[must_use]
    pub fn start(&self) -> Digest {
        self.start
    }

    /// How many candidates there will be.
    #[must_use]
    pub fn candidates(&self) -> u64 {
        u64::from(self.options.generations) * u64::from(self.options.population)
    }

    fn steps<'a>(&'a self, fabric: &'a Fabric) -> Steps<'a> {
        Steps { fabric, options: &self.options, folder: &self.folder }
    }

    async fn generations(
        &self,
        fabric: &Fabric,
        state: &mut State,
        told: &mut impl FnMut(Progress<'_>),
    ) -> Result<(), EvolutionError> {
        let steps = self.steps(fabric);
        loop {
            if let Some(why) = self.at_an_end(state) {
                state.ended = Some(why);
                return self.folder.keep_state(state).await;
            }
            if let Some(why) = steps.next(state).await? {
                state.ended = Some(why);
                return self.folder.keep_state(state).await;
            }
            told(Progress::Candidate(state));
            if let (0, Some(generation)) = (state.place, state.generations.last()) {
                told(Progress::Generation(generation));
            }
        }
    }

    /// A task goes to any agent of its type, so there must be no other.
    fn check_alone(&self, fabric: &Fabric) -> Result<(), EvolutionError> {
        let name = &self.options.agent_type;
        if fabric.agents().active().iter().all(|agent| agent.agent_type != *name) {
            return Ok(());
        }
        let words = format!("an agent of type {name:?} runs on the fabric; give one of its own");
        Err(EvolutionError::Options(vec![words]))
    }

    fn at_an_end(&self, state: &State) -> Option<Why> {
        let spent = |budget: std::time::Duration| state.cpu_seconds >= budget.as_secs_f64();
        if state.generation >= self.options.generations {
            Some(Why::Generations)
        } else if self.options.cpu_budget.is_some_and(spent) {
            Some(Why::Budget)
        } else if state.known_in_a_row >= MOST_KNOWN {
            Some(Why::NothingNew)
        } else {
            None
        }
    }
}
