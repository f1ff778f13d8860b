//! What the host itself needs for an agent's instances: stacks, handles, words,
//! connections.
//!
//! A guest does not see these as memory of its own, and a usual agent with one
//! instance needs little of them. So each agent has a part for nothing, which all
//! its instances share, and what goes beyond that is charged to its memory quota.
//! An agent that asks for many instances, each of which fills all that it may,
//! thereby holds no more than its quota and that part.

use super::held::Held;
use super::memory::AgentMemory;

/// Bytes that the host holds for an agent.
pub(crate) type Hosted = Held<AgentMemory>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::limits::held::STEP_BYTES;
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
        assert_eq!(text.bytes(), STEP_BYTES as u64);
        text.cover(STEP_BYTES).unwrap();
        assert_eq!(text.bytes(), STEP_BYTES as u64);
    }
}
