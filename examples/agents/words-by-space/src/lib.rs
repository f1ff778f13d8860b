//! Counts the words of a text as `words` does, and is wrong where two of them have a line's
//! end or two spaces between them: the genome that another one replaces.

use chimera_agent_sdk::prelude::*;

/// A task's payload.
#[derive(Debug, Deserialize)]
#[serde(crate = "serde")]
struct Input {
    text: String,
}

/// Has nothing to remember.
pub struct WordsBySpace;

impl TypedAgent for WordsBySpace {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(WordsBySpace)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let input: Input = task.payload()?;
        Ok(json!({ "words": input.text.split(' ').count() }))
    }
}

wasm_agent!(WordsBySpace);
