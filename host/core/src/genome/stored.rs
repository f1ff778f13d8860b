//! What a host says of the genomes that it stores.

use serde::{Deserialize, Serialize};

use super::Entry;
use super::lineage::Admission;
use crate::Digest;

/// A genome that may run here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdmittedGenome {
    /// Its name.
    pub genome: Digest,
    /// Whether it was not stored before.
    pub new: bool,
    /// What was found.
    pub report: Admission,
    /// What its author may want to know, such as a type that is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A stored genome, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenomeSummary {
    /// Its name.
    pub genome: Digest,
    /// Bytes of its component.
    pub bytes: u64,
    /// The agent types that it is in charge of.
    pub active_for: Vec<String>,
}

/// All that is known of a genome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenomeDetail {
    /// In short.
    #[serde(flatten)]
    pub summary: GenomeSummary,
    /// Who made it, where that was said.
    pub author: Option<String>,
    /// The genome that it was made from.
    pub parent: Option<Digest>,
    /// Where it came from.
    pub source: Option<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What happened to it, oldest first.
    pub history: Vec<Entry>,
}

/// How one genome differs from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenomeDiff {
    /// The one.
    pub from: Digest,
    /// The other.
    pub to: Digest,
    /// Bytes that the other has more; below zero: fewer.
    pub bytes: i64,
    /// What the other imports and the one does not.
    pub imports_added: Vec<String>,
    /// What the one imports and the other does not.
    pub imports_removed: Vec<String>,
    /// What the other exports and the one does not.
    pub exports_added: Vec<String>,
    /// What the one exports and the other does not.
    pub exports_removed: Vec<String>,
    /// The last benchmarks of the other against the one.
    pub benchmarks: Vec<Entry>,
}
