//! Weighted round robin over priorities, and round robin over agent types.
//!
//! Strict priorities starve, so each class has credits, 16:8:4:2:1, and is
//! served in order of urgency while its credits last; when no class that could
//! be served has any left, all get theirs anew. Inside a class agent types
//! take turns. A class or type with nothing to do gives its turn away.

use std::collections::{HashMap, VecDeque};

use crate::Priority;

/// The classes, most urgent first, each with its credits in one round.
pub const WEIGHTS: [(Priority, u32); 5] = [
    (Priority::Critical, 16),
    (Priority::High, 8),
    (Priority::Normal, 4),
    (Priority::Low, 2),
    (Priority::Background, 1),
];

/// Runs that may be begun for one agent type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Free slots.
    pub free: usize,
    /// How many of them only critical tasks may take.
    pub reserved: usize,
}

impl Slots {
    fn admits(self, priority: Priority) -> bool {
        match priority {
            Priority::Critical => self.free > 0,
            _ => self.free > self.reserved,
        }
    }

    fn take(&mut self, priority: Priority) {
        self.free = self.free.saturating_sub(1);
        if priority == Priority::Critical {
            self.reserved = self.reserved.saturating_sub(1);
        }
    }
}

/// What waits, counted by class and agent type, and whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct FairQueue {
    lines: [PriorityLane; WEIGHTS.len()],
}

/// One class.
#[derive(Clone, Debug, Default)]
struct PriorityLane {
    credits: u32,
    /// Types with something waiting, the next one first.
    turns: VecDeque<u32>,
    waiting: HashMap<u32, usize>,
    total: usize,
}

impl FairQueue {
    /// One more task waits.
    pub fn join(&mut self, priority: Priority, agent_type: u32) {
        self.join_many(priority, agent_type, 1);
    }

    /// So many more tasks wait.
    pub fn join_many(&mut self, priority: Priority, agent_type: u32, count: usize) {
        if count == 0 {
            return;
        }
        let line = self.line(priority);
        let waiting = line.waiting.entry(agent_type).or_insert(0);
        if *waiting == 0 {
            line.turns.push_back(agent_type);
        }
        *waiting += count;
        line.total += count;
    }

    /// One task less waits.
    pub fn leave(&mut self, priority: Priority, agent_type: u32) {
        let line = self.line(priority);
        let Some(waiting) = line.waiting.get_mut(&agent_type) else { return };
        *waiting -= 1;
        line.total -= 1;
        if *waiting == 0 {
            line.waiting.remove(&agent_type);
            line.turns.retain(|other| *other != agent_type);
        }
    }

    /// Tasks of a class that wait.
    #[must_use]
    pub fn waiting(&self, priority: Priority) -> usize {
        self.lines.get(index(priority)).map_or(0, |line| line.total)
    }

    /// Tasks of a class and type that wait.
    #[must_use]
    pub fn waiting_of(&self, priority: Priority, agent_type: u32) -> usize {
        let line = self.lines.get(index(priority));
        line.and_then(|line| line.waiting.get(&agent_type)).copied().unwrap_or(0)
    }

    /// Gives out up to `most` turns within `rooms`, as counts by class and
    /// type in the order of their first turn. The tasks still wait: the caller
    /// calls [`leave`](Self::leave) for each that it takes.
    pub fn plan(
        &mut self,
        rooms: &mut HashMap<u32, Slots>,
        most: usize,
    ) -> Vec<(Priority, u32, usize)> {
        let mut planned: Vec<(Priority, u32, usize)> = Vec::new();
        // Most plans name a handful of pairs, so a list is searched fastest.
        for _ in 0..most {
            let taken = |priority, agent_type| {
                let found = planned.iter().find(|(p, t, _)| (*p, *t) == (priority, agent_type));
                found.map_or(0, |(_, _, count)| *count)
            };
            let Some((priority, agent_type)) = self.turn(rooms, taken) else { break };
            if let Some(room) = rooms.get_mut(&agent_type) {
                room.take(priority);
            }
            match planned.iter_mut().find(|(p, t, _)| (*p, *t) == (priority, agent_type)) {
                Some((_, _, count)) => *count += 1,
                None => planned.push((priority, agent_type, 1)),
            }
        }
        planned
    }

    /// The next turn. A round of credits ends when no waiting class can use
    /// what is left of it and one could use a new round. If none can be served
    /// at all, what is left is kept until there is room.
    fn turn(
        &mut self,
        rooms: &HashMap<u32, Slots>,
        taken: impl Fn(Priority, u32) -> usize,
    ) -> Option<(Priority, u32)> {
        for new_round in [false, true] {
            let mut lines = WEIGHTS.into_iter().zip(&mut self.lines);
            let served = lines.find_map(|((priority, _), line)| {
                let may = new_round || line.credits > 0;
                let agent_type = if may { line.next(priority, rooms, &taken) } else { None };
                agent_type.map(|agent_type| (priority, agent_type))
            });
            let Some((priority, agent_type)) = served else { continue };
            if new_round {
                self.begin_round();
            }
            self.line(priority).credits -= 1;
            return Some((priority, agent_type));
        }
        None
    }

    fn begin_round(&mut self) {
        for ((_, share), line) in WEIGHTS.into_iter().zip(&mut self.lines) {
            line.credits = share;
        }
    }

    fn line(&mut self, priority: Priority) -> &mut PriorityLane {
        let [critical, high, normal, low, background] = &mut self.lines;
        match priority {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
            Priority::Background => background,
        }
    }
}

impl PriorityLane {
    /// The first type in turn that has something waiting and room for it; it
    /// goes to the end of the turns.
    fn next(
        &mut self,
        priority: Priority,
        rooms: &HashMap<u32, Slots>,
        taken: impl Fn(Priority, u32) -> usize,
    ) -> Option<u32> {
        let fits = |agent_type: &u32| {
            let room = rooms.get(agent_type).is_some_and(|room| room.admits(priority));
            let waiting = self.waiting.get(agent_type).copied().unwrap_or(0);
            room && waiting > taken(priority, *agent_type)
        };
        let at = self.turns.iter().position(fits)?;
        let agent_type = self.turns.remove(at)?;
        self.turns.push_back(agent_type);
        Some(agent_type)
    }
}

fn index(priority: Priority) -> usize {
    WEIGHTS.iter().position(|(class, _)| *class == priority).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rooms(free: usize, types: u32) -> HashMap<u32, Slots> {
        (0..types).map(|agent_type| (agent_type, Slots { free, reserved: 0 })).collect()
    }

    fn backlog(types: u32) -> FairQueue {
        let mut queue = FairQueue::default();
        for (priority, _) in WEIGHTS {
            for agent_type in 0..types {
                queue.join_many(priority, agent_type, 100_000);
            }
        }
        queue
    }

    /// Plans and takes what is planned.
    fn take(
        queue: &mut FairQueue,
        rooms: &mut HashMap<u32, Slots>,
        most: usize,
    ) -> Vec<(Priority, u32)> {
        let mut taken = Vec::new();
        for (priority, agent_type, count) in queue.plan(rooms, most) {
            for _ in 0..count {
                queue.leave(priority, agent_type);
                taken.push((priority, agent_type));
            }
        }
        taken
    }

    fn count_of(taken: &[(Priority, u32)], wanted: Priority) -> usize {
        taken.iter().filter(|(priority, _)| *priority == wanted).count()
    }

    #[test]
    fn a_backlog_is_served_by_shares_whatever_the_size_of_a_plan() {
        for step in [1, 7, 310] {
            let mut queue = backlog(1);
            let mut taken = Vec::new();
            while taken.len() < 3100 {
                let most = step.min(3100 - taken.len());
                taken.extend(take(&mut queue, &mut rooms(5000, 1), most));
            }
            let counts = WEIGHTS.map(|(priority, _)| count_of(&taken, priority));
            assert_eq!(counts, [1600, 800, 400, 200, 100], "in steps of {step}");
        }
    }

    /// A plan that ends for want of room must not begin a new round, or the
    /// most urgent class would have every slot.
    #[test]
    fn a_backlog_is_served_by_shares_however_few_slots_are_free() {
        for free in [1, 2, 7] {
            let mut queue = backlog(1);
            let mut taken = Vec::new();
            while taken.len() < 310 {
                let most = 310 - taken.len();
                taken.extend(take(&mut queue, &mut rooms(free, 1), most));
            }
            let counts = WEIGHTS.map(|(priority, _)| count_of(&taken, priority));
            assert_eq!(counts, [160, 80, 40, 20, 10], "with {free} free slots");
        }
    }

    #[test]
    fn types_take_turns_inside_a_class() {
        let mut queue = FairQueue::default();
        queue.join_many(Priority::Normal, 0, 1_000_000);
        queue.join_many(Priority::Normal, 1, 10);
        let taken = take(&mut queue, &mut rooms(100, 2), 12);
        assert_eq!(taken.iter().filter(|(_, agent_type)| *agent_type == 1).count(), 6);
    }

    #[test]
    fn a_type_whose_last_task_leaves_has_no_turn_and_takes_none_from_others() {
        let mut queue = FairQueue::default();
        for agent_type in 0..3 {
            queue.join_many(Priority::Normal, agent_type, 1);
        }
        queue.leave(Priority::Normal, 1);
        let taken = take(&mut queue, &mut rooms(9, 3), 9);
        assert_eq!(taken, [(Priority::Normal, 0), (Priority::Normal, 2)]);
        assert_eq!(queue.waiting(Priority::Normal), 0);
    }

    #[test]
    fn one_slot_waits_for_a_critical_task() {
        let mut queue = backlog(1);
        let mut room = HashMap::from([(0, Slots { free: 4, reserved: 1 })]);
        let mut only_low = FairQueue::default();
        only_low.join_many(Priority::Low, 0, 100);
        assert_eq!(take(&mut only_low, &mut room.clone(), 100).len(), 3);
        let taken = take(&mut queue, &mut room, 100);
        assert_eq!(count_of(&taken, Priority::Critical), 4, "the most urgent fill all");
    }

    #[test]
    fn a_type_without_room_delays_no_other_type() {
        let mut queue = FairQueue::default();
        queue.join_many(Priority::Critical, 0, 1000);
        queue.join_many(Priority::Background, 1, 1000);
        let mut room = HashMap::from([(0, Slots::default()), (1, Slots { free: 50, reserved: 0 })]);
        assert_eq!(take(&mut queue, &mut room, 100).len(), 50);
    }

    proptest! {
        /// Nothing is given out that does not wait or has no room, and nothing
        /// is left that waits and has room.
        #[test]
        fn a_plan_fits_and_leaves_no_slot_unused(
            waiting in proptest::collection::vec((0usize..5, 0u32..4, 0usize..20), 0..20),
            free in proptest::collection::vec((0usize..30, 0usize..3), 4),
            most in 0usize..200,
        ) {
            let mut queue = FairQueue::default();
            for (class, agent_type, count) in waiting {
                queue.join_many(WEIGHTS[class].0, agent_type, count);
            }
            let mut rooms: HashMap<u32, Slots> = free.iter().enumerate()
                .map(|(t, (free, reserved))| (t as u32, Slots { free: *free, reserved: *reserved }))
                .collect();
            let before = rooms.clone();
            let taken = take(&mut queue, &mut rooms, most);
            prop_assert!(taken.len() <= most);
            for (agent_type, room) in &before {
                let mine = taken.iter().filter(|(_, t)| t == agent_type).count();
                prop_assert!(mine <= room.free);
            }
            if taken.len() < most {
                for (priority, _) in WEIGHTS {
                    for (agent_type, room) in &rooms {
                        prop_assert!(
                            queue.waiting_of(priority, *agent_type) == 0 || !room.admits(priority)
                        );
                    }
                }
            }
        }
    }
}
