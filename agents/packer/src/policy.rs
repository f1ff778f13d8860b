//! Which of the places that an item fits in is taken.
//!
//! Each is given a priority from the gap that would be left, and the highest
//! wins. Best fit wants the smallest gap. Better is to want either nearly none
//! or enough for another item: what lies between is waste. Only additions,
//! multiplications and divisions are used, which IEEE 754 rounds alike everywhere.

use crate::tuning::{KNOTS, Weights};

/// The gaps, as shares of the capacity, at which a weight is given; in between
/// the priority goes along a straight line.
pub(crate) const GAPS: [f64; KNOTS] = [0.0, 0.01, 0.02, 0.04, 0.07, 0.12, 0.2, 0.3, 0.45, 0.65];

/// The weights, made ready for one capacity.
#[derive(Debug)]
pub(crate) struct Policy {
    capacity: u32,
    by_gap: Vec<f64>,
    size_by_gap: f64,
    new_bin: f64,
}

impl Policy {
    pub(crate) fn new(weights: &Weights, capacity: u32) -> Self {
        let share = |gap: u32| f64::from(gap) / f64::from(capacity);
        Self {
            capacity,
            by_gap: (0..=capacity).map(|gap| interpolated(&weights.gap, share(gap))).collect(),
            size_by_gap: weights.size_by_gap / (f64::from(capacity) * f64::from(capacity)),
            new_bin: weights.new_bin,
        }
    }

    /// The room of the open bin that the item goes to; none: a new bin.
    /// `rooms` are those that it fits in, the smallest first. Where priorities
    /// are equal the first stays, and an open bin goes before a new one.
    pub(crate) fn choose(&self, item: u32, rooms: impl Iterator<Item = u32>) -> Option<u32> {
        let mut best = None;
        let mut highest = f64::NEG_INFINITY;
        for room in rooms {
            let priority = self.priority(item, room);
            if priority > highest {
                (best, highest) = (Some(room), priority);
            }
        }
        let of_new = self.priority(item, self.capacity) + self.new_bin;
        best.filter(|_| highest >= of_new)
    }

    fn priority(&self, item: u32, room: u32) -> f64 {
        let gap = room.saturating_sub(item);
        let of_gap = self.by_gap.get(gap as usize).copied().unwrap_or(f64::NEG_INFINITY);
        of_gap + self.size_by_gap * f64::from(item) * f64::from(gap)
    }
}

/// Along the line through the two knots round `gap`; the last line goes on.
fn interpolated(weights: &[f64; KNOTS], gap: f64) -> f64 {
    let knots = || GAPS.iter().zip(weights);
    let lines = knots().zip(knots().skip(1));
    let mut value = 0.0;
    for ((from, at_from), (to, at_to)) in lines {
        value = at_from + (at_to - at_from) * (gap - from) / (to - from);
        if gap <= *to {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::Tuning;

    #[test]
    fn the_line_goes_through_its_knots_and_on() {
        let weights: [f64; KNOTS] = std::array::from_fn(|index| (index * index) as f64);
        for (gap, weight) in GAPS.iter().zip(weights) {
            assert!((interpolated(&weights, *gap) - weight).abs() < 1e-9);
        }
        assert!((interpolated(&weights, 0.03) - 6.5).abs() < 1e-9);
        assert!((interpolated(&weights, 0.85) - 98.0).abs() < 1e-9);
    }

    #[test]
    fn best_fit_takes_the_fullest_and_opens_a_bin_last() {
        let policy = Policy::new(&Tuning::BEST_FIT.weights, 100);
        assert_eq!(policy.choose(30, [31, 45, 99].into_iter()), Some(31));
        assert_eq!(policy.choose(30, [99].into_iter()), Some(99));
        assert_eq!(policy.choose(30, std::iter::empty()), None);
    }

    #[test]
    fn a_weight_can_make_a_new_bin_better() {
        let mut weights = Tuning::BEST_FIT.weights;
        weights.new_bin = 1.0;
        assert_eq!(Policy::new(&weights, 100).choose(30, [31].into_iter()), None);
    }
}
