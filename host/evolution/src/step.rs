//! One candidate, from its making to the state that knows of it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use chimera_layer4_core::genome::{Fitness, Placed};
use chimera_layer4_core::{Digest, Layer4Error};

use super::Evolution;
use super::archive::Archive;
use super::cascade::{Bar, Course, End, Through};
use super::error::EvolutionError;
use super::generator::{self, Made};
use super::options::Generator;
use super::state::{
    Candidate, Evidence, Fate, Generation, MOST_FAILURES, Stage, State, VERSION, Why,
};
use super::terms::Terms;
use chimera_layer4_fabric::Fabric;

impl Evolution {
    /// Measures the start, which is the first elite.
    pub(super) async fn begin(&self, fabric: &Fabric) -> Result<State, EvolutionError> {
        let course = Course { fabric, options: &self.options };
        let mut spent = 0.0;
        let component = Arc::clone(&self.options.start);
        let bars = (Bar::default(), Bar::default());
        let tried = course.try_out(&component, None, bars, &mut spent).await;
        let (through, capabilities) = tried.map_err(|end| match end {
            End::Fell(_, why) => EvolutionError::Start(why),
            End::OutOfBudget => {
                let words = "its own run takes all of the budget; give more (`--cpu-budget`)";
                EvolutionError::Start(words.to_owned())
            }
            End::Host(error) => error.into(),
        })?;
        let fitness = Fitness::of_genome(&through.all, &through.all, &self.options.weights);
        if let Some(why) = &fitness.disqualified {
            return Err(EvolutionError::Start(why.clone()));
        }
        let archive = Archive::new(&self.options.axes, self.options.elites);
        let mut archive = archive.map_err(EvolutionError::Options)?;
        place(&mut archive, self.start, &through, fitness)?;
        let evidence =
            Evidence { generation: 0, parents: Vec::new(), first: through.first, all: through.all };
        let state = State {
            version: VERSION,
            terms: Terms::of(&self.options),
            generation: 0,
            place: 0,
            candidates: 0,
            journal_bytes: 0,
            failures_in_a_row: 0,
            known_in_a_row: 0,
            cpu_seconds: spent,
            capabilities,
            reference: evidence.clone(),
            archive,
            evidence: BTreeMap::from([(self.start, evidence)]),
            generations: Vec::new(),
            current: Generation::default(),
            recent: VecDeque::new(),
            ended: None,
            report: None,
            known: HashSet::from([self.start]),
            taken: HashSet::new(),
        };
        self.folder.keep_start(&state, component).await?;
        Ok(state)
    }

    /// Has one more candidate made, tries it and writes down what became of it.
    /// An answer says why there is none.
    pub(super) async fn step(
        &self,
        fabric: &Fabric,
        state: &mut State,
    ) -> Result<Option<Why>, EvolutionError> {
        let most = fabric.max_component_bytes();
        let made = generator::next(&self.options, &self.folder, state, most).await?;
        let Some(Made { parents, file, component }) = made else {
            return Ok(Some(Why::NoMoreCandidates));
        };
        let genome = component.as_ref().ok().map(|bytes| Digest::of(bytes));
        let before = state.cpu_seconds;
        let (fate, kept) = match component {
            Err(why) => (Fate::Fell { at: Stage::Generator, why }, None),
            Ok(bytes) => match self.try_out(fabric, state, &parents, bytes).await? {
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

    /// What became of a component, and its bytes if it stays; `None`: the budget
    /// ended first.
    async fn try_out(
        &self,
        fabric: &Fabric,
        state: &mut State,
        parents: &[Digest],
        bytes: Arc<[u8]>,
    ) -> Result<Option<(Fate, Option<Arc<[u8]>>)>, EvolutionError> {
        let genome = Digest::of(&bytes);
        if state.known.contains(&genome) {
            return Ok(Some((Fate::Known, None)));
        }
        let course = Course { fabric, options: &self.options };
        let mut made_from: Vec<_> =
            parents.iter().filter_map(|one| state.evidence.get(one)).collect();
        if made_from.is_empty() {
            // Who made it is not known; it is to replace the start.
            made_from.push(&state.reference);
        }
        let bars = Bar::of(&made_from);
        let mut spent = state.cpu_seconds;
        let tried = course.try_out(&bytes, Some(&state.capabilities), bars, &mut spent).await;
        state.cpu_seconds = spent;
        let through = match tried {
            Ok((through, _)) => through,
            Err(End::Fell(at, why)) => return Ok(Some((Fate::Fell { at, why }, None))),
            Err(End::OutOfBudget) => return Ok(None),
            Err(End::Host(error)) => return Err(error.into()),
        };
        let fate = state.offer(genome, parents, &through)?;
        let kept = state.archive.has(&genome).then_some(bytes);
        Ok(Some((fate, kept)))
    }
}

impl State {
    /// Scores a genome and offers it to the archive.
    fn offer(
        &mut self,
        genome: Digest,
        parents: &[Digest],
        through: &Through,
    ) -> Result<Fate, EvolutionError> {
        let fitness = Fitness::of_genome(&through.all, &self.reference.all, self.weights());
        if let Some(why) = fitness.disqualified {
            return Ok(Fate::Fell { at: Stage::Score, why });
        }
        let score = fitness.score;
        let outcome = place(&mut self.archive, genome, through, fitness)?;
        if self.archive.has(&genome) {
            let evidence = Evidence {
                generation: self.generation,
                parents: parents.to_vec(),
                first: through.first,
                all: through.all,
            };
            self.evidence.insert(genome, evidence);
        }
        if let Placed::Better { ousted } = &outcome {
            self.evidence.remove(ousted);
        }
        Ok(Fate::Scored { score, objective: through.all.objective, outcome })
    }

    /// Counts what goes wrong in a row; an answer is the generator's last
    /// failure, if it is one too many. A folder's bad files are no such thing.
    fn count(&mut self, fate: &Fate, by_command: bool) -> Option<String> {
        match fate {
            Fate::Fell { at: Stage::Generator, why } => {
                self.failures_in_a_row += u32::from(by_command);
                (self.failures_in_a_row >= MOST_FAILURES).then(|| why.clone())
            }
            Fate::Known => {
                self.failures_in_a_row = 0;
                self.known_in_a_row += u32::from(by_command);
                None
            }
            Fate::Scored { .. } | Fate::Fell { .. } => {
                (self.failures_in_a_row, self.known_in_a_row) = (0, 0);
                None
            }
        }
    }
}

fn place(
    archive: &mut Archive,
    genome: Digest,
    through: &Through,
    fitness: Fitness,
) -> Result<Placed, EvolutionError> {
    let placed = archive.place(genome, &through.features, fitness);
    // Features are counted and finite, and the formula is this host's.
    placed.map_err(|error| Layer4Error::Internal(error.to_string()).into())
}
