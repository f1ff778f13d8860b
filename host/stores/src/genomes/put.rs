//! Takes genomes in, so that each is there wholly or not at all.

use std::fs;
use std::sync::atomic::Ordering;

use chimera_layer4_core::Digest;

use super::documents::Documents;
use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::hold::Held;
use super::index::{Entry, Index, MAX_GENOMES};
use super::{About, Changing, GenomeStore, Part, disk};

/// What became of bytes that were handed in.
#[derive(Debug)]
pub struct Put {
    /// The genome's name.
    pub digest: Digest,
    /// Whether it was not stored before.
    pub new: bool,
    /// While this lives, the genome is not collected. Keep it until the
    /// lineage, or whatever else says what to keep, names the genome.
    pub held: Held,
}

impl GenomeStore {
    /// Stores a component. The same bytes once more cost a hash, and change
    /// nothing of what is known of them.
    ///
    /// When this succeeds, the genome lasts. Where it fails, or is cut short, the
    /// genome is stored wholly or not at all.
    ///
    /// # Errors
    /// `TooLarge`, `TooMuchTold`, `Full`, `Failed`.
    pub fn put(&self, component: &[u8], about: &About) -> GenomeStoreResult<Put> {
        let (bytes, limit) = (component.len() as u64, self.reader.max_bytes());
        if bytes > limit {
            return Err(GenomeStoreError::TooLarge { bytes, limit });
        }
        let digest = Digest::of(component);
        let documents = Documents::new(digest, bytes, about)?;
        let changing = self.lock();
        let (index, _) = self.mended(&changing)?;
        let new = !index.get(&digest).is_some_and(|entry| self.is_there(entry));
        if new {
            self.write(component, &documents, digest, (*index).clone(), &changing)?;
        }
        Ok(Put { digest, new, held: self.holds.hold(digest) })
    }

    /// In the order in which a crash leaves only files that nothing names.
    fn write(
        &self,
        component: &[u8],
        documents: &Documents,
        genome: Digest,
        mut index: Index,
        changing: &Changing<'_>,
    ) -> GenomeStoreResult<()> {
        let Documents { config, manifest } = documents;
        let entry = Entry::new(genome, component.len() as u64, config, manifest);
        let before = index.blobs();
        index.insert(entry);
        if index.len() > MAX_GENOMES {
            return Err(GenomeStoreError::Full { limit: MAX_GENOMES });
        }
        let parts = [(Part::Layer, component), (Part::Config, config), (Part::Manifest, manifest)];
        let written = self.place(&entry, &parts).and_then(|()| self.save(index, changing));
        if written.is_err() && !self.is_indexed(&entry) {
            let layout = self.reader.layout();
            let ours = parts.map(|(part, _)| entry.blob(part));
            for blob in ours.iter().filter(|blob| !before.contains(blob)) {
                let _ = disk::remove(&layout.blob(blob)); // The first error is the one that tells.
            }
        }
        written
    }

    /// Writes parts of a genome, which last when this returns. Those that exist
    /// are written again: their content has not been checked.
    pub(super) fn place(&self, entry: &Entry, parts: &[(Part, &[u8])]) -> GenomeStoreResult<()> {
        let layout = self.reader.layout();
        for (part, bytes) in parts {
            disk::place(&layout.blob(&entry.blob(*part)), bytes)?;
        }
        disk::sync_folder(&layout.blobs())
    }

    /// Writes the index, which is in force and lasts when this returns.
    pub(super) fn save(&self, index: Index, _: &Changing<'_>) -> GenomeStoreResult<()> {
        let layout = self.reader.layout();
        self.in_doubt.store(true, Ordering::Relaxed);
        let placed = disk::place(&layout.index(), &index.to_bytes())?;
        disk::sync_folder(layout.root())?;
        self.in_doubt.store(false, Ordering::Relaxed);
        self.reader.remember(&placed, index);
        Ok(())
    }

    /// Whether the index on the disk, which a write that failed may have
    /// reached, names the genome. If that cannot be found out, it is taken to
    /// name it.
    fn is_indexed(&self, entry: &Entry) -> bool {
        self.reader.forget();
        self.reader
            .load()
            .map_or(true, |loaded| loaded.index.get(&entry.stored.genome) == Some(entry))
    }

    fn is_there(&self, entry: &Entry) -> bool {
        let length = |part| {
            let found = fs::metadata(self.reader.layout().blob(&entry.blob(part)));
            found.ok().filter(fs::Metadata::is_file).map(|found| found.len())
        };
        length(Part::Layer) == Some(entry.stored.bytes)
            && length(Part::Config).is_some()
            && length(Part::Manifest).is_some()
    }
}
