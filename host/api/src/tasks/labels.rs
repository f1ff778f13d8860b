//! Labels of a task.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// Labels of one task: each takes some ten times its text in memory.
const MOST_LABELS: usize = 10_000;

/// Labels by name, bounded while they are read.
///
/// # Errors
/// It is no object of texts, or one of more than 10,000.
pub fn labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(ReadsLabels)
}

struct ReadsLabels;

impl<'de> Visitor<'de> for ReadsLabels {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of up to {MOST_LABELS} texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some((name, label)) = map.next_entry()? {
            if labels.len() == MOST_LABELS {
                return Err(A::Error::invalid_length(MOST_LABELS + 1, &self));
            }
            labels.insert(name, label);
        }
        Ok(labels)
    }
}
