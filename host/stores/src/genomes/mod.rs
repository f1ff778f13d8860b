//! Genomes on disk: an OCI image layout that hashes what it reads.
//!
//! A genome's name is the sha256 of its component. It is stored as a Wasm OCI
//! artifact, so that `oras` and other tools of the trade read the folder, and
//! what they put there is found. Every read hashes; what is not what it was is
//! put aside and named, never returned.
//!
//! `disk` writes files that survive a crash, `folder` keeps a second writer
//! out, `oci` has the documents as others define them, `documents` fills them
//! in, `index` is which genomes there are. Beside them lie three databases:
//! `lineage`, which says why a genome is in charge, `recordings`, real tasks
//! to judge the next one by, and `refinements`, what layer 5 set for agent types.
//!
//! Everything here waits for the disk. A caller that must not block calls from
//! a thread that may.

mod collect;
mod columns;
mod database;
mod disk;
mod documents;
mod errors;
mod folder;
mod foreign;
mod hold;
mod index;
mod lineage;
mod mend;
mod oci;
mod put;
mod reader;
mod recordings;
mod refinements;
mod report;
mod steps;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use chimera_layer4_core::Digest;
use parking_lot::{Mutex, MutexGuard};

pub use self::errors::{GenomeStoreError, GenomeStoreResult};
use self::folder::Folder;
pub use self::foreign::read_layout;
pub use self::hold::Held;
use self::hold::Holds;
pub use self::lineage::{Active, Entries, Lineage, LineageReader, NewEntry};
use self::oci::{LAYOUT_VERSION, Marker};
pub use self::put::Put;
pub use self::reader::GenomeReader;
pub use self::recordings::{Recorded, Recordings, RecordingsOptions, Sampled};
pub use self::refinements::{NewRefinement, NextRefinement, Refinements, Standing};
pub use self::report::{About, Collected, Finding, Part, Recovered, Report, Stored};
use self::sweep::Fate;

/// Where a [`GenomeStore`] is, and what it takes.
#[derive(Clone, Debug)]
pub struct GenomeStoreOptions {
    /// Its folder, `genomes` in the data folder, made if it is missing.
    pub folder: PathBuf,
    /// The largest component that is stored.
    pub max_genome_bytes: u64,
}

/// The genomes of a host, which alone may write to the folder.
#[derive(Debug)]
pub struct GenomeStore {
    reader: GenomeReader,
    folder: Arc<Folder>,
    /// One change at a time.
    changing: Mutex<()>,
    /// Whether the index may be seen and not last: its folder did not sync.
    in_doubt: AtomicBool,
    holds: Holds,
    opened: Opened,
}

impl GenomeStore {
    /// Opens the store and clears away what a crash has left.
    ///
    /// # Errors
    /// `Folder` when it cannot be made, others can write to it, or another
    /// process does; `Failed`.
    pub fn open(options: &GenomeStoreOptions) -> GenomeStoreResult<(Self, Recovered)> {
        let folder = Arc::new(Folder::open(&options.folder)?);
        let reader = GenomeReader::new(folder.layout().clone(), options.max_genome_bytes);
        let store = Self {
            reader,
            folder,
            changing: Mutex::default(),
            in_doubt: AtomicBool::default(),
            holds: Holds::default(),
            opened: Opened::now(),
        };
        store.mark()?;
        // A killed process may have left an index that is seen and not yet on the disk.
        disk::sync_folder(store.reader.layout().root())?;
        let changing = store.lock();
        let (index, complaint) = store.mended(&changing)?;
        // An index of the blobs may have missed one whose manifest is damaged;
        // what it does not name is then not ours to throw away.
        let fate = if complaint.is_some() { Fate::PutAside } else { Fate::Remove };
        let swept = sweep::sweep(store.reader.layout(), &index.blobs(), None, fate)?;
        drop(changing);
        Ok((store, Recovered { index: complaint, leftovers: swept.files }))
    }

    /// Lets another process write to the folder. The caller must not use the
    /// store afterwards.
    pub fn close(&self) {
        let _changing = self.lock();
        self.folder.release();
    }

    /// For callers that only read, and for a while.
    #[must_use]
    pub fn reader(&self) -> &GenomeReader {
        &self.reader
    }

    /// The component's bytes, hashed just now. If they are not what was stored,
    /// they are put aside and the genome is stored no longer.
    ///
    /// # Errors
    /// `Unknown`, `Damaged` with where the bytes are kept, `TooLarge` when less
    /// is allowed now, `Failed`.
    pub fn get(&self, genome: &Digest) -> GenomeStoreResult<Vec<u8>> {
        self.reader.get(genome).map_err(|error| self.settled(error))
    }

    /// What is known of a genome. If its description is damaged, it is put
    /// aside and made anew from what is left: the next call answers.
    ///
    /// # Errors
    /// `Unknown`, `Damaged`, `Failed`.
    pub fn describe(&self, genome: &Digest) -> GenomeStoreResult<(Stored, About)> {
        self.reader.describe(genome).map_err(|error| self.settled(error))
    }

    /// The genomes that are stored, in the order of their digests.
    ///
    /// # Errors
    /// `Failed` when the index cannot be read.
    pub fn list(&self) -> GenomeStoreResult<Vec<Stored>> {
        self.reader.list()
    }

    /// Keeps a genome from being collected while the answer lives.
    ///
    /// # Errors
    /// `Unknown`; `Failed` when the index cannot be read.
    pub fn hold(&self, genome: &Digest) -> GenomeStoreResult<Held> {
        let _changing = self.lock();
        let known = self.reader.load()?.index.get(genome).is_some();
        known.then(|| self.holds.hold(*genome)).ok_or(GenomeStoreError::Unknown(*genome))
    }

    /// Says in the folder that it is an OCI layout.
    fn mark(&self) -> GenomeStoreResult<()> {
        let layout = self.reader.layout();
        let refused = |version: &str| GenomeStoreError::Folder {
            folder: layout.root().to_path_buf(),
            reason: format!(
                "is an OCI image layout of version {version:?}; this program knows {LAYOUT_VERSION}"
            ),
        };
        let found = disk::read(&layout.marker(), 4096);
        match found.ok().and_then(|bytes| serde_json::from_slice::<Marker>(&bytes).ok()) {
            Some(marker) if marker.image_layout_version == LAYOUT_VERSION => Ok(()),
            Some(marker) => Err(refused(&marker.image_layout_version)),
            None => {
                let marker = Marker { image_layout_version: LAYOUT_VERSION.into() };
                disk::place(&layout.marker(), &oci::json(&marker))?;
                disk::sync_folder(layout.root())
            }
        }
    }

    fn lock(&self) -> Changing<'_> {
        Changing(self.changing.lock())
    }
}

/// The right to change the store, held by one caller at a time.
struct Changing<'a>(#[expect(dead_code, reason = "held, never looked into")] MutexGuard<'a, ()>);

/// When a store was opened, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Opened {
    wall: SystemTime,
    steady: Instant,
}

impl Opened {
    fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// As the system's clock shows now or showed then: a file from before that is
    /// from before the store was opened, also where the clock was set since.
    fn at_the_earliest(self) -> SystemTime {
        let now = SystemTime::now().checked_sub(self.steady.elapsed());
        now.map_or(self.wall, |now| now.min(self.wall))
    }
}
