//! What agents keep from one task to the next, by key: the storage behind
//! `wasi:keyvalue`.
//!
//! A store brings three operations, and all others are made of them: reading,
//! changing several keys together under conditions, and listing. Each version
//! of a value has a number of its own, so that a caller can change the version
//! that it has read, and is refused if another caller has changed it since.
//!
//! Calls may wait for a disk or a network. A store does work that blocks on a
//! thread of its own, never on the thread that asks.

mod memory;

use std::fmt::Debug;

use async_trait::async_trait;

pub use memory::MemoryKeyValue;

use serde::{Deserialize, Serialize};

/// The version of a key that is not there.
pub const ABSENT: u64 = 0;

/// What an entry takes on top of its bucket, key and value, so that many small
/// ones are bounded too.
pub const ENTRY_BYTES: u64 = 100;

/// What the agents of a type keep by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptByKey {
    /// The agent type; it may have no agent any more.
    pub agent_type: String,
    /// Buckets, keys and values, and 100 for each entry.
    pub bytes: u64,
}

/// Where a key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place<'a> {
    /// The agent type that it belongs to. No type sees another's.
    pub space: &'a str,
    /// A collection of the owner's, by its own name for it.
    pub bucket: &'a str,
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Given to no other entry of the store, ever: later ones are higher.
    pub version: u64,
}

/// What is to become of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value from now on; `None`: it is removed.
    pub value: Option<Vec<u8>>,
    /// Only if this is its version now, [`ABSENT`] if it is not there.
    pub expected: Option<u64>,
}

impl Change {
    /// The key has this value from now on, whatever it was.
    #[must_use]
    pub fn set(key: String, value: Vec<u8>) -> Self {
        Self { key, value: Some(value), expected: None }
    }

    /// The key is not there from now on, whatever it was.
    #[must_use]
    pub fn delete(key: String) -> Self {
        Self { key, value: None, expected: None }
    }
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyValueError {
    /// The owner would keep more than it may.
    #[error(
        "{bytes} bytes would be kept, and {most} may be (bucket, key and value count, and {ENTRY_BYTES} for \
         each entry); delete what is not needed, or have the operator raise `keyvalue.max_mb`"
    )]
    Full {
        /// What it would keep.
        bytes: u64,
        /// What it may keep.
        most: u64,
    },
    /// The answer would be larger than one may be.
    #[error("the values have more than {most} bytes together; ask for fewer keys at once")]
    TooMuch {
        /// What one answer may have.
        most: u64,
    },
    /// A key has another version than was expected; nothing was changed.
    #[error("another writer changed a key meanwhile")]
    Conflict,
    /// The store itself failed.
    #[error("the key-value store failed: {reason}")]
    Failed {
        /// What happened, and what to do.
        reason: String,
    },
}

/// Keeps entries. A call whose future is dropped may be done nevertheless, as a
/// whole.
#[async_trait]
pub trait KeyValueStore: Debug + Send + Sync {
    /// The entries of these keys, in their order; at most `most` bytes of values.
    ///
    /// # Errors
    /// `TooMuch`, `Failed`.
    async fn read(
        &self,
        at: Place<'_>,
        keys: &[String],
        most: u64,
    ) -> Result<Vec<Option<Entry>>, KeyValueError>;

    /// The version of a key, without its value; [`ABSENT`] if it is not there.
    ///
    /// # Errors
    /// `Failed`.
    async fn version(&self, at: Place<'_>, key: &str) -> Result<u64, KeyValueError>;

    /// Makes all of these changes, or none; the owner keeps at most `most` bytes
    /// afterwards. What makes it keep less is never refused for that.
    ///
    /// # Errors
    /// `Conflict`, `Full`, `Failed`.
    async fn change(
        &self,
        at: Place<'_>,
        changes: Vec<Change>,
        most: u64,
    ) -> Result<(), KeyValueError>;

    /// Keys with their versions, by rising version, those after `after`; at most
    /// `limit`. A key that is changed between two pages may come twice; one that
    /// is not comes once.
    ///
    /// # Errors
    /// `Failed`.
    async fn keys(
        &self,
        at: Place<'_>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, KeyValueError>;

    /// Bytes that an owner keeps.
    ///
    /// # Errors
    /// `Failed`.
    async fn bytes(&self, space: &str) -> Result<u64, KeyValueError>;

    /// The owners that keep anything, by name, and how many bytes.
    ///
    /// # Errors
    /// `Failed`.
    async fn spaces(&self) -> Result<Vec<(String, u64)>, KeyValueError>;

    /// Removes all that an owner keeps; the bytes that it kept.
    ///
    /// # Errors
    /// `Failed`.
    async fn clear(&self, space: &str) -> Result<u64, KeyValueError>;
}

/// What an entry counts for.
#[must_use]
pub fn weight(bucket: &str, key: &str, value: &[u8]) -> u64 {
    (bucket.len() + key.len() + value.len()) as u64 + ENTRY_BYTES
}

/// Whether an owner may keep so much, having kept `before`.
///
/// # Errors
/// `Full`.
pub fn check_room(before: u64, bytes: u64, most: u64) -> Result<(), KeyValueError> {
    if bytes > most && bytes > before {
        return Err(KeyValueError::Full { bytes, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
