//! A task's record, of what can be read of it.
//!
//! What cannot is damaged, or of another version. It is shown as it is stored,
//! with the reason, beside all that could be read.

use chimera_layer4_core::scheduler::record::Unreadable;
use chimera_layer4_core::scheduler::settle::without_run;
use chimera_layer4_core::scheduler::store::Row;
use chimera_layer4_core::scheduler::{Attempt, AttemptError, DeadReason, TaskRecord};
use chimera_layer4_core::{ExecutionResult, Fault, HostFault, JsonText, ResourceQuota, Task};
use rusqlite::Connection;

use super::columns::Sql;
use super::text::{self, Text};

const ATTEMPTS: &str = "SELECT attempt FROM attempts WHERE seq = ?1 ORDER BY n";

/// A task whose record is put together.
pub(super) struct Reading {
    row: Row,
    agent_type: String,
    unreadable: Option<Unreadable>,
}

impl Reading {
    pub(super) fn new(row: Row, agent_type: String) -> Self {
        Self { row, agent_type, unreadable: None }
    }

    /// The task, or what its row says of it.
    pub(super) fn task(&mut self, body: Option<Text>) -> Task {
        let Some(body) = body else {
            self.note("the task: it is missing".into(), []);
            return self.outline();
        };
        body.task().unwrap_or_else(|reason| {
            self.note(reason, [("task", &*body.rest), ("payload", &*body.data)]);
            body.task_alone().unwrap_or_else(|| self.outline())
        })
    }

    /// How it ended. What ended and cannot be read ended with that.
    pub(super) fn result(&mut self, outcome: Option<Text>) -> Option<ExecutionResult> {
        let read = outcome.map(|outcome| {
            outcome.result().map_err(|reason| {
                self.note(reason, [("result", &*outcome.rest), ("output", &*outcome.data)]);
            })
        });
        match read {
            Some(Ok(result)) => Some(result),
            _ => {
                let reason = self.unreadable.as_ref()?.reason.clone();
                let ended = self.row.progress.state.has_ended();
                let fault = HostFault::Unreadable { reason };
                ended.then(|| without_run(self.row.id, fault.into(), self.row.progress.at))
            }
        }
    }

    /// The attempts that can be read.
    pub(super) fn attempts(&mut self, connection: &Connection) -> rusqlite::Result<Vec<Attempt>> {
        let mut select = connection.prepare_cached(ATTEMPTS)?;
        let mut rows = select.query([Sql(self.row.seq)])?;
        let mut attempts = Vec::new();
        while let Some(row) = rows.next()? {
            let (text, _) = text::text(row, 0)?.unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(attempt) => attempts.push(attempt),
                Err(error) => self.note(format!("an attempt: {error}"), [("attempt", &*text)]),
            }
        }
        Ok(attempts)
    }

    /// How a task ended whose row was damaged and is repaired: with the attempt
    /// that records it.
    pub(super) fn condemned(&mut self, attempts: &[Attempt]) -> Option<ExecutionResult> {
        if self.row.reason != Some(DeadReason::Unreadable) {
            return None;
        }
        let reason = attempts.iter().rev().find_map(|attempt| match &attempt.error {
            AttemptError::Fault(Fault::Host(HostFault::Unreadable { reason })) => Some(reason),
            _ => None,
        })?;
        if self.unreadable.is_none() {
            self.note(reason.clone(), []);
        }
        let fault = HostFault::Unreadable { reason: reason.clone() };
        Some(without_run(self.row.id, fault.into(), self.row.progress.at))
    }

    pub(super) fn record(
        self,
        task: Task,
        result: Option<ExecutionResult>,
        attempts: Vec<Attempt>,
    ) -> TaskRecord {
        TaskRecord { unreadable: self.unreadable, ..self.row.record(task, result, attempts) }
    }

    fn note<'a>(
        &mut self,
        reason: String,
        stored: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) {
        let unreadable = self.unreadable.get_or_insert_default();
        if !unreadable.reason.is_empty() {
            unreadable.reason.push_str("; ");
        }
        unreadable.reason.push_str(&reason);
        for (name, text) in stored {
            unreadable.stored.insert(name.to_owned(), text.to_owned());
        }
    }

    fn outline(&self) -> Task {
        Task {
            id: self.row.id,
            priority: self.row.priority,
            payload: JsonText::default(),
            created_at: self.row.submitted_at.to_system_time(),
            deadline: self.row.deadline.map(|deadline| deadline.to_system_time()),
            resource_quota: ResourceQuota::default(),
            source_layer: String::new(),
            target_agent_type: self.agent_type.clone(),
            metadata: Default::default(),
        }
    }
}
