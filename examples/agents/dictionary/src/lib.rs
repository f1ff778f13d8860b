//! Looks words up in a file of a folder that the operator grants. Without the file the agent
//! does not start, says that it is unhealthy, and asks for its tasks to be tried again.

use chimera_agent_sdk::prelude::*;

/// A word a line.
const FILE: &str = "/data/words.txt";

/// Reads the file for each task.
pub struct Dictionary;

fn read() -> Result<String, AgentError> {
    std::fs::read_to_string(FILE).or_unavailable(format_args!("cannot read {FILE}"))
}

impl TypedAgent for Dictionary {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        read().map(|_| Dictionary)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let word: String = task.payload()?;
        let is_known = read()?.lines().any(|line| line == word);
        Ok(json!({ "word": word, "is_known": is_known }))
    }

    fn health_check(&self) -> Health {
        match read() {
            Ok(_) => Health::healthy(),
            Err(error) => Health::unhealthy(error.message()),
        }
    }
}

wasm_agent!(Dictionary);
