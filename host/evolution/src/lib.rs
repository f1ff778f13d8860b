//! The evolution of an agent: better genomes, found by trying.
//!
//! A [`Generator`] is handed elites and makes a candidate of them; the candidate
//! goes through a cascade of checks, the cheapest first (`cascade`), and what is
//! fit stays in the archive, from which the next parents are drawn. A candidate
//! is hostile until shown otherwise: it runs on a
//! [`Fabric`](chimera_layer4_fabric::Fabric) like any agent, in the sandbox and
//! within a quota, and costs what was measured.
//!
//! Everything that chance decides follows from the seed and the candidate's
//! place, and everything that is known is in the state on disk before the next
//! candidate is asked for. So an evolution that is killed resumes where it was,
//! and with a deterministic agent ends as it would have.
//!
//! `search` runs an evolution from its beginning to its end, `step` takes one
//! candidate, and `report` shows the best on the held-out tasks.

mod archive;
mod candidate;
mod cascade;
mod error;
mod folder;
mod generator;
mod measure;
mod naming;
mod options;
mod outcome;
mod read;
mod report;
mod search;
mod state;
mod step;
mod terms;

pub use self::archive::Archive;
pub use self::candidate::{Candidate, Evidence, Fate, Stage};
pub use self::error::EvolutionError;
pub use self::options::{EvolutionOptions, Feature, Generator};
pub use self::outcome::{Counted, Figures, Outcome, Why};
pub use self::read::{EvolutionSummary, find, folder_in, list};
pub use self::search::{Evolution, Progress};
pub use self::state::{Generation, State};
pub use self::terms::Terms;
