//! Bytes that the host holds, counted on an account until they are dropped.

use std::fmt;
use std::sync::Arc;

use chimera_layer4_core::LimitSource;
use chimera_layer4_core::quota::MEBIBYTE;

/// What grows by small steps is counted by larger ones.
pub(super) const STEP_BYTES: usize = 8 * 1024;

/// Where bytes that the host holds are counted.
pub(crate) trait Account {
    /// Counts so many more.
    ///
    /// # Errors
    /// No more of them may be held; then nothing is counted.
    fn more(&self, bytes: u64) -> Result<(), OverMemory>;

    /// Gives so many back.
    fn less(&self, bytes: u64);
}

/// Bytes that the host holds, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held<A: Account> {
    account: Arc<A>,
    bytes: u64,
}

impl<A: Account> Held<A> {
    /// For something that is yet to come.
    pub(crate) fn nothing(account: &Arc<A>) -> Self {
        Self { account: Arc::clone(account), bytes: 0 }
    }

    /// So many from the start.
    ///
    /// # Errors
    /// No more of them may be held.
    pub(crate) fn of(account: &Arc<A>, bytes: usize) -> Result<Self, OverMemory> {
        let mut held = Self::nothing(account);
        held.change(bytes)?;
        Ok(held)
    }

    /// Counts so many in place of what it counted.
    ///
    /// # Errors
    /// No more of them may be held; what was counted stays.
    pub(crate) fn change(&mut self, bytes: usize) -> Result<(), OverMemory> {
        let bytes = bytes as u64;
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.account.more(more)?,
            None => self.account.less(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Sees to it that at least so many are counted.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), OverMemory> {
        if bytes as u64 <= self.bytes {
            return Ok(());
        }
        self.change(bytes.next_multiple_of(STEP_BYTES))
    }

    /// How many are counted.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One of the same account, for what is taken from this one.
    #[cfg(test)]
    pub(crate) fn nothing_yet(&self) -> Self {
        Self::nothing(&self.account)
    }

    /// Counts what `other`, of the same account, counted as its own; nothing is left
    /// there.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl<A: Account> Drop for Held<A> {
    fn drop(&mut self) {
        // A usual run has no words and reads no files, and its account is shared with
        // the agent's other runs.
        if self.bytes > 0 {
            self.account.less(self.bytes);
        }
    }
}

/// More memory than the quota was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverMemory {
    pub(crate) wanted: u64,
    pub(crate) limit: u64,
    pub(crate) set_by: LimitSource,
}

impl fmt::Display for OverMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MEBIBYTE as f64;
        write!(f, "wanted {:.1} MiB of {:.1} MiB", mib(self.wanted), mib(self.limit))
    }
}

impl std::error::Error for OverMemory {}
