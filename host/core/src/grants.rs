//! What an operator grants an agent beyond its own memory.
//!
//! Without a grant an agent has no files, no network and no environment.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything granted to one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Folders of the host that the agent sees.
    pub folders: Vec<FolderGrant>,
}

/// One folder of the host, seen by the agent under a path of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderGrant {
    /// The folder on the host.
    pub host: PathBuf,
    /// The absolute path that the agent sees.
    pub guest: String,
    /// What the agent may do there.
    #[serde(default)]
    pub access: FolderAccess,
}

/// What an agent may do in a granted folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderAccess {
    /// Read files and list folders.
    #[default]
    ReadOnly,
    /// Also create, change and remove.
    ReadWrite,
}

impl fmt::Display for FolderAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FolderAccess::ReadOnly => "read-only",
            FolderAccess::ReadWrite => "read-write",
        })
    }
}
