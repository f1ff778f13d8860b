//! The smallest agent: answers each task with its payload. A template to start from.

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::value::RawValue;

/// Has nothing to remember.
pub struct Echo;

impl TypedAgent for Echo {
    /// As text: byte for byte what it was handed.
    type Output = Box<RawValue>;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Echo)
    }

    fn execute_task(&mut self, task: Task) -> Result<Box<RawValue>, AgentError> {
        task.payload()
    }
}

wasm_agent!(Echo);
