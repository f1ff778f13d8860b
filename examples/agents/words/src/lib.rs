//! Counts the words of a text: what stands between white space.

use chimera_agent_sdk::prelude::*;

/// A task's payload.
#[derive(Debug, Deserialize)]
#[serde(crate = "serde")]
struct Input {
    text: String,
}

/// Has nothing to remember.
pub struct Words;

impl TypedAgent for Words {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Words)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let input: Input = task.payload()?;
        Ok(json!({ "words": input.text.split_whitespace().count() }))
    }
}

wasm_agent!(Words);
