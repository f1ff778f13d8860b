//! What comes of a reload of the settings file.

use serde::{Deserialize, Serialize};

/// The header that names settings, by commas, which have changed and take effect at
/// a restart.
pub const NEEDS_RESTART: &str = "chimera-needs-restart";

/// What became of an agent type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reloaded {
    /// The agent type.
    pub agent_type: String,
    /// started, unchanged, replaced, removed or failed.
    pub outcome: String,
    /// Why it failed; it is as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What its operator may want to know, such as how many tasks wait for a
    /// type that was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of a reload: the body, and what a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// What became of each agent type of the file.
    pub agents: Vec<Reloaded>,
    /// Settings that have changed and are not in force before a restart.
    pub needs_restart: Vec<String>,
}
