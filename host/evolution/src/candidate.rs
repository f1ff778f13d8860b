//! One candidate: its fate, and the measurements behind its score.

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::Placed;
use chimera_layer4_core::genome::fitness::Measurements;
use serde::{Deserialize, Serialize};

/// The measurements behind an elite's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// The generation that made it. The start is of the first.
    pub generation: u32,
    /// The genomes that it was made from; empty for the start and for a candidate
    /// from a folder.
    pub parents: Vec<Digest>,
    /// The measurements on the first tasks.
    pub first: Measurements,
    /// The measurements on all tasks.
    pub all: Measurements,
}

/// One candidate and its fate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Counted from zero over all generations.
    pub number: u64,
    /// Its generation.
    pub generation: u32,
    /// The digest of its component; absent where the generator failed.
    pub genome: Option<Digest>,
    /// Its file name, where it comes from a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The elites that the generator got.
    pub parents: Vec<Digest>,
    /// Processor time of its runs.
    pub cpu_seconds: f64,
    /// How it ended.
    #[serde(flatten)]
    pub fate: Fate,
}

/// How a candidate ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// It ran all tasks and was offered to the archive.
    Scored {
        /// The score, from 0 to 1; the start has 0.5.
        score: f64,
        /// The mean objective of its outputs.
        objective: Option<f64>,
        /// Whether the archive kept it.
        outcome: Placed,
    },
    /// The same component was tried before.
    Known,
    /// It did not pass a check.
    Fell {
        /// Which check.
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
    /// It is an agent that starts, and it imports no capability that the start
    /// does not.
    Admission,
    /// On a few tasks it does not fail more often than its parents, and its
    /// objective is not much lower.
    FirstTasks,
    /// On all tasks it does not fail much more often than its parents.
    AllTasks,
    /// The measurements do not show that it is less reliable than the start.
    Score,
}
