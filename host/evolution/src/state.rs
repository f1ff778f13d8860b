//! All that an evolution knows between two candidates.
//!
//! It is written as a whole after each candidate. What grows with their number
//! (a line for each, in `candidates.jsonl`) is appended before, and the state
//! says how much of it counts; a line that the state does not know of yet is
//! cut off again.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chimera_layer4_core::Digest;
use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::candidate::{Candidate, Evidence, Fate, Stage};
use super::outcome::{Outcome, Why};
use super::terms::Terms;

/// Of the state's form.
pub(super) const VERSION: u32 = 1;
/// Failures of the generator in a row that end it.
pub(super) const MOST_FAILURES: u32 = 5;
/// Candidates in a row that are known already, after which nothing new is
/// expected.
pub(super) const MOST_KNOWN: u32 = 20;
/// What the start has: it is held against itself.
const START_SCORE: f64 = 0.5;
/// The number of the last candidates that are kept for display.
const RECENT: usize = 100;

/// All that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EvolutionState)]
pub struct State {
    /// Of its form.
    pub version: u32,
    /// What it was asked.
    pub terms: Terms,
    /// The next candidate's generation, counted from zero.
    pub generation: u32,
    /// Its place in the generation.
    pub place: u32,
    /// Candidates that are through.
    pub candidates: u64,
    /// Bytes of `candidates.jsonl` that count.
    pub journal_bytes: u64,
    /// Failures of the generator in a row.
    pub failures_in_a_row: u32,
    /// Candidates in a row that were known already.
    pub known_in_a_row: u32,
    /// Processor time of all runs so far.
    pub cpu_seconds: f64,
    /// Interfaces that need a grant and that the start imports.
    pub capabilities: Vec<String>,
    /// The start, against which each is held.
    pub reference: Evidence,
    /// The elites.
    pub archive: Archive,
    /// What the elites' scores stand on.
    #[schema(value_type = std::collections::BTreeMap<String, Evidence>)]
    pub evidence: BTreeMap<Digest, Evidence>,
    /// Each generation that is through.
    pub generations: Vec<Generation>,
    /// The one that is under way.
    pub current: Generation,
    /// The last candidates, oldest first.
    #[schema(value_type = Vec<Candidate>)]
    pub recent: VecDeque<Candidate>,
    /// Why it ended, if it has.
    pub ended: Option<Why>,
    /// What came of it, where it was shown on the held-out tasks.
    pub report: Option<Outcome>,
    /// Genomes that were tried; read from the lines.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) known: HashSet<Digest>,
    /// Files that were taken from a folder; read from the lines.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) taken: HashSet<String>,
}

/// Characters of a reason that a generation is reported with.
const MOST_WHY: usize = 200;

/// A generation in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Generation {
    /// Which, counted from zero.
    pub generation: u32,
    /// The best score so far.
    pub best_score: f64,
    /// Its objective.
    pub best_objective: Option<f64>,
    /// Candidates that ran all tasks.
    pub evaluated: u32,
    /// Candidates that fell before, or had no score.
    pub fell: u32,
    /// Why the last of them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fall: Option<String>,
    /// Candidates that were known.
    pub known: u32,
    /// Processor time of its runs.
    pub cpu_seconds: f64,
}

impl State {
    /// Before the first candidate: the start is measured and is the only elite.
    pub(super) fn new(
        terms: Terms,
        archive: Archive,
        reference: Evidence,
        capabilities: Vec<String>,
        cpu_seconds: f64,
    ) -> Self {
        let start = terms.start;
        Self {
            version: VERSION,
            terms,
            generation: 0,
            place: 0,
            candidates: 0,
            journal_bytes: 0,
            failures_in_a_row: 0,
            known_in_a_row: 0,
            cpu_seconds,
            capabilities,
            evidence: BTreeMap::from([(start, reference.clone())]),
            reference,
            archive,
            generations: Vec::new(),
            current: Generation::default(),
            recent: VecDeque::new(),
            ended: None,
            report: None,
            known: HashSet::from([start]),
            taken: HashSet::new(),
        }
    }

    /// The fittest genome and its score. Before anything fitter is found, that is
    /// the start.
    pub(super) fn best(&self) -> (Digest, f64) {
        let best = self.archive.best();
        best.map_or((self.terms.start, START_SCORE), |best| (best.genome, best.fitness.score))
    }

    /// Resumes after an end: there may be more generations, budget or ideas.
    pub(super) fn resume(&mut self) {
        if self.ended.take() == Some(Why::NothingNew) {
            self.known_in_a_row = 0;
        }
        if self.failures_in_a_row >= MOST_FAILURES {
            self.failures_in_a_row = 0;
        }
    }

    /// Records a candidate that is finished, and moves to the next place.
    pub(super) fn note(&mut self, candidate: Candidate) {
        let current = &mut self.current;
        match &candidate.fate {
            Fate::Scored { .. } => current.evaluated += 1,
            Fate::Known => current.known += 1,
            Fate::Fell { why, .. } => {
                current.fell += 1;
                current.last_fall = Some(why.chars().take(MOST_WHY).collect());
            }
        }
        current.cpu_seconds += candidate.cpu_seconds;
        self.known.extend(candidate.genome);
        self.taken.extend(candidate.file.clone());
        self.candidates += 1;
        self.recent.push_back(candidate);
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let best = self.archive.best();
        self.current.best_score = best.map_or(0.0, |best| best.fitness.score);
        self.current.best_objective =
            best.and_then(|best| self.evidence.get(&best.genome)?.all.objective);
        // What was said at an end is no longer all.
        self.report = None;
        self.place += 1;
        if self.place >= self.terms.population {
            (self.place, self.generation) = (0, self.generation + 1);
            let next = Generation { generation: self.generation, ..Generation::default() };
            self.generations.push(std::mem::replace(&mut self.current, next));
        }
    }

    /// Counts what goes wrong in a row; an answer is the generator's last
    /// failure, if it is one too many. A folder's bad files are no such thing.
    pub(super) fn count(&mut self, fate: &Fate, by_command: bool) -> Option<String> {
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
