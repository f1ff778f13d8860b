//! One candidate, from the generator to the state that has it.

use std::sync::Arc;

use chimera_layer4_core::genome::{Fitness, Placed};
use chimera_layer4_core::{Digest, FabricError};
use chimera_layer4_fabric::Fabric;

use super::archive::Archive;
use super::candidate::{Candidate, Evidence, Fate, Stage};
use super::cascade::{Bar, Course, End, Through};
use super::error::EvolutionError;
use super::folder::Folder;
use super::generator::{self, Made};
use super::options::{EvolutionOptions, Generator};
use super::outcome::Why;
use super::state::{MOST_FAILURES, State};
use super::terms::Terms;

/// Takes the steps of an evolution.
pub(super) struct Steps<'a> {
    pub(super) fabric: &'a Fabric,
    pub(super) options: &'a EvolutionOptions,
    pub(super) folder: &'a Arc<Folder>,
}

/// A component that was tried.
struct Tried {
    fate: Fate,
    /// Its bytes, if the archive keeps it.
    kept: Option<Arc<[u8]>>,
}

impl Steps<'_> {
    /// Measures the start, which becomes the first elite.
    pub(super) async fn begin(&self) -> Result<State, EvolutionError> {
        let component = Arc::clone(&self.options.start);
        let bars = (Bar::default(), Bar::default());
        let mut spent = 0.0;
        let tried = self.course().try_out(&component, None, bars, &mut spent).await;
        let (through, capabilities) = tried.map_err(|end| match end {
            End::Fell(_, why) => EvolutionError::Start(why),
            End::OutOfBudget => {
                let message = "its own run takes all of the budget; give more (`--cpu-budget`)";
                EvolutionError::Start(message.to_owned())
            }
            End::Host(error) => error.into(),
        })?;
        let fitness = Fitness::of_genome(&through.all, &through.all, &self.options.weights);
        if let Some(why) = &fitness.disqualified {
            return Err(EvolutionError::Start(why.clone()));
        }
        let terms = Terms::of(self.options);
        let mut archive = Archive::new(&self.options.axes, self.options.elites)
            .map_err(EvolutionError::Options)?;
        place(&mut archive, terms.start, &through, fitness)?;
        let reference =
            Evidence { generation: 0, parents: Vec::new(), first: through.first, all: through.all };
        let state = State::new(terms, archive, reference, capabilities, spent);
        self.folder.keep_start(&state, component).await?;
        Ok(state)
    }

    /// Takes one candidate from the generator, tries it and records its fate. If
    /// there is none, the answer says why.
    pub(super) async fn next(&self, state: &mut State) -> Result<Option<Why>, EvolutionError> {
        let most = self.fabric.max_component_bytes();
        let made = generator::next(self.options, self.folder, state, most).await?;
        let Some(Made { parents, file, component }) = made else {
            return Ok(Some(Why::NoMoreCandidates));
        };
        let genome = component.as_ref().ok().map(|bytes| Digest::of(bytes));
        let before = state.cpu_seconds;
        let Tried { fate, kept } = match component {
            Err(why) => Tried { fate: Fate::Fell { at: Stage::Generator, why }, kept: None },
            Ok(bytes) => match self.try_out(state, &parents, bytes).await? {
                Some(tried) => tried,
                None => {
                    self.folder.keep_state(state).await?;
                    return Ok(Some(Why::Budget));
                }
            },
        };
        let failed = state.count(&fate, matches!(self.options.generator, Generator::Command(_)));
        let candidate = Candidate {
            number: state.candidates,
            generation: state.generation,
            genome,
            file,
            parents,
            cpu_seconds: state.cpu_seconds - before,
            fate,
        };
        state.note(candidate.clone());
        self.folder.keep(state, &candidate, kept).await?;
        match failed {
            Some(last) => Err(EvolutionError::Generator { times: MOST_FAILURES, last }),
            None => Ok(None),
        }
    }

    /// Tries a component; `None` means that the budget was spent first.
    async fn try_out(
        &self,
        state: &mut State,
        parents: &[Digest],
        bytes: Arc<[u8]>,
    ) -> Result<Option<Tried>, EvolutionError> {
        let genome = Digest::of(&bytes);
        if state.known.contains(&genome) {
            return Ok(Some(Tried { fate: Fate::Known, kept: None }));
        }
        let mut made_from: Vec<_> =
            parents.iter().filter_map(|one| state.evidence.get(one)).collect();
        if made_from.is_empty() {
            // Its parents are not known, so it is compared with the start.
            made_from.push(&state.reference);
        }
        let bars = Bar::of(&made_from);
        let mut spent = state.cpu_seconds;
        let tried =
            self.course().try_out(&bytes, Some(&state.capabilities), bars, &mut spent).await;
        state.cpu_seconds = spent;
        let through = match tried {
            Ok((through, _)) => through,
            Err(End::Fell(at, why)) => {
                return Ok(Some(Tried { fate: Fate::Fell { at, why }, kept: None }));
            }
            Err(End::OutOfBudget) => return Ok(None),
            Err(End::Host(error)) => return Err(error.into()),
        };
        let fate = offer(state, genome, parents, &through)?;
        let kept = state.archive.has(&genome).then_some(bytes);
        Ok(Some(Tried { fate, kept }))
    }

    fn course(&self) -> Course<'_> {
        Course { fabric: self.fabric, options: self.options }
    }
}

/// Scores a genome and offers it to the archive.
fn offer(
    state: &mut State,
    genome: Digest,
    parents: &[Digest],
    through: &Through,
) -> Result<Fate, EvolutionError> {
    let fitness = Fitness::of_genome(&through.all, &state.reference.all, &state.terms.weights);
    if let Some(why) = fitness.disqualified {
        return Ok(Fate::Fell { at: Stage::Score, why });
    }
    let score = fitness.score;
    let outcome = place(&mut state.archive, genome, through, fitness)?;
    if state.archive.has(&genome) {
        let evidence = Evidence {
            generation: state.generation,
            parents: parents.to_vec(),
            first: through.first,
            all: through.all,
        };
        state.evidence.insert(genome, evidence);
    }
    if let Placed::Better { ousted } = &outcome {
        state.evidence.remove(ousted);
    }
    Ok(Fate::Scored { score, objective: through.all.objective, outcome })
}

fn place(
    archive: &mut Archive,
    genome: Digest,
    through: &Through,
    fitness: Fitness,
) -> Result<Placed, EvolutionError> {
    let placed = archive.place(genome, &through.features, fitness);
    // This cannot fail: there is a finite number for each axis, and this host
    // computed the score.
    placed.map_err(|error| FabricError::Internal(error.to_string()).into())
}
