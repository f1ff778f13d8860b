//! Queries on a connection of their own, so that they hold nobody up.

use std::sync::Arc;

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::record::TaskSummary;
use chimera_layer4_core::scheduler::store::{Filter, Row, StoreError};
use chimera_layer4_core::scheduler::{Attempt, TaskRecord, TaskState};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::columns::{self, Sql, columns};
use super::errors::explain;
use super::text::Text;

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    ", task, payload, result, output, (SELECT name FROM genomes WHERE number = tasks.genome)
     FROM tasks JOIN bodies USING (seq) LEFT JOIN results USING (seq) WHERE id = ?1"
);
const ATTEMPTS: &str = "SELECT attempt FROM attempts WHERE seq = ?1 ORDER BY n";

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
        let genome: Option<String> = row.get(next + 4)?;
        let genome = genome.map(|name| name.parse().map_err(FromSqlError::other));
        found.genome = genome.transpose()?;
        let task = Text { rest: row.get(next)?, data: row.get(next + 1)? };
        let result: Option<String> = row.get(next + 2)?;
        let result = match result {
            Some(rest) => Some(read(Text { rest, data: row.get(next + 3)? }.result())?),
            None => None,
        };
        Ok((found, read(task.task())?, result))
    });
    let Some((row, task, result)) = found.optional()? else { return Ok(None) };
    let attempts = attempts(&moment, &row)?;
    Ok(Some(row.record(task, result, attempts)))
}

fn attempts(connection: &Connection, row: &Row) -> rusqlite::Result<Vec<Attempt>> {
    let mut select = connection.prepare_cached(ATTEMPTS)?;
    let attempts = select
        .query_map([Sql(row.seq)], |row| read(serde_json::from_str(row.get_ref(0)?.as_str()?)))?;
    attempts.collect()
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

fn read<T>(text: serde_json::Result<T>) -> rusqlite::Result<T> {
    Ok(text.map_err(FromSqlError::other)?)
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
