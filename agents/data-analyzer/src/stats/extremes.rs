//! The few smallest and largest values and the rows they stand in.
//!
//! Where the fences lie is known only after the last row, but what lies outside
//! of them is always among the extremes: a few are enough to show examples.

/// A value and its row, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placed {
    pub value: f64,
    pub row: u64,
}

/// The smallest and largest values, outermost first.
#[derive(Debug)]
pub(crate) struct Extremes {
    smallest: Vec<Placed>,
    largest: Vec<Placed>,
    room: usize,
}

impl Extremes {
    pub(crate) fn new(room: usize) -> Self {
        Self { smallest: Vec::new(), largest: Vec::new(), room }
    }

    pub(crate) fn push(&mut self, value: f64, row: u64) {
        let placed = Placed { value, row };
        insert(&mut self.smallest, placed, self.room, |a, b| a <= b);
        insert(&mut self.largest, placed, self.room, |a, b| a >= b);
    }

    /// Those below the one fence and above the other, outermost first.
    pub(crate) fn outside(&self, lower: f64, upper: f64) -> Vec<Placed> {
        let low = self.smallest.iter().filter(|placed| placed.value < lower);
        let high = self.largest.iter().filter(|placed| placed.value > upper);
        let mut found: Vec<_> = low.chain(high).copied().collect();
        let distance = |value: f64| (lower - value).max(value - upper);
        found.sort_by(|a, b| distance(b.value).total_cmp(&distance(a.value)));
        found.truncate(self.room);
        found
    }
}

/// Keeps `kept` in order and short; of equal values the earlier row comes first.
fn insert(kept: &mut Vec<Placed>, new: Placed, room: usize, before: fn(f64, f64) -> bool) {
    let is_full = kept.len() >= room;
    if is_full && kept.last().is_none_or(|last| before(last.value, new.value)) {
        return;
    }
    let place = kept.partition_point(|placed| before(placed.value, new.value));
    kept.insert(place, new);
    kept.truncate(room);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_are_kept_with_their_rows() {
        let mut extremes = Extremes::new(2);
        for (row, value) in (1..).zip([5.0, 1.0, 9.0, 1.0, 7.0, 0.0, 30.0]) {
            extremes.push(value, row);
        }
        let placed = |value, row| Placed { value, row };
        assert_eq!(extremes.outside(2.0, 8.0), [placed(30.0, 7), placed(0.0, 6)]);
        assert_eq!(extremes.outside(2.0, 99.0), [placed(0.0, 6), placed(1.0, 2)]);
        assert_eq!(extremes.outside(-1.0, 99.0), []);
    }

    #[test]
    fn no_room_keeps_nothing() {
        let mut extremes = Extremes::new(0);
        extremes.push(1.0, 1);
        assert_eq!(extremes.outside(5.0, 6.0), []);
    }
}
