//! Removes genomes that are no longer needed.

use std::collections::HashSet;

use chimera_layer4_core::Digest;

use super::sweep::{self, Fate};
use super::{Collected, GenomeStore, GenomeStoreError, disk};

impl GenomeStore {
    /// Removes every genome that `keep` does not name and that is not held, and
    /// files that belong to none and are older than this process.
    ///
    /// `keep` is asked while nothing can be stored, and a genome that was
    /// stored before is held until something names it. So a genome that has just
    /// been stored is never removed as unneeded. It may [`list`](Self::list),
    /// and must not store or hold.
    ///
    /// The index is on the disk without a genome before its files go.
    ///
    /// # Errors
    /// Those of `keep`, and then nothing was removed; `Failed`.
    pub fn gc<E: From<GenomeStoreError>>(
        &self,
        keep: impl FnOnce() -> Result<HashSet<Digest>, E>,
    ) -> Result<Collected, E> {
        let changing = self.lock();
        let (index, _) = self.mended(&changing)?;
        let keep = keep()?;
        let needed = |genome: &Digest| keep.contains(genome) || self.holds.has(genome);
        let genomes = index.entries().map(|entry| entry.stored.genome);
        let removed: Vec<_> = genomes.filter(|genome| !needed(genome)).collect();

        let mut remaining = (*index).clone();
        removed.iter().for_each(|genome| remaining.remove(genome));
        let named = remaining.blobs();
        let layout = self.reader.layout();
        let mut freed_bytes = 0;
        if !removed.is_empty() {
            self.save(remaining, &changing)?;
            for blob in index.blobs().difference(&named) {
                let path = layout.blob(blob);
                freed_bytes += std::fs::metadata(&path).map_or(0, |found| found.len());
                disk::remove(&path)?;
            }
            disk::sync_folder(&layout.blobs())?;
        }
        let swept =
            sweep::sweep(layout, &named, Some(self.opened.at_the_earliest()), Fate::Remove)?;
        Ok(Collected { removed, freed_bytes: freed_bytes + swept.bytes })
    }
}
