//! The words for JSON that does not fit, the same in every implementation.

use chimera_agent_sdk::prelude::*;

/// So much of an unknown name is repeated.
const SHOWN_CHARACTERS: usize = 40;

/// What a value is, in words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A whole number between two, both included. `10.0` is one as well: not every
/// language can tell it from `10`.
pub(crate) fn whole(value: &Value, low: u32, high: u32) -> Option<u32> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
    // In range, so nothing is cut off.
    (f64::from(low) <= number && number <= f64::from(high)).then_some(number as u32)
}

/// Refuses names that are not known, so that a typing mistake does not turn
/// into a default.
pub(crate) fn refuse_unknown<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), AgentError> {
    let Some(unknown) = names.filter(|name| !known.contains(name)).min() else {
        return Ok(());
    };
    let mut shown: String = unknown.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < unknown.len() {
        shown.push('…');
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = known.join(", ");
    Err(AgentError::invalid_input(format_args!("unknown {what} `{shown}`: known are {known}")))
}
