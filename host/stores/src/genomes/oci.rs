//! The documents of an OCI image layout with a Wasm artifact in it.
//!
//! Names and media types are those of the OCI image specification 1.1 and of
//! the CNCF's "Wasm OCI Artifact layout", so that tools that know these read
//! what is stored here. Unknown fields are passed over, as both require.

use std::collections::BTreeMap;

use chimera_layer4_core::Digest;
use chimera_layer4_core::scheduler::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(super) const LAYER: &str = "application/wasm";

pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(super) const CREATED: &str = "org.opencontainers.image.created";
pub(super) const AUTHORS: &str = "org.opencontainers.image.authors";
pub(super) const SOURCE: &str = "chimera.layer4.genome.source";
pub(super) const PARENT: &str = "chimera.layer4.genome.parent";

/// The layout's version, the only one there is.
pub(super) const LAYOUT_VERSION: &str = "1.0.0";
/// A manifest or config, ours or another's. Real ones have a few kibibytes.
pub(super) const DOCUMENT_BYTES: usize = 256 << 10;

pub(super) type Annotations = BTreeMap<String, String>;

/// `oci-layout`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marker {
    pub(super) image_layout_version: String,
}

/// Points at a blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Annotations>,
}

impl Descriptor {
    pub(super) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, digest, size, artifact_type: None, annotations: None }
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        Some(self.annotations.as_ref()?.get(key)?.as_str())
    }
}

/// `index.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageIndex {
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) media_type: Option<String>,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Annotations>,
}

/// Says which config and layers belong together.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) media_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Annotations>,
}

impl Manifest {
    /// The component, if this is an artifact of one component.
    pub(super) fn component(&self) -> Option<&Descriptor> {
        match self.layers.as_slice() {
            [layer] if layer.media_type == LAYER && self.config.media_type == CONFIG => Some(layer),
            _ => None,
        }
    }
}

/// What the component is. Other writers leave fields out, so reading is lenient.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WasmConfig {
    pub(super) created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) author: Option<String>,
    pub(super) architecture: String,
    pub(super) os: String,
    pub(super) layer_digests: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) component: Option<Component>,
}

/// The component's world.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Component {
    pub(super) exports: Vec<String>,
    pub(super) imports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
}

/// A time as RFC 3339 writes it.
pub(super) fn time(at: Timestamp) -> String {
    /// The end of the year 9999, the last that has a form.
    const LAST: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_millis(Timestamp(at.0.min(LAST)).to_system_time()).to_string()
}

/// The time that a text in RFC 3339 stands for, if it is given in UTC.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    humantime::parse_rfc3339(text.replace("+00:00", "Z").as_str()).ok().map(Timestamp::from)
}

/// As JSON. Only maps with keys that are no text fail, and there are none here.
pub(super) fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}
