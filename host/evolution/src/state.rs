//! The state of an evolution between two candidates.
//!
//! The whole state is written after each candidate. Before that, a line for the
//! candidate is appended to `candidates.jsonl`, so that the state does not grow
//! with the number of candidates. The state says how many bytes of that file are
//! valid, and what comes after them is cut off.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chimera_layer4_core::Digest;
use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::candidate::{Candidate, Evidence, Fate, Stage};
use super::outcome::{Outcome, Why};
use super::terms::Terms;

/// The version of the state's format.
pub(super) const VERSION: u32 = 1;
/// So many failures of the generator in a row end the evolution.
pub(super) const MOST_FAILURES: u32 = 5;
/// So many known candidates in a row end the evolution: nothing new is expected.
pub(super) const MOST_KNOWN: u32 = 20;
/// The score of the start, which is compared with itself.
const START_SCORE: f64 = 0.5;
/// So many of the last candidates are kept for display.
const RECENT: usize = 100;

/// What is known of an evolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EvolutionState)]
pub struct State {
    /// The version of this format.
    pub version: u32,
    /// The options that it was begun with.
    pub terms: Terms,
    /// The next candidate's generation, counted from zero.
    pub generation: u32,
    /// The next candidate's place in its generation, counted from zero.
    pub place: u32,
    /// The number of finished candidates.
    pub candidates: u64,
    /// The number of valid bytes of `candidates.jsonl`.
    pub journal_bytes: u64,
    /// Failures of the generator in a row.
    pub failures_in_a_row: u32,
    /// Candidates in a row whose component was tried before.
    pub known_in_a_row: u32,
    /// Processor time of all runs so far.
    pub cpu_seconds: f64,
    /// Interfaces that need a grant and that the start imports.
    pub capabilities: Vec<String>,
    /// The measurements of the start, with which each candidate is compared.
    pub reference: Evidence,
    /// The elites.
    pub archive: Archive,
    /// The measurements behind the elites' scores.
    #[schema(value_type = std::collections::BTreeMap<String, Evidence>)]
    pub evidence: BTreeMap<Digest, Evidence>,
    /// The finished generations.
    pub generations: Vec<Generation>,
    /// The generation that is under way.
    pub current: Generation,
    /// The last candidates, oldest first.
    #[schema(value_type = Vec<Candidate>)]
    pub recent: VecDeque<Candidate>,
    /// Why the evolution ended, if it has.
    pub ended: Option<Why>,
    /// The result, after the best ran on the held-out tasks.
    pub report: Option<Outcome>,
    /// Genomes that were tried; read from `candidates.jsonl`.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) known: HashSet<Digest>,
    /// Files that were tried, of a folder; read from `candidates.jsonl`.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) taken: HashSet<String>,
}

/// The most characters of the reason in a generation's report.
const MOST_WHY: usize = 200;

/// A generation in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Generation {
    /// Its number, counted from zero.
    pub generation: u32,
    /// The best score so far.
    pub best_score: f64,
    /// The objective of the genome with that score.
    pub best_objective: Option<f64>,
    /// Candidates that ran all tasks.
    pub evaluated: u32,
    /// Candidates that did not pass a check.
    pub fell: u32,
    /// Why the last of those did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fall: Option<String>,
    /// Candidates whose component was tried before.
    pub known: u32,
    /// Processor time of its runs.
    pub cpu_seconds: f64,
}

impl State {
    /// The state before the first candidate: the start is measured, and it is the
    /// only elite.
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

    /// Goes on after an end: there may be more generations or budget now, or another
    /// generator.
    pub(super) fn resume(&mut self) {
        if self.ended.take() == Some(Why::NothingNew) {
            self.known_in_a_row = 0;
        }
        if self.failures_in_a_row >= MOST_FAILURES {
            self.failures_in_a_row = 0;
        }
    }

    /// Records a finished candidate and moves to the next place.
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
        // The result of an earlier end does not cover this candidate.
        self.report = None;
        self.place += 1;
        if self.place >= self.terms.population {
            (self.place, self.generation) = (0, self.generation + 1);
            let next = Generation { generation: self.generation, ..Generation::default() };
            self.generations.push(std::mem::replace(&mut self.current, next));
        }
    }

    /// Counts failures and known candidates in a row. After too many failures the
    /// answer is the last one's reason. Bad files of a folder are not counted.
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
