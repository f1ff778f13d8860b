//! A genome's description, as the two OCI documents that carry it, and back.

use chimera_layer4_core::Digest;

use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::oci::{
    self, AUTHORS, Annotations, CONFIG, CREATED, Component, DOCUMENT_BYTES, Descriptor, LAYER,
    MANIFEST, Manifest, PARENT, SOURCE, WasmConfig,
};
use super::report::About;

/// A genome's config and manifest, as they are stored.
pub(super) struct Documents {
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

impl Documents {
    /// What is stored with a genome of this digest and size.
    ///
    /// # Errors
    /// `TooMuchTold`.
    pub(super) fn new(genome: Digest, bytes: u64, about: &About) -> GenomeStoreResult<Self> {
        let config = oci::json(&config(genome, about));
        let manifest = oci::json(&manifest(genome, bytes, &config, about));
        match config.len().max(manifest.len()) {
            bytes if bytes > DOCUMENT_BYTES => {
                Err(GenomeStoreError::TooMuchTold { bytes, limit: DOCUMENT_BYTES })
            }
            _ => Ok(Self { config, manifest }),
        }
    }
}

fn config(genome: Digest, about: &About) -> WasmConfig {
    WasmConfig {
        created: oci::time(about.created),
        author: about.author.clone(),
        architecture: "wasm".into(),
        // The layout's value for "a component", of any WASI version.
        os: "wasip2".into(),
        layer_digests: vec![genome.to_string()],
        component: Some(Component {
            exports: about.exports.clone(),
            imports: about.imports.clone(),
            target: None,
        }),
    }
}

fn manifest(genome: Digest, bytes: u64, config: &[u8], about: &About) -> Manifest {
    let mut annotations = Annotations::from([(CREATED.into(), oci::time(about.created))]);
    let mut note = |key: &str, value: Option<String>| {
        annotations.extend(value.map(|value| (key.to_owned(), value)));
    };
    note(AUTHORS, about.author.clone());
    note(SOURCE, about.source.clone());
    note(PARENT, about.parent.map(|parent| parent.to_string()));
    Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.into()),
        config: Descriptor::new(CONFIG, Digest::of(config), config.len() as u64),
        layers: vec![Descriptor::new(LAYER, genome, bytes)],
        annotations: Some(annotations),
    }
}

/// What the documents tell, or what is left of them. What one does not tell
/// the other may.
pub(super) fn about(manifest: Option<&Manifest>, config: Option<WasmConfig>) -> About {
    let config = config.unwrap_or_default();
    let component = config.component.unwrap_or_default();
    let note = |key| Some(manifest?.annotations.as_ref()?.get(key)?.as_str());
    let created = oci::parse_time(&config.created);
    About {
        author: config.author.or_else(|| note(AUTHORS).map(str::to_owned)),
        created: created.or_else(|| oci::parse_time(note(CREATED)?)).unwrap_or_default(),
        parent: note(PARENT).and_then(|parent| parent.parse().ok()),
        source: note(SOURCE).map(str::to_owned),
        imports: component.imports,
        exports: component.exports,
    }
}
