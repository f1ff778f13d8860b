//! What the columns may keep together.
//!
//! The budget is shared, so that a table with one column of numbers gets as much
//! out of it as one with twenty. The column that meets the empty budget changes
//! over to a sketch and gives back what it held.

use crate::limits::Limits;

/// Bytes of distinct texts over all columns.
const TEXT_BYTES: usize = 8 << 20;
/// What a text costs beside its bytes: its place in the map and its allocation.
/// Without it, short texts would be nearly free and memory would not be bounded.
const ENTRY_BYTES: usize = 64;

/// What may still be kept.
#[derive(Debug)]
pub(crate) struct Budget {
    values: usize,
    text_bytes: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { values: limits.exact_values, text_bytes: TEXT_BYTES }
    }

    /// Whether one more number may be kept.
    pub(crate) fn take_value(&mut self) -> bool {
        take(&mut self.values, 1)
    }

    pub(crate) fn give_values(&mut self, count: usize) {
        self.values += count;
    }

    /// Whether this text may be kept.
    pub(crate) fn take_text(&mut self, text: &str) -> bool {
        take(&mut self.text_bytes, text.len() + ENTRY_BYTES)
    }

    pub(crate) fn give_texts<'a>(&mut self, texts: impl Iterator<Item = &'a String>) {
        self.text_bytes += texts.map(|text| text.len() + ENTRY_BYTES).sum::<usize>();
    }
}

fn take(left: &mut usize, wanted: usize) -> bool {
    match left.checked_sub(wanted) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
