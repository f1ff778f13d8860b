//! One task and what comes of it, to the byte: a `TestHost` alone would read
//! the output back.

use std::collections::BTreeMap;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;
use chimera_agent_sdk::testing::{TestHost, task_from_json};
use text_stats::TextStats;

/// A task, and the parameters of its agent. Parameters and payload are JSON
/// text, as in the contract.
#[derive(Deserialize)]
#[serde(crate = "serde")]
pub(crate) struct Line {
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    pub payload: String,
    #[serde(default = "first")]
    pub attempt: u32,
}

fn first() -> u32 {
    1
}

/// The output, or the error's case and message.
pub(crate) fn written(line: &Line) -> String {
    output(line).unwrap_or_else(|error| match error {
        AgentError::InvalidInput(message) => format!("invalid-input: {message}"),
        AgentError::Unavailable { message, .. } => format!("unavailable: {message}"),
        AgentError::Failed(message) => format!("failed: {message}"),
    })
}

fn output(line: &Line) -> Result<String, AgentError> {
    let mut builder = TestHost::<Written>::builder();
    for (name, text) in &line.parameters {
        let value: Value = serde_json::from_str(text).or_invalid_input("not a parameter")?;
        builder = builder.parameter(name, &value);
    }
    let mut task = task_from_json(line.payload.as_str());
    task.attempt = line.attempt;
    let text = builder.start()?.execute_task(task)?;
    text.as_str().map(str::to_owned).ok_or_else(|| AgentError::failed("no text"))
}

/// The agent, with its output as text.
struct Written(TextStats);

impl TypedAgent for Written {
    type Output = String;

    fn init(config: Config) -> Result<Self, AgentError> {
        TextStats::init(config).map(Self)
    }

    fn execute_task(&mut self, task: Task) -> Result<String, AgentError> {
        serde_json::to_string(&self.0.execute_task(task)?).or_failed("the output")
    }
}
