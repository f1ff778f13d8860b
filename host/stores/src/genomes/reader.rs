//! Reads genomes, also while another process has the store open to write.
//!
//! Whatever is handed out has been hashed just before. The index is read again
//! whenever its file is another one.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use chimera_layer4_core::Digest;
use parking_lot::Mutex;

use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::folder::Layout;
use super::index::{Entry, INDEX_BYTES, Index};
use super::oci::{DOCUMENT_BYTES, Manifest, WasmConfig};
use super::report::{About, Finding, Part, Report, Stored};
use super::{disk, documents};

/// Reads a genome store and changes nothing.
#[derive(Debug)]
pub struct GenomeReader {
    layout: Layout,
    max_bytes: u64,
    last: Mutex<Option<(Stamp, Loaded)>>,
}

/// The index as it was last read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) index: Arc<Index>,
    /// What is wrong with the file, so that the index is one of the blobs.
    pub(super) complaint: Option<String>,
}

/// Tells one index file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    changed: [(i64, i64); 2],
}

impl From<Metadata> for Stamp {
    fn from(found: Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            changed: [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())],
        }
    }
}

impl GenomeReader {
    /// Opens a store to read from it. A genome of more than `max_bytes` is not
    /// read.
    ///
    /// # Errors
    /// `Folder` when there is no store.
    pub fn open(folder: &Path, max_bytes: u64) -> GenomeStoreResult<Self> {
        let reader = Self::new(Layout::new(folder.to_path_buf()), max_bytes);
        match fs::metadata(reader.layout.marker()) {
            Ok(_) => Ok(reader),
            Err(error) => Err(GenomeStoreError::Folder {
                folder: folder.to_path_buf(),
                reason: format!("is not there: {error}; a host makes it when it starts"),
            }),
        }
    }

    pub(super) fn new(layout: Layout, max_bytes: u64) -> Self {
        Self { layout, max_bytes, last: Mutex::default() }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The component's bytes, hashed just now.
    ///
    /// # Errors
    /// `Unknown`, `Damaged` when they are not what was stored, `TooLarge` when
    /// less is allowed now, `Failed`.
    pub fn get(&self, genome: &Digest) -> GenomeStoreResult<Vec<u8>> {
        self.with_entry(genome, |entry| match (entry.stored.bytes, self.max_bytes) {
            (bytes, limit) if bytes > limit => Err(GenomeStoreError::TooLarge { bytes, limit }),
            _ => self.part(entry, Part::Layer),
        })
    }

    /// What is known of a genome. Its description is hashed, its component is not.
    ///
    /// # Errors
    /// `Unknown`, `Damaged`, `Failed`.
    pub fn describe(&self, genome: &Digest) -> GenomeStoreResult<(Stored, About)> {
        self.with_entry(genome, |entry| {
            let manifest: Manifest = self.document(entry, Part::Manifest)?;
            let config: WasmConfig = self.document(entry, Part::Config)?;
            Ok((entry.stored, documents::about(Some(&manifest), Some(config))))
        })
    }

    /// The genomes that are stored, in the order of their digests.
    ///
    /// # Errors
    /// `Failed` when the index cannot be read.
    pub fn list(&self) -> GenomeStoreResult<Vec<Stored>> {
        Ok(self.load()?.index.entries().map(|entry| entry.stored).collect())
    }

    /// Hashes every file of every genome, and holds the index against the
    /// manifests. What is found stays as it is.
    ///
    /// # Errors
    /// `Failed` when something cannot be read at all.
    pub fn verify(&self) -> GenomeStoreResult<Report> {
        self.forget();
        let Loaded { index, complaint } = self.load()?;
        let mut report = Report { genomes: index.len(), index: complaint, ..Report::default() };
        for entry in index.entries() {
            for part in [Part::Layer, Part::Config, Part::Manifest] {
                match self.part(entry, part) {
                    Ok(bytes) => report.bytes += bytes.len() as u64,
                    // Skipped if the genome was collected meanwhile.
                    Err(GenomeStoreError::Damaged(finding)) if self.still_names(entry)? => {
                        report.findings.push(*finding);
                    }
                    Err(GenomeStoreError::Damaged(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match self.document::<Manifest>(entry, Part::Manifest) {
                Ok(manifest) if !entry.is_described_by(&manifest) => {
                    report.findings.push(finding(
                        entry,
                        Part::Manifest,
                        Some(entry.stored.manifest),
                    ));
                }
                _ => {} // Whole, or reported above.
            }
        }
        Ok(report)
    }

    /// The index that is in force.
    pub(super) fn load(&self) -> GenomeStoreResult<Loaded> {
        let path = self.layout.index();
        let stamp = fs::metadata(&path).map(Stamp::from);
        let mut last = self.last.lock();
        if let (Ok(stamp), Some((read, loaded))) = (&stamp, &*last)
            && stamp == read
        {
            return Ok(loaded.clone());
        }
        let loaded = self.read()?;
        // Stamped before it was read: if it changed between, it is read again.
        *last = stamp.ok().map(|stamp| (stamp, loaded.clone()));
        Ok(loaded)
    }

    /// Takes an index for that of the file that it was just written to. If the
    /// file in its place is another one already, that is read.
    pub(super) fn remember(&self, file: &File, index: Index) {
        let loaded = Loaded { index: index.into(), complaint: None };
        let stamp = file.metadata().ok().map(Stamp::from);
        *self.last.lock() = stamp.map(|stamp| (stamp, loaded));
    }

    /// Has the index read again, whether or not its file looks the same.
    pub(super) fn forget(&self) {
        *self.last.lock() = None;
    }

    fn read(&self) -> GenomeStoreResult<Loaded> {
        let path = self.layout.index();
        let parsed = match disk::read(&path, INDEX_BYTES) {
            Ok(bytes) => Index::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("it is missing".into()),
            Err(error) => return Err(GenomeStoreError::failed("read", &path)(error)),
        };
        match parsed {
            Ok(index) => Ok(Loaded { index: index.into(), complaint: None }),
            Err(complaint) => {
                let index = Index::from_blobs(&self.layout)?.into();
                Ok(Loaded { index, complaint: Some(complaint) })
            }
        }
    }

    fn with_entry<T>(
        &self,
        genome: &Digest,
        read: impl FnOnce(&Entry) -> GenomeStoreResult<T>,
    ) -> GenomeStoreResult<T> {
        let index = self.load()?.index;
        let entry = index.get(genome).ok_or(GenomeStoreError::Unknown(*genome))?;
        match read(entry) {
            Err(GenomeStoreError::Damaged(_)) if !self.still_names(entry)? => {
                Err(GenomeStoreError::Unknown(*genome)) // Collected while it was read.
            }
            done => done,
        }
    }

    fn still_names(&self, entry: &Entry) -> GenomeStoreResult<bool> {
        Ok(self.load()?.index.get(&entry.stored.genome) == Some(entry))
    }

    /// The bytes of one part, if they are what was stored.
    pub(super) fn part(&self, entry: &Entry, part: Part) -> GenomeStoreResult<Vec<u8>> {
        let expected = entry.blob(part);
        let path = self.layout.blob(&expected);
        let documents = DOCUMENT_BYTES as u64;
        let limit = if part == Part::Layer { entry.stored.bytes } else { documents };
        let found = match disk::read(&path, limit) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(GenomeStoreError::failed("read", &path)(error)),
        };
        let digest = found.as_ref().map(|bytes| Digest::of(bytes));
        match found {
            Some(bytes) if digest == Some(expected) => Ok(bytes),
            _ => Err(GenomeStoreError::Damaged(finding(entry, part, digest).into())),
        }
    }

    /// A part that is JSON. What has the right digest is what was written, so
    /// one that is none came from outside and is as good as damaged.
    fn document<T: serde::de::DeserializeOwned>(
        &self,
        entry: &Entry,
        part: Part,
    ) -> GenomeStoreResult<T> {
        let bytes = self.part(entry, part)?;
        let damaged =
            |_| GenomeStoreError::Damaged(finding(entry, part, Some(entry.blob(part))).into());
        serde_json::from_slice(&bytes).map_err(damaged)
    }
}

fn finding(entry: &Entry, part: Part, found: Option<Digest>) -> Finding {
    let (genome, expected) = (entry.stored.genome, entry.blob(part));
    Finding { genome, part, expected, found, kept_at: None }
}
