//! Tasks and results as text.
//!
//! The data in one comes from outside and may be large, so it is stored apart
//! from the rest, as text. What is read is checked: a file may hold anything,
//! and what cannot be read is reported, not skipped.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use chimera_layer4_core::{ExecutionResult, JsonText, Task};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A task without its payload and the payload, or a result without its output
/// and the output.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) rest: String,
    pub(super) data: Arc<str>,
    /// Whether the columns hold no UTF-8. What is no character is U+FFFD here.
    damaged: bool,
}

impl Text {
    /// A task as text. It is left as it was.
    pub(super) fn of_task(task: &mut Task) -> serde_json::Result<Self> {
        Self::of(task, |task| &mut task.payload)
    }

    /// A result as text. No part of one can fail to be written; an empty text
    /// would be reported where it is read.
    pub(super) fn of_result(mut result: ExecutionResult) -> Self {
        Self::of(&mut result, |result| &mut result.output).unwrap_or_default()
    }

    /// What two columns hold; `None` where there is nothing.
    pub(super) fn of_columns(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let (Some(rest), Some(data)) = (text(row, first)?, text(row, first + 1)?) else {
            return Ok(None);
        };
        let damaged = rest.1 || data.1;
        Ok(Some(Self { rest: rest.0.into_owned(), data: data.0.into(), damaged }))
    }

    /// The task. The error says which part cannot be read, and why.
    pub(super) fn task(&self) -> Result<Task, String> {
        Ok(Task { payload: self.data("payload")?, ..self.rest("task")? })
    }

    /// The task with no payload.
    pub(super) fn task_alone(&self) -> Option<Task> {
        self.rest("task").ok()
    }

    /// The result, as [`task`](Self::task).
    pub(super) fn result(&self) -> Result<ExecutionResult, String> {
        Ok(ExecutionResult { output: self.data("output")?, ..self.rest("result")? })
    }

    fn rest<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        self.must_be_whole()?;
        serde_json::from_str(&self.rest).map_err(|error| format!("the {name}: {error}"))
    }

    fn data(&self, name: &str) -> Result<JsonText, String> {
        self.must_be_whole()?;
        JsonText::parse_shared(&self.data).map_err(|error| format!("the {name}: {error}"))
    }

    fn must_be_whole(&self) -> Result<(), String> {
        if self.damaged { Err("it is not UTF-8".into()) } else { Ok(()) }
    }

    fn of<T: Serialize>(
        whole: &mut T,
        part: impl Fn(&mut T) -> &mut JsonText,
    ) -> serde_json::Result<Self> {
        let data = mem::take(part(whole));
        let rest = serde_json::to_string(whole);
        let text = data.to_shared();
        *part(whole) = data;
        Ok(Self { rest: rest?, data: text, damaged: false })
    }
}

/// A column's text, and whether it is damaged; `None` where there is none.
pub(super) fn text<'a>(
    row: &'a Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<(Cow<'a, str>, bool)>> {
    let Some(bytes) = row.get_ref(column)?.as_bytes_or_null()? else { return Ok(None) };
    let text = String::from_utf8_lossy(bytes);
    let damaged = matches!(text, Cow::Owned(_));
    Ok(Some((text, damaged)))
}
