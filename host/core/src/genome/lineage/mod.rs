//! What happened to every genome, and why.
//!
//! A record that only grows: entries are added and never changed, so that years
//! later it still says which bytes were in charge when, and on what evidence.
//! What is in charge now is what the entries amount to ([`active`]); a store may
//! keep it beside them, as long as it is written with them.

mod draw;
mod read;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::fitness::Fitness;
use super::rollout::{How, Plan};
use super::trial::{Finding, Verdict};
use crate::scheduler::Timestamp;
use crate::{AgentId, Digest};

pub use draw::tree;
pub use read::{Retention, active, keep, pinned, rollouts};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// Its place in the record, counted from zero without gaps.
    pub sequence: u64,
    /// When. Clocks may be set back; order is what `sequence` says.
    pub at: Timestamp,
    /// To which genome.
    pub genome: Digest,
    /// For which agents; absent where it concerns the genome as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What.
    pub event: Event,
}

/// What can happen to a genome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Event {
    /// Its bytes came into the store.
    Stored {
        /// How many they are.
        bytes: u64,
        /// Who brought them.
        author: String,
        /// Where from.
        source: Source,
        /// The genome that it was made from, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Digest>,
    },
    /// It may run here.
    Admitted {
        /// What was found.
        report: Admission,
    },
    /// It may not.
    Rejected {
        /// The check that it failed.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// It ran the same tasks as another.
    Benchmarked {
        /// The other.
        against: Digest,
        /// How they compare.
        comparison: Box<Comparison>,
        /// The score that follows.
        fitness: Fitness,
    },
    /// It was given its first tasks of others.
    RolloutStarted {
        /// The genome in charge.
        against: Digest,
        /// How it was to go.
        plan: Plan,
    },
    /// It was given more.
    Step {
        /// Its share from then on, from 0 to 1.
        share: f64,
    },
    /// Its trial had something to say, or was cut short.
    Verdict {
        /// What.
        verdict: Verdict,
        /// Its own runs until then.
        tasks: u64,
        /// How it stood in each measure, also where the verdict names none.
        #[serde(default)]
        findings: Vec<Finding>,
    },
    /// It was put in charge.
    Promoted {
        /// In place of this one; absent of the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Digest>,
        /// Who decided.
        how: How,
    },
    /// One agent runs it from then on; its type has what it had.
    Updated {
        /// Which agent.
        agent: AgentId,
        /// What it ran before.
        from: Digest,
    },
    /// It was taken back.
    RolledBack {
        /// The genome in charge since.
        to: Digest,
        /// Why.
        why: String,
    },
    /// It is to be kept.
    Pinned,
    /// It need not be kept any more.
    Unpinned,
    /// Its bytes were removed; the record of it stays.
    Collected,
}

impl Event {
    /// The genome that is in charge of the entry's agent type from here on,
    /// which it is for some events that happen to `genome`.
    #[must_use]
    pub fn puts_in_charge(&self, genome: Digest) -> Option<Digest> {
        match self {
            Event::Promoted { .. } => Some(genome),
            Event::RolledBack { to, .. } => Some(*to),
            Event::Stored { .. }
            | Event::Admitted { .. }
            | Event::Rejected { .. }
            | Event::Benchmarked { .. }
            | Event::RolloutStarted { .. }
            | Event::Step { .. }
            | Event::Verdict { .. }
            | Event::Updated { .. }
            | Event::Pinned
            | Event::Unpinned
            | Event::Collected => None,
        }
    }
}

/// Where bytes came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Source {
    /// A file of the host's own machine.
    File,
    /// The HTTP API.
    Api,
    /// An OCI layout.
    Oci {
        /// As it was asked for: `oci:FOLDER` or `oci:FOLDER:REFERENCE`.
        reference: String,
    },
    /// This host's own evolution.
    Evolution,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File => f.write_str("file"),
            Source::Api => f.write_str("api"),
            Source::Oci { reference } => f.write_str(reference),
            Source::Evolution => f.write_str("evolution"),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    /// As it is shown.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Source::File),
            "api" => Ok(Source::Api),
            "evolution" => Ok(Source::Evolution),
            oci if oci.starts_with("oci:") => Ok(Source::Oci { reference: oci.to_owned() }),
            _ => Err(format!("{text:?} is no source; there are file, api, evolution and oci:…")),
        }
    }
}

/// The checks before a genome may run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Stage {
    /// Its size.
    Limits,
    /// That it is a component, and exports what the contract asks.
    Contract,
    /// That it imports no more than was granted.
    Capabilities,
    /// That it compiles.
    Compile,
    /// That it starts and answers.
    Smoke,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Limits => "limits",
            Stage::Contract => "contract",
            Stage::Capabilities => "capabilities",
            Stage::Compile => "compile",
            Stage::Smoke => "smoke",
        })
    }
}

/// What was found when a genome was admitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Admission {
    /// Version of `chimera:agent` that it exports.
    pub contract: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Those of them that its parent does not; the request that stored it allowed them.
    pub new_capabilities: Vec<String>,
    /// Milliseconds that compiling took; absent when the code was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled_ms: Option<u64>,
    /// What was tried, in order.
    pub smoke: Vec<Smoke>,
}

/// How a sample task is called among what was tried.
pub const SAMPLE: &str = "sample task";

impl Admission {
    /// Sample tasks that it did.
    #[must_use]
    pub fn samples_tried(&self) -> usize {
        self.smoke.iter().filter(|smoke| smoke.what.starts_with(SAMPLE)).count()
    }
}

/// One thing that was tried of a genome before it was admitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Smoke {
    /// Such as `init`, `health`, or a sample task.
    pub what: String,
    /// Milliseconds.
    pub took_ms: f64,
    /// Why it failed; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[cfg(test)]
mod tests;
