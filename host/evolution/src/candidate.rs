//! One candidate: what became of it, and what its score stands on.

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::Placed;
use chimera_layer4_core::genome::fitness::Measurements;
use serde::{Deserialize, Serialize};

/// What an elite's score stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// The generation that it came in; the start is of the first.
    pub generation: u32,
    /// What it was made from; empty of the start and of a folder's.
    pub parents: Vec<Digest>,
    /// On the first tasks.
    pub first: Measurements,
    /// On all.
    pub all: Measurements,
}

/// One candidate and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Counted from zero over all generations.
    pub number: u64,
    /// Its generation.
    pub generation: u32,
    /// Which genome; absent where the generator failed.
    pub genome: Option<Digest>,
    /// Its name in the folder, where it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the generator was handed.
    pub parents: Vec<Digest>,
    /// Processor time of its runs.
    pub cpu_seconds: f64,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// It ran all tasks and was offered to the archive.
    Scored {
        /// From 0 to 1; the start has 0.5.
        score: f64,
        /// What its outputs report, in the mean.
        objective: Option<f64>,
        /// Whether it stayed.
        outcome: Placed,
    },
    /// It was tried before.
    Known,
    /// It ended on the way.
    Fell {
        /// Where.
        at: Stage,
        /// Why.
        why: String,
    },
}

/// The checks, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = EvolutionStage)]
pub enum Stage {
    /// The generator makes a file.
    Generator,
    /// It is an agent, asks for no more than the start, and starts.
    Admission,
    /// It does not fail more, or much worse, than its parents on a few tasks.
    FirstTasks,
    /// It does not fail much more than they do on all.
    AllTasks,
    /// It is not shown to be less reliable than the start.
    Score,
}
