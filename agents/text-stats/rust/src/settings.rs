//! The operator's parameters, checked once when the agent starts.

use std::collections::{BTreeMap, HashSet};

use chimera_agent_sdk::prelude::*;

use crate::json;
use crate::scan::fold;
use crate::tables::Tables;

const KNOWN: [&str; 5] = ["busy_attempts", "max_bytes", "max_distinct", "stop_words", "top_terms"];
/// More terms than this are no longer the top.
pub(crate) const MOST_TERMS: u32 = 100;
const MOST_STOP_WORDS: usize = 1_000;

/// What the operator set, or what holds otherwise.
#[derive(Debug)]
pub(crate) struct Settings {
    /// So many attempts at each task are answered as unavailable.
    pub busy_attempts: u32,
    pub max_bytes: usize,
    /// Bounds the memory that a text can take.
    pub max_distinct: usize,
    /// Folded as tokens are.
    pub stop_words: HashSet<String>,
    pub top_terms: u32,
}

impl Settings {
    pub(crate) fn from_config(config: &Config, tables: &Tables) -> Result<Self, AgentError> {
        let value = |name: &str| config.parameter(name).unwrap_or_default();
        let names = config.parameter_names();
        Self::new(&names.map(|name| (name.to_owned(), value(name))).collect(), tables)
    }

    /// Reads parameters by name; `null` is what is not JSON.
    fn new(parameters: &BTreeMap<String, Value>, tables: &Tables) -> Result<Self, AgentError> {
        json::refuse_unknown("parameter", parameters.keys().map(String::as_str), &KNOWN)?;
        let whole = |name: &str, low, high, standard| match parameters.get(name) {
            None => Ok(standard),
            Some(value) => json::whole(value, low, high).ok_or_else(|| {
                AgentError::invalid_input(format_args!(
                    "parameter `{name}` must be a whole number from {low} to {high}"
                ))
            }),
        };
        Ok(Self {
            busy_attempts: whole("busy_attempts", 0, 10, 0)?,
            max_bytes: whole("max_bytes", 1, 4_194_304, 2_097_152)? as usize,
            max_distinct: whole("max_distinct", 1, 1_000_000, 100_000)? as usize,
            stop_words: stop_words(parameters.get("stop_words"), tables)?,
            top_terms: whole("top_terms", 0, MOST_TERMS, 10)?,
        })
    }
}

fn stop_words(value: Option<&Value>, tables: &Tables) -> Result<HashSet<String>, AgentError> {
    let Some(value) = value else { return Ok(HashSet::new()) };
    let list = value.as_array().filter(|list| list.len() <= MOST_STOP_WORDS);
    let words = list.and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let words = words.ok_or_else(|| {
        AgentError::invalid_input(format_args!(
            "parameter `stop_words` must be an array of at most {MOST_STOP_WORDS} strings"
        ))
    })?;
    Ok(words.into_iter().map(|word| fold(word, tables)).collect())
}
