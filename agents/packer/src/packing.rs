//! Puts each item into a bin when it arrives, for good.
//!
//! A bin's priority depends on its room alone, so bins are looked up by room:
//! a task costs items × distinct rooms, not items × bins.

use std::collections::BTreeMap;

use crate::policy::Policy;
use crate::problem::Problem;
use crate::tuning::Weights;

/// Where everything went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// For each item, in the order of arrival, the number of its bin from 0.
    pub bin_of: Vec<usize>,
    /// For each bin, in the order in which they were opened, the room left.
    pub rooms: Vec<u32>,
}

/// Packs the items in their order, each by what is known when it comes.
pub fn pack(problem: &Problem, weights: &Weights) -> Packing {
    let policy = Policy::new(weights, problem.capacity());
    let mut open = OpenBins::default();
    let mut packing = Packing::default();
    for &item in problem.items() {
        let fitting = open.by_room.range(item..).map(|(room, _)| *room);
        let taken = policy.choose(item, fitting).and_then(|room| open.take(room));
        let (bin, room) = taken.unwrap_or((packing.rooms.len(), problem.capacity()));
        packing.put(bin, room.saturating_sub(item));
        open.give_back(bin, room.saturating_sub(item));
    }
    packing
}

impl Packing {
    fn put(&mut self, bin: usize, room_left: u32) {
        self.bin_of.push(bin);
        match self.rooms.get_mut(bin) {
            Some(room) => *room = room_left,
            None => self.rooms.push(room_left),
        }
    }
}

/// The bins that are not full, by the room that they have.
#[derive(Debug, Default)]
struct OpenBins {
    by_room: BTreeMap<u32, Vec<usize>>,
}

impl OpenBins {
    /// The bin of this room that got it last, and the room.
    fn take(&mut self, room: u32) -> Option<(usize, u32)> {
        let bins = self.by_room.get_mut(&room)?;
        let bin = bins.pop();
        if bins.is_empty() {
            self.by_room.remove(&room);
        }
        bin.map(|bin| (bin, room))
    }

    fn give_back(&mut self, bin: usize, room: u32) {
        if room > 0 {
            self.by_room.entry(room).or_default().push(bin);
        }
    }
}
