//! Genomes of one agent that differ in what a test says.

use crate::harness::guest;

const MARKER: &[u8] = b"variant/numbers/";

/// How a genome behaves; as it is built it does nothing wrong, at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) version: u32,
    /// Rounds of work in each task; a million take about a millisecond.
    pub(crate) rounds: u32,
    /// Of a thousand tasks, those that fail.
    pub(crate) failing: u32,
    /// Of a thousand outputs, those that are wrong.
    pub(crate) wrong: u32,
    /// KiB that each task leaves behind.
    pub(crate) leaking: u32,
    pub(crate) state: u32,
}

/// It does not start.
pub(crate) const BROKEN: u32 = 1;
/// It says that it is ill.
pub(crate) const ILL: u32 = 2;

impl Variant {
    pub(crate) fn version(version: u32) -> Self {
        Self { version, ..Self::default() }
    }

    /// The component.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let Self { version, rounds, failing, wrong, leaking, state } = self;
        let mut bytes = guest("variant");
        let places: Vec<usize> =
            (0..bytes.len() - MARKER.len()).filter(|at| bytes[*at..].starts_with(MARKER)).collect();
        let [place] = places[..] else { panic!("the marker is there once: {places:?}") };
        let numbers = [version, rounds, failing, wrong, leaking, state];
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let start = place + MARKER.len();
        bytes[start..start + numbers.len()].copy_from_slice(&numbers);
        bytes
    }
}
