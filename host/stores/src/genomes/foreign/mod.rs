//! Genomes from other OCI layouts: what `oras copy --to-oci-layout` or `wkg`
//! wrote. The reader checks everything in them before it uses it.

mod search;

use std::io;
use std::path::Path;

use chimera_layer4_core::Digest;
use chimera_layer4_core::scheduler::Timestamp;
use serde::de::DeserializeOwned;

use self::search::Search;
use super::folder::Layout;
use super::index::INDEX_BYTES;
use super::oci::{
    CONFIG, DOCUMENT_BYTES, Descriptor, LAYER, LAYOUT_VERSION, Manifest, Marker, WasmConfig,
};
use super::{About, GenomeStoreError, GenomeStoreResult, disk, documents};

/// Names that an error lists.
const SHOWN: usize = 10;

/// Reads a genome and its annotations from an OCI layout, without storing it.
/// `reference` is its tag, or the digest of its manifest or of an index that has
/// only this one, and may be left out where there is but one.
///
/// # Errors
/// `Foreign` when the layout has no such genome or it is no single component,
/// `TooLarge` when it has more than `max_bytes`.
pub fn read_layout(
    layout: &Path,
    reference: Option<&str>,
    now: Timestamp,
    max_bytes: u64,
) -> GenomeStoreResult<(Vec<u8>, About)> {
    let found = read(&Layout::new(layout.to_path_buf()), reference, max_bytes);
    let (component, mut about) = found.map_err(|refusal| match refusal {
        Refusal::TooLarge(bytes) => GenomeStoreError::TooLarge { bytes, limit: max_bytes },
        Refusal::Words(reason) => {
            GenomeStoreError::Foreign { layout: layout.to_path_buf(), reason }
        }
    })?;
    if about.created == Timestamp::default() {
        about.created = now;
    }
    let name = reference.map(|reference| format!(":{reference}")).unwrap_or_default();
    // As `chimera genome push` takes it.
    about.source = Some(format!("oci:{}{name}", layout.display()));
    Ok((component, about))
}

enum Refusal {
    Words(String),
    TooLarge(u64),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Words(message)
    }
}

fn read(
    layout: &Layout,
    reference: Option<&str>,
    max_bytes: u64,
) -> Result<(Vec<u8>, About), Refusal> {
    let marker: Marker = document(&layout.marker(), None)?;
    if marker.image_layout_version != LAYOUT_VERSION {
        let version = marker.image_layout_version;
        return Err(format!("its version is {version:?}; this host reads {LAYOUT_VERSION}").into());
    }
    let manifest = Search::new(layout).manifest(reference)?;
    let component = manifest.component().ok_or_else(|| is_no_component(&manifest))?;
    if component.size > max_bytes {
        return Err(Refusal::TooLarge(component.size));
    }
    let bytes = blob(&layout.blob(&component.digest), component)?;
    // Only words are lost if the config cannot be read; the component stands for itself.
    let config: Option<WasmConfig> =
        document(&layout.blob(&manifest.config.digest), Some(&manifest.config)).ok();
    Ok((bytes, documents::about(Some(&manifest), config)))
}

fn is_no_component(manifest: &Manifest) -> String {
    let layers: Vec<_> =
        manifest.layers.iter().take(SHOWN).map(|l| l.media_type.as_str()).collect();
    format!(
        "its config is a {:?} with {} layers ({}); a genome has a {CONFIG:?} and one layer {LAYER:?}",
        manifest.config.media_type,
        manifest.layers.len(),
        layers.join(", ")
    )
}

/// A JSON document, which must be what a descriptor says if there is one.
fn document<T: DeserializeOwned>(path: &Path, named: Option<&Descriptor>) -> Result<T, String> {
    let bytes = match named {
        Some(named) if named.size > DOCUMENT_BYTES as u64 => Err(format!(
            "{} should have {} bytes; up to {DOCUMENT_BYTES} are read",
            named.digest, named.size
        )),
        Some(named) => blob(path, named),
        None => disk::read(path, INDEX_BYTES).map_err(|error| unreadable(path, &error)),
    }?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

fn blob(path: &Path, named: &Descriptor) -> Result<Vec<u8>, String> {
    let bytes = disk::read(path, named.size).map_err(|error| unreadable(path, &error))?;
    match Digest::of(&bytes) {
        found if found == named.digest && bytes.len() as u64 == named.size => Ok(bytes),
        found => Err(format!(
            "the blob {} is damaged: it has the digest {found}; copy it again",
            named.digest
        )),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
