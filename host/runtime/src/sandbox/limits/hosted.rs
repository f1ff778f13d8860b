//! Bytes that the host holds, counted on an account until they are dropped.
//!
//! There are two accounts. What the host holds for a guest, such as what was read
//! ahead of it, is counted beside the instance's own memories ([`Charge`]). What
//! the host itself needs for an agent's instances is [`Hosted`]: stacks, handles,
//! words, connections.
//!
//! A guest does not see the latter as memory of its own, and a usual agent with one
//! instance needs little of them. So each agent has a part for nothing, which all
//! its instances share, and what goes beyond that is charged to its memory quota.
//! An agent that asks for many instances, each of which fills all that it may,
//! thereby holds no more than its quota and that part.

use std::sync::Arc;

use super::memory::{AgentMemory, InstanceMemory, OverMemory};

/// What grows by small steps is counted by larger ones.
const STEP_BYTES: usize = 8 * 1024;

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

/// What the host itself needs for an agent.
pub(crate) type Hosted = Held<AgentMemory>;

/// What the host holds for an instance's guest.
pub(crate) type Charge = Held<InstanceMemory>;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::limits::memory::FREE_BYTES;

    #[test]
    fn the_instances_of_an_agent_share_one_free_part_and_the_rest_is_its_quotas() {
        let agent = AgentMemory::new(1000);
        let free = usize::try_from(FREE_BYTES).unwrap();
        let mut one = Hosted::of(&agent, free - 100).unwrap();
        assert_eq!(agent.held(), 0);
        let two = Hosted::of(&agent, 300).unwrap();
        assert_eq!(agent.held(), 200);
        let over = one.change(free + 1000).unwrap_err();
        assert_eq!((over.wanted, over.limit), (1300, 1000));
        assert_eq!(agent.held(), 200, "what was counted stays");
        let mut taken = one.nothing_yet();
        taken.absorb(&mut one);
        drop(one);
        assert_eq!(agent.held(), 200, "it was taken along");
        drop(taken);
        assert_eq!(agent.held(), 0);
        drop(two);
        Hosted::of(&agent, free + 1000).unwrap();
        assert_eq!(agent.held(), 0, "all of it was given back");
    }

    #[test]
    fn small_steps_are_counted_by_larger_ones() {
        let agent = AgentMemory::new(0);
        let mut text = Hosted::nothing(&agent);
        text.cover(1).unwrap();
        assert_eq!(text.bytes, STEP_BYTES as u64);
        text.cover(STEP_BYTES).unwrap();
        assert_eq!(text.bytes, STEP_BYTES as u64);
    }
}
