//! The evolution of an agent: a search for better genomes.
//!
//! A [`Generator`] gets elites and makes a candidate of them. The candidate passes
//! checks, the cheapest first (`cascade`). The archive keeps the fittest, and the
//! next parents are drawn from it. A candidate is untrusted: it runs on a
//! [`Fabric`](chimera_layer4_fabric::Fabric) like any agent, in the sandbox and
//! within a quota, and its cost is measured.
//!
//! All random choices follow from the seed and the candidate's place. The state is
//! on disk before the next candidate is requested. So an evolution that is killed
//! resumes where it was, and with a deterministic agent ends as it would have.
//!
//! `search` runs an evolution from its beginning to its end, `step` takes one
//! candidate, and `report` runs the best on the held-out tasks.

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
