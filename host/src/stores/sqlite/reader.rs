//! Queries on a connection of their own, so that they hold nobody up.

use std::sync::Arc;

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::record::TaskSummary;
use chimera_layer4_core::scheduler::store::{Filter, StoreError};
use chimera_layer4_core::scheduler::{TaskRecord, TaskState};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::columns::{self, Sql, columns};
use super::errors::explain;
use super::reading::Reading;
use super::text::{self, Text};

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    ", task, payload, result, output, (SELECT name FROM genomes WHERE number = tasks.genome),
     (SELECT name FROM agent_types WHERE number = tasks.agent_type)
     FROM tasks LEFT JOIN bodies USING (seq) LEFT JOIN results USING (seq) WHERE id = ?1"
);

macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", (SELECT name FROM agent_types WHERE number = agent_type)
             FROM tasks WHERE seq IN (
                 SELECT seq FROM tasks
                 WHERE state = ?1 AND ",
            $condition,
            "    AND (at, id) > (?2, ?3)
                 AND (?4 IS NULL
                      OR agent_type = (SELECT number FROM agent_types WHERE name = ?4))
                 ORDER BY at, id LIMIT ?5
             )
             ORDER BY at, id"
        )
    };
}
/// Reads all that waits, having no index for it: an operator's question now
/// and then would cost every task on its way one index more.
const LIST_WAITING: &str = list!("state = 0");
const LIST: &str = list!("state <> 0");

/// A connection that only reads. Queries take turns.
#[derive(Clone, Debug)]
pub(super) struct Reader(Arc<Mutex<Option<Connection>>>);

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(Some(connection))))
    }

    /// Closes the connection, once the query that has it is over. Blocks.
    pub(super) fn close(&self) {
        self.0.blocking_lock().take();
    }

    /// All that is known of a task.
    pub(super) async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.ask(move |connection| get(connection, id)).await
    }

    /// Tasks in one state.
    pub(super) async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError> {
        self.ask(move |connection| list(connection, &filter)).await
    }

    /// Waits for its turn first, so that no more than one thread is taken.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.0).lock_owned().await;
        let asked = spawn_blocking(move || match &*connection {
            Some(connection) => work(connection).map_err(|error| explain(&error)),
            None => Err(StoreError::Closed),
        });
        asked.await.unwrap_or_else(|error| Err(StoreError::Failed { reason: error.to_string() }))
    }
}

fn get(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<TaskRecord>> {
    // Both queries see the same moment.
    let moment = connection.unchecked_transaction()?;
    let mut select = moment.prepare_cached(GET)?;
    let found = select.query_row([Sql(id.as_uuid())], |row| {
        let (mut found, _) = columns::row(row)?;
        let next = columns::NEXT;
        let genome = text::text(row, next + 4)?.and_then(|(name, _)| name.parse().ok());
        found.genome = genome;
        let agent_type = text::text(row, next + 5)?.unwrap_or_default().0.into_owned();
        let body = Text::of_columns(row, next)?;
        Ok((found, agent_type, body, Text::of_columns(row, next + 2)?))
    });
    let Some((row, agent_type, body, outcome)) = found.optional()? else { return Ok(None) };
    let mut reading = Reading::new(row, agent_type);
    let task = reading.task(body);
    let result = reading.result(outcome);
    let attempts = reading.attempts(&moment)?;
    Ok(Some(reading.record(task, result, attempts)))
}

fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<TaskSummary>> {
    let sql = if filter.state == TaskState::Waiting { LIST_WAITING } else { LIST };
    let mut select = connection.prepare_cached(sql)?;
    // Before the first, when no page came before: no task has the empty name.
    let (at, id) = filter.after.map_or((-1, Vec::new()), |(at, id)| {
        (i64::try_from(at.0).unwrap_or(i64::MAX), id.as_uuid().as_bytes().to_vec())
    });
    let limit = Sql(filter.limit as u64);
    let rows =
        select.query_map(params![Sql(filter.state), at, id, filter.agent_type, limit], |row| {
            let (found, _) = columns::row(row)?;
            Ok(found.summary(row.get(columns::NEXT)?))
        })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn a_list_begins_where_the_page_before_it_ended() {
        let list = plan(LIST);
        assert!(list.contains("INDEX timed (state=? AND at>?)"), "{list}");
        assert!(!list.contains("SCAN tasks"), "{list}");
        let waiting = plan(LIST_WAITING);
        assert!(waiting.contains("INDEX waiting"), "{waiting}");
        let one = plan(GET);
        assert!(one.contains("INDEX sqlite_autoindex_tasks_1 (id=?)"), "{one}");
        assert!(!one.contains("SCAN"), "{one}");
    }
}
