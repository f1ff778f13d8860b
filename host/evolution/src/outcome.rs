//! The result of an evolution.

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::Comparison;
use chimera_layer4_core::genome::fitness::Measurements;
use serde::{Deserialize, Serialize};

/// The result of an evolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outcome {
    /// The agent type.
    pub agent_type: String,
    /// Why the evolution ended.
    pub ended: Why,
    /// The number of finished generations.
    pub generations: u32,
    /// The number of finished candidates.
    pub candidates: u64,
    /// Processor time of all runs, also of the start, in seconds.
    pub cpu_seconds: f64,
    /// The genome that the evolution began with.
    pub start: Digest,
    /// The fittest genome. It is the start where nothing fitter was found.
    pub best: Digest,
    /// The genomes that the fittest was made from.
    pub parents: Vec<Digest>,
    /// The score of the fittest; the start has 0.5.
    pub score: f64,
    /// Figures on the tasks by which the fittest was chosen.
    pub train: Figures,
    /// Figures on the held-out tasks; absent where none were given, or the best is
    /// the start.
    pub held_out: Option<Figures>,
    /// The elites that no other elite surpasses in every measure.
    pub pareto: Vec<Digest>,
    /// Why the last candidate that did not pass a check failed, where there is one
    /// among the last candidates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fall: Option<String>,
}

/// The start and the best on the same tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Figures {
    /// The start.
    pub start: Measurements,
    /// The best.
    pub best: Measurements,
    /// Tasks counted by which objective is higher; absent without an objective, or
    /// where the runs were not paired.
    pub objective: Option<Counted>,
    /// The other measures, with intervals; absent where the runs were not paired.
    pub comparison: Option<Comparison>,
}

/// Tasks that both the start and the best did, by their objectives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counted {
    /// The best's objective is higher.
    pub better: u64,
    /// Both are the same.
    pub same: u64,
    /// The best's objective is lower.
    pub worse: u64,
}

/// Why an evolution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// All generations are finished.
    Generations,
    /// The processor time is spent.
    Budget,
    /// The generator made only known components many times in a row.
    NothingNew,
    /// The folder has no more files.
    NoMoreCandidates,
}
