//! Genomes that must not be collected just now, though nothing names them yet.
//!
//! Between the moment at which a genome is stored and the one at which the
//! lineage names it, a collection would find nothing that needs it.

use std::collections::HashMap;
use std::sync::Arc;

use chimera_layer4_core::Digest;
use parking_lot::{Mutex, MutexGuard};

/// How many hold each genome.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(Arc<Mutex<HashMap<Digest, usize>>>);

/// Keeps a genome from being collected for as long as this lives.
#[derive(Debug)]
pub struct Held {
    genome: Digest,
    holds: Holds,
}

impl Holds {
    pub(super) fn hold(&self, genome: Digest) -> Held {
        *self.lock().entry(genome).or_default() += 1;
        Held { genome, holds: self.clone() }
    }

    pub(super) fn has(&self, genome: &Digest) -> bool {
        self.lock().contains_key(genome)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holds = self.holds.lock();
        if let Some(count) = holds.get_mut(&self.genome) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.genome);
            }
        }
    }
}
