//! From a payload to a problem whose every item fits a bin.

use chimera_agent_sdk::prelude::*;

use crate::bound::lower_bound;
use crate::sequence::Distribution;

/// A task stays well below a second, whatever its weights.
const MOST_ITEMS: usize = 5_000;
const LARGEST_CAPACITY: u32 = 10_000;

/// Items in the order in which they arrive, and what a bin holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    capacity: u32,
    items: Vec<u32>,
    lower_bound: u64,
}

impl Problem {
    /// Checks that it can be packed, and names what cannot.
    ///
    /// # Errors
    /// [`AgentError::InvalidInput`] with the place in the payload.
    pub fn new(capacity: u32, items: Vec<u32>) -> Result<Self, AgentError> {
        check(capacity, &items)?;
        let lower_bound = lower_bound(&items, capacity);
        Ok(Self { capacity, items, lower_bound })
    }

    /// What a bin holds.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The sizes, each from 1 to the capacity.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// How many bins it takes at the least.
    pub fn lower_bound(&self) -> u64 {
        self.lower_bound
    }
}

fn check(capacity: u32, items: &[u32]) -> Result<(), AgentError> {
    if !(1..=LARGEST_CAPACITY).contains(&capacity) {
        return refused("capacity", format_args!("{capacity}: give 1 to {LARGEST_CAPACITY}"));
    }
    check_count("items", items.len())?;
    match items.iter().position(|size| !(1..=capacity).contains(size)) {
        None => Ok(()),
        Some(index) => {
            let size = items.get(index).copied().unwrap_or_default();
            let place = format!("items[{index}]");
            refused(&place, format_args!("{size}: a size is 1 to the capacity, {capacity}"))
        }
    }
}

fn check_count(place: &str, count: usize) -> Result<(), AgentError> {
    match count {
        1..=MOST_ITEMS => Ok(()),
        count => refused(place, format_args!("{count} items: give 1 to {MOST_ITEMS}")),
    }
}

fn refused<T>(place: &str, why: std::fmt::Arguments<'_>) -> Result<T, AgentError> {
    Err(AgentError::invalid_input(format_args!("payload does not fit: at `{place}`: {why}")))
}

/// The payload: either the items themselves, or the seed of a sequence.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(crate = "serde", default, deny_unknown_fields)]
pub struct Request {
    capacity: Option<u32>,
    items: Option<Vec<u32>>,
    seed: Option<u64>,
    count: Option<usize>,
    distribution: Option<Distribution>,
    /// Whether the answer says where each item went.
    pub assignment: bool,
}

impl Request {
    /// The problem that the payload describes.
    ///
    /// # Errors
    /// [`AgentError::InvalidInput`] with the place in the payload.
    pub fn into_problem(self) -> Result<Problem, AgentError> {
        match (self.capacity, self.items, self.seed, self.count, self.distribution) {
            (Some(capacity), Some(items), None, None, None) => Problem::new(capacity, items),
            (None, None, Some(seed), Some(count), Some(distribution)) => {
                check_count("count", count)?;
                Problem::new(distribution.capacity(), distribution.items(seed, count))
            }
            _ => Err(AgentError::invalid_input(
                "payload does not fit: give either `capacity` and `items` (an array of sizes), or \
                 `seed`, `count` and `distribution` (\"weibull\" or \"uniform\"), and nothing else",
            )),
        }
    }
}
