//! What came of an evolution.

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::Comparison;
use chimera_layer4_core::genome::fitness::Measurements;
use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outcome {
    /// The agent type.
    pub agent_type: String,
    /// Why it ended.
    pub ended: Why,
    /// Generations that are through.
    pub generations: u32,
    /// Candidates that are through.
    pub candidates: u64,
    /// Processor time of their runs and the start's, in seconds.
    pub cpu_seconds: f64,
    /// The genome that it began with.
    pub start: Digest,
    /// The fittest; the start itself where nothing fitter was found.
    pub best: Digest,
    /// What the fittest was made from.
    pub parents: Vec<Digest>,
    /// Its score; the start has 0.5.
    pub score: f64,
    /// On the tasks that it was chosen by.
    pub train: Figures,
    /// On those that nothing was chosen by; absent where none were given, or
    /// the best is the start.
    pub held_out: Option<Figures>,
    /// The elites that no other beats in everything.
    pub pareto: Vec<Digest>,
    /// Why the last candidate that fell did, where one did lately.
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
    /// On how many tasks the best's objective is better, and so on; absent where
    /// none was asked for, or the runs were not paired.
    pub objective: Option<Counted>,
    /// Everything else, with intervals; absent where the runs were not paired.
    pub comparison: Option<Comparison>,
}

/// Tasks that both did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counted {
    /// The best's objective is higher.
    pub better: u64,
    /// They are the same.
    pub same: u64,
    /// The best's is lower.
    pub worse: u64,
}

/// Why an evolution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// All generations are through.
    Generations,
    /// The processor time is spent.
    Budget,
    /// The generator gives only what is known.
    NothingNew,
    /// The folder has no more files.
    NoMoreCandidates,
}
