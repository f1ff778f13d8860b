//! What a task asks for.

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::{self, Map};

use crate::json;
use crate::settings::{MOST_TERMS, Settings};

const KNOWN: [&str; 3] = ["language", "text", "top"];

/// The checked payload.
#[derive(Debug)]
pub(crate) struct Request {
    pub text: String,
    pub top: usize,
    pub language: bool,
}

impl Request {
    /// By hand and not by `task.payload()`: the words of a refusal are part of
    /// the specification.
    pub(crate) fn from_json(payload: &str, settings: &Settings) -> Result<Self, AgentError> {
        let mut options = object(payload)?;
        json::refuse_unknown("option", options.keys().map(String::as_str), &KNOWN)?;
        Ok(Self {
            text: text(options.remove("text"), settings.max_bytes)?,
            top: top(options.get("top"), settings.top_terms)?,
            language: language(options.get("language"))?,
        })
    }
}

fn object(payload: &str) -> Result<Map<String, Value>, AgentError> {
    match serde_json::from_str(payload) {
        Err(_) => Err(AgentError::invalid_input("payload is not JSON")),
        Ok(Value::Object(options)) => Ok(options),
        Ok(other) => Err(AgentError::invalid_input(format_args!(
            "payload is {}: it must be an object such as {{\"text\": \"…\"}}",
            json::kind_of(&other)
        ))),
    }
}

fn text(value: Option<Value>, max_bytes: usize) -> Result<String, AgentError> {
    match value {
        None => Err(AgentError::invalid_input("option `text` is missing")),
        Some(Value::String(text)) if text.len() <= max_bytes => Ok(text),
        Some(Value::String(text)) => Err(AgentError::invalid_input(format_args!(
            "option `text` has {} bytes: at most {max_bytes} are accepted",
            text.len()
        ))),
        Some(other) => Err(AgentError::invalid_input(format_args!(
            "option `text` is {}: it must be a string",
            json::kind_of(&other)
        ))),
    }
}

fn top(value: Option<&Value>, standard: u32) -> Result<usize, AgentError> {
    let top = value.map_or(Some(standard), |value| json::whole(value, 0, MOST_TERMS));
    top.map(|top| top as usize).ok_or_else(|| {
        AgentError::invalid_input(format_args!(
            "option `top` must be a whole number from 0 to {MOST_TERMS}"
        ))
    })
}

fn language(value: Option<&Value>) -> Result<bool, AgentError> {
    value
        .map_or(Some(true), Value::as_bool)
        .ok_or_else(|| AgentError::invalid_input("option `language` must be true or false"))
}
