//! `index.json`: which genomes there are, and which files are theirs.
//!
//! Blobs are named by their digests, and this file is not, so it carries a
//! seal: an annotation with the digest of the file as it is with zeros in the
//! seal's place. An index that does not match its seal was damaged, or written
//! by another tool that put something into the layout. Both are repaired alike:
//! the index is made anew from the blobs, each of which proves itself.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use chimera_layer4_core::Digest;

use super::disk;
use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::folder::Layout;
use super::oci::{
    self, Annotations, CONFIG, DOCUMENT_BYTES, Descriptor, INDEX, ImageIndex, MANIFEST, Manifest,
    REF_NAME,
};
use super::report::{Part, Stored};

/// The most genomes that an index names: a search of years, at half a kibibyte each.
pub(super) const MAX_GENOMES: usize = 10_000;
/// The largest index that is read.
pub(super) const INDEX_BYTES: u64 = 16 << 20;

const SEAL: &str = "chimera.layer4.index.sha256";
/// What stands in the seal's place while the seal is made.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// In a descriptor, what else belongs to the genome, so that a collection need
/// not read thousands of manifests.
const CONFIG_DIGEST: &str = "chimera.layer4.genome.config";
const COMPONENT_BYTES: &str = "chimera.layer4.genome.bytes";

/// A genome's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) stored: Stored,
    manifest_bytes: u64,
    config: Digest,
}

impl Entry {
    pub(super) fn new(genome: Digest, bytes: u64, config: &[u8], manifest: &[u8]) -> Self {
        let stored = Stored { genome, bytes, manifest: Digest::of(manifest) };
        Self { stored, manifest_bytes: manifest.len() as u64, config: Digest::of(config) }
    }

    /// The digest, hence the name, of a part.
    pub(super) fn blob(&self, part: Part) -> Digest {
        match part {
            Part::Layer => self.stored.genome,
            Part::Config => self.config,
            Part::Manifest => self.stored.manifest,
        }
    }

    /// Whether a manifest says the same of the genome.
    pub(super) fn is_described_by(&self, manifest: &Manifest) -> bool {
        manifest.config.digest == self.config
            && manifest.component().is_some_and(|layer| {
                (layer.digest, layer.size) == (self.stored.genome, self.stored.bytes)
            })
    }

    fn blobs(&self) -> [Digest; 3] {
        [Part::Layer, Part::Config, Part::Manifest].map(|part| self.blob(part))
    }

    fn descriptor(&self) -> Descriptor {
        let annotations = Annotations::from([
            (REF_NAME.into(), self.stored.genome.hex()),
            (CONFIG_DIGEST.into(), self.config.to_string()),
            (COMPONENT_BYTES.into(), self.stored.bytes.to_string()),
        ]);
        Descriptor {
            artifact_type: Some(CONFIG.into()),
            annotations: Some(annotations),
            ..Descriptor::new(MANIFEST, self.stored.manifest, self.manifest_bytes)
        }
    }

    fn from_descriptor(descriptor: &Descriptor) -> Option<Self> {
        let genome = format!("sha256:{}", descriptor.annotation(REF_NAME)?).parse().ok()?;
        let bytes = descriptor.annotation(COMPONENT_BYTES)?.parse().ok()?;
        let config = descriptor.annotation(CONFIG_DIGEST)?.parse().ok()?;
        let stored = Stored { genome, bytes, manifest: descriptor.digest };
        Some(Self { stored, manifest_bytes: descriptor.size, config })
    }
}

/// The genomes that are stored, in the order of their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index(BTreeMap<Digest, Entry>);

impl Index {
    pub(super) fn get(&self, genome: &Digest) -> Option<&Entry> {
        self.0.get(genome)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.0.insert(entry.stored.genome, entry);
    }

    pub(super) fn remove(&mut self, genome: &Digest) {
        self.0.remove(genome);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    /// Every file that belongs to a genome.
    pub(super) fn blobs(&self) -> HashSet<Digest> {
        self.entries().flat_map(Entry::blobs).collect()
    }

    /// The file's bytes, sealed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let unsealed = oci::json(&self.document());
        let seal = Digest::of(&unsealed).hex();
        // Annotations come last, so the last zeros are the seal's place.
        let text = String::from_utf8(unsealed).unwrap_or_default();
        let (before, after) = text.rsplit_once(UNSEALED).unwrap_or_default();
        [before, &seal, after].concat().into_bytes()
    }

    fn document(&self) -> ImageIndex {
        ImageIndex {
            schema_version: 2,
            media_type: Some(INDEX.into()),
            manifests: self.entries().map(Entry::descriptor).collect(),
            annotations: Some(Annotations::from([(SEAL.into(), UNSEALED.into())])),
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The error says what is
    /// wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > INDEX_BYTES {
            return Err(format!("it is larger than {INDEX_BYTES} bytes"));
        }
        let document: ImageIndex = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let entries = document.manifests.iter().map(Entry::from_descriptor);
        let entries: Option<Vec<_>> = entries.collect();
        let mut index = Self::default();
        entries.into_iter().flatten().for_each(|entry| index.insert(entry));
        // Whatever is not exactly what would be written was not written here.
        if index.to_bytes() == bytes {
            Ok(index)
        } else {
            Err("it does not match its seal: damaged, or written by another program".into())
        }
    }

    /// Makes an index of the blobs: of each manifest that proves itself and is
    /// a component's, if the component is there.
    pub(super) fn from_blobs(layout: &Layout) -> GenomeStoreResult<Self> {
        let folder = layout.blobs();
        let failed = || GenomeStoreError::failed("read", &folder);
        let mut blobs = Vec::new();
        for file in fs::read_dir(&folder).map_err(failed())? {
            blobs.extend(blob_of(&file.map_err(failed())?.file_name()));
        }
        blobs.sort_unstable(); // Of two manifests for one component, always the same.
        let entries = blobs.into_iter().filter_map(|blob| entry_of(layout, blob));
        let mut index = Self::default();
        entries.take(MAX_GENOMES).for_each(|entry| index.insert(entry));
        Ok(index)
    }
}

/// The digest that a file's name in the blobs' folder stands for.
pub(super) fn blob_of(name: &std::ffi::OsStr) -> Option<Digest> {
    let digest: Digest = format!("sha256:{}", name.to_str()?).parse().ok()?;
    (digest.hex().as_str() == name).then_some(digest)
}

fn entry_of(layout: &Layout, blob: Digest) -> Option<Entry> {
    let path = layout.blob(&blob);
    let length = fs::metadata(&path).ok()?.len();
    if length > DOCUMENT_BYTES as u64 {
        return None;
    }
    let bytes = disk::read(&path, length).ok()?;
    let manifest: Manifest = serde_json::from_slice(&bytes).ok()?;
    let layer = manifest.component()?;
    let is_there = |part: &Descriptor| {
        fs::metadata(layout.blob(&part.digest)).is_ok_and(|found| found.len() == part.size)
    };
    if Digest::of(&bytes) != blob || !is_there(layer) || !is_there(&manifest.config) {
        return None;
    }
    let stored = Stored { genome: layer.digest, bytes: layer.size, manifest: blob };
    Some(Entry { stored, manifest_bytes: length, config: manifest.config.digest })
}
