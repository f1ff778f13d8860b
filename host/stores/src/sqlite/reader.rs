//! Queries on a connection of their own, so that they do not delay writes.

use std::sync::Arc;

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::record::TaskSummary;
use chimera_layer4_core::scheduler::store::{Filter, Order, StoreError};
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
    ($which:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", (SELECT name FROM agent_types WHERE number = agent_type)
             FROM tasks WHERE seq IN (
                 SELECT seq FROM tasks
                 WHERE ",
            $which,
            "    AND (?4 IS NULL
                      OR agent_type = (SELECT number FROM agent_types WHERE name = ?4))
                 AND (?5 IS NULL OR priority = ?5)
                 AND (?6 IS NULL OR reason = ?6)
                 ORDER BY ",
            $order,
            "    LIMIT ?7
             )
             ORDER BY ",
            $order
        )
    };
}
const LIST: [&str; 2] = [
    list!("state = ?1 AND state <> 0 AND (at, id) > (?2, ?3)", "at, id"),
    list!("state = ?1 AND state <> 0 AND (at, id) < (?2, ?3)", "at DESC, id DESC"),
];
/// These queries read all waiting tasks, without an index: for an operator's
/// occasional query every task would have to update one more index.
const LIST_WAITING: [&str; 2] = [
    list!("state = ?1 AND state = 0 AND (at, id) > (?2, ?3)", "at, id"),
    list!("state = ?1 AND state = 0 AND (at, id) < (?2, ?3)", "at DESC, id DESC"),
];
/// In the order of submission, which is the table's own. The page before may
/// have ended with a task that is gone; then the page begins with those of the
/// same millisecond, so that none is left out.
const LIST_ANY: [&str; 2] = [
    list!(
        "seq > coalesce(
             (SELECT seq FROM tasks WHERE id = ?3),
             (SELECT seq - 1 FROM tasks WHERE submitted_at >= ?2 ORDER BY seq LIMIT 1),
             9223372036854775807)",
        "seq"
    ),
    list!(
        "seq < coalesce(
             (SELECT seq FROM tasks WHERE id = ?3),
             (SELECT seq + 1 FROM tasks WHERE submitted_at <= ?2 ORDER BY seq DESC LIMIT 1),
             0)",
        "seq DESC"
    ),
];

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

    /// Tasks as the filter says.
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
    let result = result.or_else(|| reading.condemned(&attempts));
    Ok(Some(reading.record(task, result, attempts)))
}

fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<TaskSummary>> {
    let Filter { state, agent_type, priority, reason, order, limit, after } = filter;
    let [oldest_first, newest_first] = match state {
        Some(TaskState::Waiting) => LIST_WAITING,
        Some(_) => LIST,
        None => LIST_ANY,
    };
    // What is before the first, where no page came before, and its id: as bytes,
    // the empty one is before every id, and one that is too long after.
    let (sql, first) = match order {
        Order::Oldest => (oldest_first, (-1, Vec::new())),
        Order::Newest => (newest_first, (i64::MAX, vec![0xff; 17])),
    };
    let (at, id) = after.map_or(first, |(at, id)| {
        (i64::try_from(at.0).unwrap_or(i64::MAX), id.as_uuid().as_bytes().to_vec())
    });
    let (state, priority, reason) = (state.map(Sql), priority.map(Sql), reason.map(Sql));
    let mut select = connection.prepare_cached(sql)?;
    let limit = Sql(*limit as u64);
    let rows =
        select.query_map(params![state, at, id, agent_type, priority, reason, limit], |row| {
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
        for (list, range) in LIST.map(plan).iter().zip(["at>?", "at<?"]) {
            assert!(list.contains(&format!("INDEX timed (state=? AND {range})")), "{list}");
            assert!(!list.contains("SCAN tasks"), "{list}");
        }
        for waiting in LIST_WAITING.map(plan) {
            assert!(waiting.contains("INDEX waiting"), "{waiting}");
        }
        for (list, range) in LIST_ANY.map(plan).iter().zip(["rowid>?", "rowid<?"]) {
            assert!(list.contains(&format!("INTEGER PRIMARY KEY ({range})")), "{list}");
            assert!(!list.contains("TEMP B-TREE"), "{list}");
        }
        let one = plan(GET);
        assert!(one.contains("INDEX sqlite_autoindex_tasks_1 (id=?)"), "{one}");
        assert!(!one.contains("SCAN"), "{one}");
    }
}
