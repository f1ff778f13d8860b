//! An evolution, from its beginning or from the state on disk to its end.

use std::sync::Arc;

use chimera_layer4_core::Digest;
use chimera_layer4_fabric::Fabric;

use super::error::EvolutionError;
use super::folder::Folder;
use super::options::EvolutionOptions;
use super::outcome::{Outcome, Why};
use super::report::outcome;
use super::state::{Generation, MOST_KNOWN, State};
use super::step::Steps;
use super::terms::Terms;

/// What an evolution reports while it runs.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// The start was measured, or the state of an earlier run was found.
    Ready(&'a State),
    /// One more candidate is finished, and so are all before it.
    Candidate(&'a State),
    /// A generation is finished.
    Generation(&'a Generation),
    /// The start and the best are about to run the held-out tasks.
    HeldOut,
}

/// An evolution of one agent type. It locks the folder of the agent type.
#[derive(Debug)]
pub struct Evolution {
    options: EvolutionOptions,
    folder: Arc<Folder>,
    start: Digest,
    /// Absent until the start has been measured.
    state: Option<State>,
}

impl Evolution {
    /// Opens the state of the agent type, or begins an evolution.
    ///
    /// # Errors
    /// `Options` when an option is out of range, `Busy` when another process has the
    /// folder, `Differs` when the state was begun with other options, `State` when
    /// the state cannot be read.
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

    /// Runs until all generations are finished, the budget is spent or the generator
    /// makes nothing new, and then runs the best on the held-out tasks. If the
    /// future is dropped, a later evolution resumes from the last finished
    /// candidate. The caller then shuts down the fabric, where an agent may still
    /// run.
    ///
    /// # Errors
    /// `Start` when the start itself does not do the tasks, `Generator` when the
    /// generator failed too often in a row, `State` when the disk fails, `Fabric`
    /// when the host fails.
    pub async fn run(
        &mut self,
        fabric: &Fabric,
        mut report: impl FnMut(Progress<'_>),
    ) -> Result<Outcome, EvolutionError> {
        self.check_alone(fabric)?;
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.steps(fabric).begin().await?,
        };
        state.resume();
        report(Progress::Ready(&state));
        let ran = self.generations(fabric, &mut state, &mut report).await;
        let state = self.state.insert(state);
        ran?;
        if let Some(outcome) = &state.report {
            return Ok(outcome.clone());
        }
        report(Progress::HeldOut);
        let outcome = outcome(fabric, &self.options, &self.folder, state).await?;
        state.report = Some(outcome.clone());
        self.folder.keep_state(state).await?;
        Ok(outcome)
    }

    /// The component of the start or of an elite.
    ///
    /// # Errors
    /// `State` when the folder does not have it, or it is damaged.
    pub fn component(&self, genome: Digest) -> Result<Arc<[u8]>, EvolutionError> {
        if genome == self.start {
            return Ok(Arc::clone(&self.options.start));
        }
        self.folder.component(genome).map(Into::into)
    }

    /// The genome that the evolution began with.
    #[must_use]
    pub fn start(&self) -> Digest {
        self.start
    }

    /// The number of candidates in all generations.
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
        report: &mut impl FnMut(Progress<'_>),
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
            report(Progress::Candidate(state));
            if let (0, Some(generation)) = (state.place, state.generations.last()) {
                report(Progress::Generation(generation));
            }
        }
    }

    /// A task goes to any agent of its type, so no other agent may have the type.
    fn check_alone(&self, fabric: &Fabric) -> Result<(), EvolutionError> {
        let name = &self.options.agent_type;
        if fabric.agents().active().iter().all(|agent| agent.agent_type != *name) {
            return Ok(());
        }
        let message = format!("an agent of type {name:?} runs on the fabric; give one of its own");
        Err(EvolutionError::Options(vec![message]))
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
