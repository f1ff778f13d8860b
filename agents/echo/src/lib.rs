//! The smallest agent: answers each task with its payload. A template to start from.

use chimera_agent_sdk::prelude::*;

/// Has nothing to remember.
pub struct Echo;

impl WasmAgent for Echo {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Echo)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        task.payload()
    }
}

wasm_agent!(Echo);
