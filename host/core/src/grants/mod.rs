//! What an operator grants an agent beyond its own memory.
//!
//! Without a grant an agent has no files, no network and no environment.

mod address;
mod origin;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use address::is_public;
pub use origin::{BadOrigin, Host, HttpGrant, HttpScheme, Origin};

/// Everything granted to one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Folders of the host that the agent sees.
    pub folders: Vec<FolderGrant>,
    /// Origins that it may send HTTP requests to.
    pub http: Vec<HttpGrant>,
    /// What its type may keep in `wasi:keyvalue`; `None`: nothing.
    pub keyvalue: Option<KeyValueGrant>,
}

/// Room in the host's key-value store, which the agents of a type share and no
/// other type sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyValueGrant {
    /// Mebibytes of buckets, keys and values.
    pub max_mb: u32,
}

impl Default for KeyValueGrant {
    /// Room for notes and counters, and not for a data set.
    fn default() -> Self {
        Self { max_mb: 16 }
    }
}

impl KeyValueGrant {
    /// The most mebibytes: 64 GiB. What needs more is a database of its own.
    pub const MOST_MB: u32 = 64 << 10;

    /// What is wrong with it, and what is allowed.
    ///
    /// # Errors
    /// It is zero, or over [`MOST_MB`](Self::MOST_MB).
    pub fn check(self) -> Result<Self, String> {
        let Self { max_mb } = self;
        if (1..=Self::MOST_MB).contains(&max_mb) {
            return Ok(self);
        }
        Err(format!("{max_mb} MiB; allowed is 1 to {}", Self::MOST_MB))
    }

    /// In bytes.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        u64::from(self.max_mb) << 20
    }
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

impl FolderGrant {
    /// Each folder whose guest path an earlier one has, by its index, with what is
    /// wrong. `/a` and `/a/` are one path: an agent would see one of the two
    /// folders, and which one would be a guess.
    pub fn given_twice(folders: &[FolderGrant]) -> Vec<(usize, String)> {
        let mut seen = BTreeSet::new();
        let each = folders.iter().map(|folder| &folder.guest).enumerate();
        // Paths are compared by their parts.
        let again = each.filter(|(_, guest)| !seen.insert(Path::new(guest.as_str())));
        again
            .map(|(index, guest)| (index, format!("{guest:?} is given twice; give it once")))
            .collect()
    }
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

#[cfg(test)]
mod tests;
