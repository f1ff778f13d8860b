//! What capabilities need of the host.

use std::path::PathBuf;
use std::sync::Arc;

use chimera_layer4_core::keyvalue::KeyValueStore;

/// What capabilities need of the host, the same for all agents.
#[derive(Clone, Debug)]
pub struct CapabilityOptions {
    /// What agents that are granted it keep things in.
    pub keyvalue: Arc<dyn KeyValueStore>,
    /// A PEM file of certificate authorities that agents' requests trust
    /// besides the public ones.
    pub http_ca_file: Option<PathBuf>,
}
