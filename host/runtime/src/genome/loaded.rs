//! Genomes whose code is loaded, so that it need not be read again.
//!
//! Reading and linking compiled code takes milliseconds of a processor, which
//! under load are milliseconds of some task's. A swap back and forth, a
//! rollback, an agent that starts again: each needs a genome that was loaded a
//! moment ago.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use chimera_layer4_core::Digest;

use super::Genome;

/// Genomes that stay loaded although no agent runs them. Each is some tens of
/// megabytes of mapped code at the most.
const RECENT: usize = 4;

/// What is loaded.
#[derive(Default)]
pub(super) struct Loaded {
    /// Those that some agent holds, so that the next agent shares them.
    held: HashMap<Digest, Weak<Genome>>,
    /// The last ones asked for, the newest at the end: a rollback or the
    /// restart of an agent needs one of these.
    recent: VecDeque<Arc<Genome>>,
}

impl Loaded {
    pub(super) fn get(&mut self, digest: &Digest) -> Option<Arc<Genome>> {
        let genome = self.held.get(digest).and_then(Weak::upgrade)?;
        self.touch(&genome);
        Some(genome)
    }

    pub(super) fn insert(&mut self, genome: &Arc<Genome>) {
        self.touch(genome);
        self.held.retain(|_, genome| genome.strong_count() > 0);
        self.held.insert(genome.digest(), Arc::downgrade(genome));
    }

    fn touch(&mut self, genome: &Arc<Genome>) {
        self.recent.retain(|recent| recent.digest() != genome.digest());
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(genome));
    }
}
