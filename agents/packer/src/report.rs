//! What a task answers: the score, and how the packing got it.
//!
//! The features beside the score are what a grid of elites tells variants
//! apart by: two heuristics can be equally good in different ways. All sums are
//! of integers, so a report is the same on every machine.

use chimera_agent_sdk::prelude::*;

use crate::packing::Packing;
use crate::problem::Problem;

/// The answer to one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(crate = "serde")]
pub struct Report {
    /// Bins used.
    pub bins: u64,
    /// Bins without which it cannot be done, by the bound L2.
    pub lower_bound: u64,
    /// `lower_bound / bins`, at most 1: the higher, the better.
    pub score: f64,
    /// The share of the bins that are full to the brim.
    pub full_share: f64,
    /// The variance of the bins' fill, each a share of the capacity.
    pub fill_variance: f64,
    /// The share of the bins with room for the smallest item of the task.
    pub open_share: f64,
    /// The bin of each item, where the task asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Vec<usize>>,
}

impl Report {
    /// Measures a packing of this problem.
    pub fn new(problem: &Problem, packing: &Packing) -> Self {
        let bins = packing.rooms.len() as u64;
        let lower_bound = problem.lower_bound();
        let smallest = problem.items().iter().min().copied().unwrap_or(0);
        let full = packing.rooms.iter().filter(|&&room| room == 0).count();
        let open = packing.rooms.iter().filter(|&&room| room >= smallest).count();
        Self {
            bins,
            lower_bound,
            score: share(lower_bound, bins),
            full_share: share(full as u64, bins),
            fill_variance: fill_variance(&packing.rooms, problem.capacity()),
            open_share: share(open as u64, bins),
            assignment: None,
        }
    }

    /// Adds where each item went.
    pub(crate) fn with_assignment(self, packing: Packing) -> Self {
        Self { assignment: Some(packing.bin_of), ..self }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The room varies as the fill does. The integers stay below 2⁵³: 5,000 bins
/// of capacity 10,000 make 2.5 · 10¹⁵.
fn fill_variance(rooms: &[u32], capacity: u32) -> f64 {
    let bins = rooms.len() as u64;
    let sum: u64 = rooms.iter().map(|&room| u64::from(room)).sum();
    let squares: u64 = rooms.iter().map(|&room| u64::from(room) * u64::from(room)).sum();
    let scale = bins * u64::from(capacity);
    share((bins * squares).saturating_sub(sum * sum), scale) / (scale.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tuning, pack};

    #[test]
    fn the_figures_are_those_of_the_bins() {
        let problem = Problem::new(10, vec![6, 4, 7, 8]).unwrap();
        let report = Report::new(&problem, &pack(&problem, &Tuning::BEST_FIT.weights));
        assert_eq!((report.bins, report.lower_bound), (3, 3));
        assert_eq!((report.score, report.open_share), (1.0, 0.0));
        assert!((report.full_share - 1.0 / 3.0).abs() < 1e-12);
        // Rooms 0, 3 and 2.
        assert!((report.fill_variance - (13.0 / 3.0 - 25.0 / 9.0) / 100.0).abs() < 1e-12);
    }
}
