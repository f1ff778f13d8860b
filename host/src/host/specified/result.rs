//! A result as the specification writes it.

use std::time::SystemTime;

use serde::de::Error as _;
use serde_json::Value;

use super::Layer4Error;
use crate::host::{Fault, ResourceUsage, TaskId, fabric};

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionResult {
    /// The task that this is about.
    pub task_id: TaskId,
    /// Whether the agent returned an output.
    pub success: bool,
    /// The agent's output; `null` without success.
    pub output: Value,
    /// Wall time from the start of the run to its end, in milliseconds, the last one counted
    /// whole.
    pub execution_time_ms: u64,
    /// What the run used, as the host measured it.
    pub resource_usage: ResourceUsage,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// When the run ended.
    pub completed_at: SystemTime,
    /// What went wrong, for a program to act on. The specification has no such field; a
    /// program that only reads results does not notice it.
    pub fault: Option<Fault>,
}

impl TryFrom<fabric::ExecutionResult> for ExecutionResult {
    type Error = Layer4Error;

    /// # Errors
    /// `Serialization`: the values of the output would take more than eight times the memory
    /// of its text and a mebibyte, which an agent can bring about.
    fn try_from(result: fabric::ExecutionResult) -> Result<Self, Layer4Error> {
        let Some(output) = result.output.tree() else {
            return Err(Layer4Error::Serialization(serde_json::Error::custom(format!(
                "the output of task {} is {} bytes of JSON whose values take more than eight times as much \
                 memory; `fabric().tasks().wait(id)` has it as text",
                result.task_id,
                result.output.as_str().len()
            ))));
        };
        Ok(Self {
            task_id: result.task_id,
            success: result.success,
            output,
            execution_time_ms: result.execution_time_ms,
            resource_usage: result.resource_usage,
            error: result.error,
            completed_at: result.completed_at,
            fault: result.fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fabric::JsonText;

    fn with_output(output: JsonText) -> fabric::ExecutionResult {
        fabric::ExecutionResult {
            task_id: crate::host::utils::generate_task_id(),
            success: true,
            output,
            execution_time_ms: 3,
            resource_usage: ResourceUsage::default(),
            error: None,
            fault: None,
            completed_at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_output_becomes_values_and_one_that_would_burst_is_refused() {
        let inside = with_output(JsonText::parse(r#"{"a": [1, "b"]}"#).unwrap());
        let result = ExecutionResult::try_from(inside.clone()).unwrap();
        assert_eq!(result.output, serde_json::json!({ "a": [1, "b"] }));
        assert_eq!((result.task_id, result.execution_time_ms), (inside.task_id, 3));

        // Two bytes a value in the text, thirty and more in memory.
        let many = format!("[{}0]", "0,".repeat(1 << 20));
        let error = ExecutionResult::try_from(with_output(JsonText::parse(&many).unwrap()));
        let error = error.unwrap_err();
        assert!(matches!(error, Layer4Error::Serialization(_)), "{error}");
        assert!(error.to_string().contains("fabric().tasks().wait(id)"), "{error}");
    }
}
