//! The moments at which a crash may find the store.
//!
//! Every change of the disk passes here, so that tests can end the process at
//! each of them, and can cut the power in their imagination. Outside of tests
//! there is nothing.

use std::path::Path;

/// What has just been done.
#[cfg_attr(not(test), allow(dead_code, reason = "only tests look inside"))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// A temporary file has its bytes, which are not on the disk yet.
    Written,
    /// Now they are.
    Synced(&'a Path),
    /// A file has another name, until the folder is synced perhaps only in memory.
    Renamed(&'a Path, &'a Path),
    /// A file is gone, likewise.
    Removed(&'a Path),
    /// The names in a folder are on the disk.
    FolderSynced(&'a Path),
    /// A step of a database's transaction.
    Transaction,
}

#[cfg(not(test))]
#[inline]
pub(super) fn reached(_: Step<'_>) {}

#[cfg(test)]
pub(super) use super::tests::steps::reached;
