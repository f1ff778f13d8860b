//! How often each text occurs: exact while there are few, then sketches.
//!
//! A column of identifiers has as many texts as rows, so what is kept is
//! bounded. Past the bound the number of distinct texts comes from HyperLogLog
//! and the most frequent from a frequent-items sketch, both of Apache
//! DataSketches. The latter says by how much a count may be too high, and never
//! misses a text that occurs more than twice that often.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use chimera_agent_sdk::prelude::*;
use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use datasketches::hll::{HllSketch, HllType};

use super::budget::Budget;
use super::quantiles::HLL_LG_K;
use crate::report::{Distinct, Method, TextReport, TopText};

/// Texts longer than this are kept by their beginning and a fingerprint.
const KEPT_BYTES: usize = 120;
/// Entries of the frequent-items sketch; at most 30 kB of text a column.
const SKETCH_ENTRIES: usize = 256;

/// What is kept of a column's texts.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Counts,
    total: u64,
    room: usize,
}

#[derive(Debug)]
enum Counts {
    Exact(HashMap<String, u64>),
    Sketch(Box<Sketch>),
}

#[derive(Debug)]
struct Sketch {
    frequent: FrequentItemsSketch<String>,
    distinct: HllSketch,
}

impl Tally {
    pub(crate) fn new(room: usize) -> Self {
        Self { counts: Counts::Exact(HashMap::new()), total: 0, room }
    }

    pub(crate) fn push(&mut self, text: &str, budget: &mut Budget) -> Result<(), AgentError> {
        let text = &*bounded(text);
        self.total += 1;
        match &mut self.counts {
            Counts::Sketch(sketch) => sketch.push(text, 1),
            Counts::Exact(counts) => {
                if let Some(count) = counts.get_mut(text) {
                    *count += 1;
                } else if counts.len() < self.room && budget.take_text(text) {
                    counts.insert(text.to_owned(), 1);
                } else {
                    let mut sketch = Sketch::of(counts)?;
                    budget.give_texts(counts.keys());
                    sketch.push(text, 1);
                    self.counts = Counts::Sketch(Box::new(sketch));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, top: usize) -> (TextReport, Distinct) {
        let distinct = self.counts.distinct();
        let report = TextReport {
            count: self.total,
            method: distinct.method,
            overcount: self.counts.overcount(),
            top: most_frequent(self.counts.into_entries(), top),
        };
        (report, distinct)
    }
}

impl Counts {
    fn distinct(&self) -> Distinct {
        match self {
            Self::Exact(counts) => Distinct { count: counts.len() as u64, method: Method::Exact },
            Self::Sketch(sketch) => Distinct {
                count: sketch.distinct.estimate().round() as u64,
                method: Method::Sketch,
            },
        }
    }

    fn overcount(&self) -> u64 {
        match self {
            Self::Exact(_) => 0,
            Self::Sketch(sketch) => sketch.frequent.maximum_error(),
        }
    }

    fn into_entries(self) -> Vec<TopText> {
        match self {
            Self::Exact(counts) => {
                counts.into_iter().map(|(value, count)| TopText { value, count }).collect()
            }
            Self::Sketch(sketch) => sketch
                .frequent
                .frequent_items(ErrorType::NoFalsePositives)
                .iter()
                .map(|row| TopText { value: row.item().clone(), count: row.estimate() })
                .collect(),
        }
    }
}

impl Sketch {
    fn of(counts: &HashMap<String, u64>) -> Result<Self, AgentError> {
        let mut sketch = Self {
            frequent: FrequentItemsSketch::new(SKETCH_ENTRIES)
                .or_failed("cannot start a sketch of frequent texts")?,
            distinct: HllSketch::new(HLL_LG_K, HllType::Hll8)
                .or_failed("cannot start a sketch of distinct texts")?,
        };
        counts.iter().for_each(|(text, count)| sketch.push(text, *count));
        Ok(sketch)
    }

    fn push(&mut self, text: &str, count: u64) {
        self.frequent.update_with_count_ref(text, count);
        self.distinct.update(text);
    }
}

/// Most frequent first, equals in the order of the alphabet.
fn most_frequent(mut entries: Vec<TopText>, top: usize) -> Vec<TopText> {
    entries.sort_by(|a, b| (Reverse(a.count), &a.value).cmp(&(Reverse(b.count), &b.value)));
    entries.truncate(top);
    entries
}

/// A long text by its beginning, its length and a fingerprint: different texts
/// stay different, and none takes more than its share of memory.
pub(crate) fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= KEPT_BYTES {
        return Cow::Borrowed(text);
    }
    let cut = (0..=KEPT_BYTES).rev().find(|at| text.is_char_boundary(*at));
    let start = text.get(..cut.unwrap_or(0)).unwrap_or_default();
    Cow::Owned(format!("{start}… ({} bytes, #{:016x})", text.len(), fingerprint(text)))
}

/// FNV-1a: the same in every run, unlike the standard library's hash.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn tally<'a>(texts: impl Iterator<Item = &'a str>, room: usize) -> (TextReport, Distinct) {
        let mut budget = Budget::new(&Limits::default());
        let mut tally = Tally::new(room);
        texts.for_each(|text| tally.push(text, &mut budget).unwrap());
        tally.finish(2)
    }

    #[test]
    fn few_texts_are_counted_exactly() {
        let (report, distinct) = tally(["b", "a", "b", "c", "a"].into_iter(), 10);
        assert_eq!((distinct.count, distinct.method), (3, Method::Exact));
        assert_eq!((report.count, report.overcount), (5, 0));
        let top: Vec<_> = report.top.iter().map(|top| (top.value.as_str(), top.count)).collect();
        assert_eq!(top, [("a", 2), ("b", 2)]);
    }

    #[test]
    fn of_many_texts_the_frequent_one_is_found() {
        let names: Vec<String> = (0..30_000).map(|n| format!("id-{n}")).collect();
        let mixed = names.iter().flat_map(|name| [name.as_str(), "unknown"]);
        let (report, distinct) = tally(mixed, 100);
        assert_eq!(distinct.method, Method::Sketch);
        assert!(distinct.count.abs_diff(30_001) < 1_200, "{}", distinct.count);
        let first = report.top.first().unwrap();
        assert_eq!(first.value, "unknown");
        assert!((30_000..=30_000 + report.overcount).contains(&first.count), "{first:?}");
    }

    #[test]
    fn short_texts_use_up_the_budget_too() {
        let names: Vec<String> = (0..150_000).map(|n| n.to_string()).collect();
        let (_, distinct) = tally(names.iter().map(String::as_str), usize::MAX);
        assert_eq!(distinct.method, Method::Sketch);
    }

    #[test]
    fn long_texts_are_kept_short_and_apart() {
        let (a, b) = ("é".repeat(500) + "a", "é".repeat(500) + "b");
        assert_ne!(bounded(&a), bounded(&b));
        assert!(bounded(&a).len() < 200);
        assert!(bounded(&a).starts_with("éé"));
    }
}
