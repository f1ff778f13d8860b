//! Tasks and results as text.
//!
//! The data in one may be nested as deep as JSON is read at all. Inside of the
//! rest it would be a level deeper and never be read again, so it is kept
//! apart.

use std::mem;

use chimera_layer4_core::{ExecutionResult, Task};
use serde::Serialize;
use serde_json::{Result, Value, from_str, to_string};

/// A task without its payload and the payload, or a result without its output
/// and the output.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) rest: String,
    pub(super) data: String,
}

impl Text {
    /// A task as text. It is left as it was.
    pub(super) fn of_task(task: &mut Task) -> Result<Self> {
        Self::of(task, |task| &mut task.payload)
    }

    /// A result as text. No part of one can fail to be written; an empty text
    /// would be reported where it is read.
    pub(super) fn of_result(mut result: ExecutionResult) -> Self {
        Self::of(&mut result, |result| &mut result.output).unwrap_or_default()
    }

    /// The task.
    pub(super) fn task(&self) -> Result<Task> {
        Ok(Task { payload: from_str(&self.data)?, ..from_str(&self.rest)? })
    }

    /// The result.
    pub(super) fn result(&self) -> Result<ExecutionResult> {
        Ok(ExecutionResult { output: from_str(&self.data)?, ..from_str(&self.rest)? })
    }

    fn of<T: Serialize>(whole: &mut T, part: impl Fn(&mut T) -> &mut Value) -> Result<Self> {
        let data = mem::take(part(whole));
        let text = to_string(whole).and_then(|rest| Ok(Self { rest, data: to_string(&data)? }));
        *part(whole) = data;
        text
    }
}
