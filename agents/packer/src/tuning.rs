//! The numbers that decide, and where they are in the component's bytes.
//!
//! They follow a marker in the data of the program, which reads them when it
//! starts. Who writes other numbers behind the marker has another genome, with
//! another digest, without a build.

use std::hint::black_box;

/// How many gaps have a weight of their own.
pub const KNOTS: usize = 10;

/// What the numbers stand behind, once in every component of this agent.
pub const MARKER: [u8; 16] = *b"packer/weights/1";

/// Larger numbers lose the small ones beside them.
const LARGEST: f64 = 1e6;

/// How much a place for an item is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Weights {
    /// The worth of leaving a gap, at ten gaps from none to 65 % of the capacity.
    pub gap: [f64; KNOTS],
    /// Times the item's size times the gap it leaves, each a share of the capacity.
    pub size_by_gap: f64,
    /// Added where the bin is a new one.
    pub new_bin: f64,
}

/// The weights, and how far a child's weights are from them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Tuning {
    /// What the agent packs by.
    pub weights: Weights,
    /// The deviation of a mutation. The agent does not use it: it is inherited
    /// with the weights, so that a lineage finds its own step.
    pub step: f64,
}

/// `repr(C)` and the order of a wasm memory make this the marker and 13
/// little-endian numbers.
#[repr(C)]
struct Table {
    marker: [u8; 16],
    tuning: Tuning,
}

static TABLE: Table = Table { marker: MARKER, tuning: Tuning::BEST_FIT };

impl Tuning {
    /// Best fit: the smaller the gap, the better, and a new bin only when
    /// nothing else is left.
    pub const BEST_FIT: Self = Self {
        weights: Weights {
            gap: [0.0, -0.01, -0.02, -0.04, -0.07, -0.12, -0.2, -0.3, -0.45, -0.65],
            size_by_gap: 0.0,
            new_bin: 0.0,
        },
        step: 0.1,
    };

    /// The numbers in this program's own bytes, as they are now: the optimiser
    /// must not replace them by what they were when it was compiled.
    pub fn embedded() -> Self {
        let table = black_box(&TABLE);
        debug_assert_eq!(table.marker, MARKER);
        table.tuning
    }

    /// Numbers that can be compared, or which one cannot.
    pub fn checked(self) -> Result<Self, Unusable> {
        let fits = |number: f64| number.abs() <= LARGEST;
        let wrong = self.numbers().enumerate().find(|(_, number)| !fits(*number));
        wrong.map_or(Ok(self), |(index, value)| Err(Unusable { index, value }))
    }

    /// All numbers in the order of the bytes.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.weights.numbers().chain([self.step])
    }

    /// The same, to be changed.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.weights.numbers_mut().chain([&mut self.step])
    }
}

impl Weights {
    /// The weights in the order of the bytes.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.gap.into_iter().chain([self.size_by_gap, self.new_bin])
    }

    /// The same, to be changed.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.gap.iter_mut().chain([&mut self.size_by_gap, &mut self.new_bin])
    }
}

/// A number that nothing can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("number {index} of its table is {value}: each must be within ±1000000")]
pub struct Unusable {
    index: usize,
    value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_packs_by_best_fit() {
        assert_eq!(Tuning::embedded(), Tuning::BEST_FIT);
        assert_eq!(Tuning::BEST_FIT.checked(), Ok(Tuning::BEST_FIT));
        assert_eq!(Tuning::BEST_FIT.numbers().count(), KNOTS + 3);
    }

    #[test]
    fn a_number_that_cannot_be_compared_is_named() {
        for wrong in [f64::NAN, f64::INFINITY, -1e7] {
            let mut tuning = Tuning::BEST_FIT;
            tuning.weights.new_bin = wrong;
            let message = tuning.checked().unwrap_err().to_string();
            assert!(message.starts_with("number 11 of its table is "), "{message}");
        }
    }

    #[test]
    fn the_table_is_the_marker_and_the_numbers() {
        assert_eq!(size_of::<Table>(), 16 + 13 * 8);
    }
}
