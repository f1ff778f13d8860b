//! A genome: one version of an agent, by the digest of its bytes.
//!
//! Bytes become a genome in three steps. A child process inspects and compiles
//! them ([`worker`]). The host keeps a record of what the child found
//! ([`compile`]). Then it loads the compiled code from its cache and links it
//! (`loader`).

pub(crate) mod cache;
pub mod compile;
pub mod inspect;
mod instance_size;
mod loaded;
pub(crate) mod loader;
pub mod worker;

use std::time::Duration;

use chimera_layer4_core::Digest;

pub use self::inspect::{Import, Inspection, grant_of};
pub use self::loader::LoadedFrom;
use crate::sandbox::linked::Linked;

/// A component that was accepted, compiled and linked.
pub struct Genome {
    inspection: Inspection,
    pub(crate) linked: Linked,
    /// Slots that one instance takes.
    weight: u32,
    loading: Loading,
}

/// What it took to load a genome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// In the compiling child; zero when the code was in the cache.
    pub compile: Duration,
    /// From the cache to linked code.
    pub load: Duration,
    /// Whether the compiled code was there already.
    pub cached: bool,
}

impl Genome {
    /// The genome's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inspection.digest
    }

    /// What the component is and needs.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Whether its agents carry their state to the genome that takes over.
    #[must_use]
    pub fn offers_state(&self) -> bool {
        self.linked.offers_state()
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    /// What it took to load it.
    #[must_use]
    pub fn loading(&self) -> Loading {
        self.loading
    }
}

impl std::fmt::Debug for Genome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Genome").field("inspection", &self.inspection).finish_non_exhaustive()
    }
}
