//! Genomes: what is stored, tried, on trial and in charge.

use chimera_layer4_core::Digest;
pub use chimera_layer4_core::genome::{
    AdmittedGenome, BenchTask, Benchmark, GenomeDetail, GenomeDiff, GenomeSummary, RolloutView,
    StateCarried, Swapped,
};
use chimera_layer4_core::genome::{Entry, Plan, Weights};
use serde::{Deserialize, Serialize};

/// What a client states about a genome that it pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct Pushed {
    /// The agent type that it is for: it is tried with that type's settings.
    #[cfg_attr(feature = "openapi", param(min_length = 1, max_length = 256))]
    pub agent_type: Option<String>,
    /// Who made it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, max_length = 256))]
    pub author: String,
    /// The genome that it was made from.
    #[cfg_attr(feature = "openapi", param(value_type = Option<Digest>))]
    pub parent: Option<Digest>,
    /// Interfaces, by commas, that it may import although its parent does not.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, max_length = 4096))]
    pub allow: String,
    /// Recorded tasks of the type that it must do without a fault.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, maximum = 100))]
    pub samples: usize,
    /// Where it comes from, which the record then says on your word: `api`, which
    /// is what is taken without it, `file`, `evolution`, or `oci:…`.
    #[cfg_attr(feature = "openapi", param(max_length = 4096))]
    pub source: Option<String>,
    /// Whether it is stored without being tried: a deployment starts it with its own settings.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false))]
    pub untried: bool,
}

/// What a check of every stored genome found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verified {
    /// Genomes that were hashed.
    pub genomes: usize,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// What is damaged, each in words with where it is kept.
    pub findings: Vec<String>,
}

/// What of it may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectRequest {
    /// Generations of ancestors that stay behind each genome in use; 10 when left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1000))]
    pub ancestors: Option<usize>,
    /// Days that a genome stays after the last thing that happened to it; 30
    /// when left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 36500))]
    pub quiet_days: Option<u32>,
}

/// What went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gone {
    /// Genomes that are stored no longer.
    pub removed: Vec<Digest>,
    /// Bytes that are free again.
    pub freed_bytes: u64,
}

/// What happened for an agent type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// Drawn for a terminal.
    pub tree: String,
    /// One by one, oldest first.
    pub entries: Vec<Entry>,
}

/// A genome that is to be put on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutRequest {
    /// The agent type.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub agent_type: String,
    /// The stored genome that would take over.
    pub genome: Digest,
    /// How it goes; what is left out is the default.
    #[serde(default)]
    pub plan: Plan,
}

/// A stored genome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenomeRequest {
    /// Its name.
    pub genome: Digest,
}

/// A candidate that is to be held against the genome in charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BenchmarkRequest {
    /// The agent type.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub agent_type: String,
    /// The stored candidate.
    pub genome: Digest,
    /// The tasks; without any, a sample of recorded ones.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 10000))]
    pub tasks: Vec<BenchTask>,
    /// How much each measure counts.
    #[serde(default)]
    pub weights: Weights,
}
