//! The rows of a [`TaskQueue`](chimera_layer4_core::scheduler::store::TaskQueue) in
//! SQLite.
//!
//! Every query finds its rows through an index, so that nothing here depends
//! on how much waits or is kept; the tests ask SQLite for its plans.

use std::collections::HashMap;

use chimera_layer4_core::scheduler::store::{Census, NewRow, Row, Rows};
use chimera_layer4_core::scheduler::{Attempt, TaskState, Timestamp};
use chimera_layer4_core::{Digest, ExecutionResult, JsonText, Priority, TaskId};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Params, params};
use uuid::Uuid;

use super::columns::{self, Sql, columns};
use super::names::{self, Names};
use super::text::Text;

const FIND: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE id = ?1");
const WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tasks WHERE state = 0 AND agent_type = ?1 AND priority = ?2 ORDER BY at, seq LIMIT ?3"
);
const TIMED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tasks WHERE state = ?1 AND state <> 0 AND at <= ?2 ORDER BY at, seq LIMIT ?3"
);
const OVERDUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tasks WHERE deadline IS NOT NULL AND state IN (0, 1) AND deadline <= ?1",
    " ORDER BY deadline, seq LIMIT ?2"
);
const NEXT_EVENT: &str = "
    SELECT min(next) FROM (
        SELECT min(at) AS next FROM tasks WHERE state = 1 AND state <> 0
        UNION ALL SELECT min(at) FROM tasks WHERE state = 2 AND state <> 0
        UNION ALL SELECT min(at) FROM tasks WHERE state = 3 AND state <> 0
        UNION ALL SELECT min(deadline) FROM tasks
            WHERE deadline IS NOT NULL AND state IN (0, 1)
    )";
/// As `Progress::is_relative` says. No index would do, and it is seldom.
const SHIFT: &str = "
    UPDATE tasks SET at = max(0, at + ?1)
    WHERE state IN (0, 2, 3) OR (state = 1 AND (attempts > 0 OR host_faults > 0))";
const FAILED_AT: &str =
    "SELECT attempt -> 'ended_at' FROM attempts WHERE seq = ?1 ORDER BY n DESC LIMIT 1";
/// Counted here, since SQLite would sort every task to group them.
const CENSUS: &str = "SELECT state, agent_type, priority FROM tasks";
const FIND_KEY: &str =
    "SELECT id, fingerprint FROM keys JOIN tasks ON tasks.seq = keys.seq WHERE key = ?1";
pub(super) const BODY: &str = "SELECT task, payload FROM bodies WHERE seq = ?1";

const INSERT: &str = "
    INSERT INTO tasks (id, agent_type, priority, state, at, fence, attempts, max_attempts,
        crashes, lost_claims, host_faults, cancel_requested, deadline, submitted_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const INSERT_BODY: &str = "INSERT INTO bodies (seq, task, payload) VALUES (?1, ?2, ?3)";
const INSERT_KEY: &str = "INSERT INTO keys (key, seq, fingerprint) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_ATTEMPT: &str = "
    INSERT INTO attempts (seq, n, attempt)
    SELECT ?1, coalesce(max(n), 0) + 1, ?2 FROM attempts WHERE seq = ?1";
const UPDATE: &str = "
    UPDATE tasks SET state = ?2, at = ?3, fence = ?4, owner = ?5, attempts = ?6,
        max_attempts = ?7, crashes = ?8, lost_claims = ?9, host_faults = ?10,
        cancel_requested = ?11, deadline = ?12, genome = ?13, reason = ?14
    WHERE seq = ?1";
const SET_RESULT: &str = "INSERT OR REPLACE INTO results (seq, result, output) VALUES (?1, ?2, ?3)";
const UNSET_RESULT: &str = "DELETE FROM results WHERE seq = ?1";
const REMOVE: [&str; 5] = [
    "DELETE FROM keys WHERE seq = ?1",
    "DELETE FROM attempts WHERE seq = ?1",
    UNSET_RESULT,
    "DELETE FROM bodies WHERE seq = ?1",
    "DELETE FROM tasks WHERE seq = ?1",
];

/// The part of a bounded database that new tasks may not take, so that there
/// is room for the results of those that were taken before.
const KEPT_FREE: u64 = 8;

/// Rows in a database that no other process writes to.
#[derive(Debug)]
pub(super) struct SqliteRows {
    connection: Connection,
    types: Names<String>,
    genomes: Names<Digest>,
    max_pages: Option<u64>,
}

impl SqliteRows {
    /// The rows behind this connection, which may take so many pages.
    pub(super) fn new(connection: Connection, max_pages: Option<u64>) -> Self {
        let (types, genomes) = (names::agent_types(), names::genomes());
        Self { connection, types, genomes, max_pages }
    }

    /// The connection itself.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes back what was done since the transaction began.
    pub(super) fn roll_back(&mut self) {
        self.types.forget();
        self.genomes.forget();
        // An error: there is no transaction. After some errors SQLite takes it
        // back by itself, and it has always ended after this.
        let _ = self.execute("ROLLBACK", []);
    }

    /// Whether what is left of a bounded database is for results.
    pub(super) fn is_full(&self) -> rusqlite::Result<bool> {
        let Some(most) = self.max_pages else { return Ok(false) };
        let number = |pragma| -> rusqlite::Result<u64> {
            let mut pragma = self.connection.prepare_cached(pragma)?;
            Ok(pragma.query_row([], |row| row.get::<_, Sql<u64>>(0))?.0)
        };
        let pages = number("PRAGMA page_count")?;
        Ok(pages.saturating_sub(number("PRAGMA freelist_count")?) >= most - most / KEPT_FREE)
    }

    /// Runs a statement that brings no rows.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    fn select(&mut self, sql: &str, params: impl Params) -> rusqlite::Result<Vec<Row>> {
        let mut found = Vec::new();
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(params)?;
        while let Some(row) = rows.next()? {
            let (mut row, genome) = columns::row(row)?;
            if let Some(number) = genome {
                let genome = self.genomes.name(&self.connection, number)?;
                row.genome = genome.copied();
            }
            found.push(row);
        }
        Ok(found)
    }
}

impl Rows for SqliteRows {
    type Error = rusqlite::Error;
    type Body = Text;
    type Outcome = Text;

    fn intern(&mut self, agent_type: &str) -> rusqlite::Result<u32> {
        self.types.number(&self.connection, agent_type)
    }

    fn type_name(&mut self, number: u32) -> rusqlite::Result<Option<String>> {
        Ok(self.types.name(&self.connection, number)?.cloned())
    }

    fn find(&mut self, id: TaskId) -> rusqlite::Result<Option<Row>> {
        Ok(self.select(FIND, [Sql(id.as_uuid())])?.pop())
    }

    fn find_key(&mut self, key: &str) -> rusqlite::Result<Option<(TaskId, Digest)>> {
        let mut find = self.connection.prepare_cached(FIND_KEY)?;
        let found = find.query_row([key], |row| {
            let id = TaskId::from(row.get::<_, Sql<Uuid>>(0)?.0);
            Ok((id, row.get_ref(1)?.as_str()?.parse().map_err(FromSqlError::other)?))
        });
        found.optional()
    }

    fn insert(&mut self, row: &NewRow<'_, Text>) -> rusqlite::Result<()> {
        let p = &row.progress;
        let seq = self.connection.prepare_cached(INSERT)?.insert(params![
            Sql(row.id.as_uuid()),
            row.agent_type,
            Sql(row.priority),
            Sql(p.state),
            Sql(p.at),
            Sql(p.fence),
            p.attempts,
            p.max_attempts,
            p.crashes,
            p.lost_claims,
            p.host_faults,
            p.cancel_requested,
            row.deadline.map(Sql),
            Sql(row.submitted_at),
        ])?;
        self.execute(INSERT_BODY, params![seq, row.body.rest, row.body.data])?;
        if let Some((key, fingerprint)) = row.key {
            self.execute(INSERT_KEY, params![key, seq, fingerprint.to_string()])?;
        }
        Ok(())
    }

    fn update(&mut self, _before: &Row, after: &Row) -> rusqlite::Result<()> {
        let genome = match &after.genome {
            Some(genome) => Some(self.genomes.number(&self.connection, genome)?),
            None => None,
        };
        let p = &after.progress;
        self.execute(
            UPDATE,
            params![
                Sql(after.seq),
                Sql(p.state),
                Sql(p.at),
                Sql(p.fence),
                p.owner.map(|owner| Sql(owner.0)),
                p.attempts,
                p.max_attempts,
                p.crashes,
                p.lost_claims,
                p.host_faults,
                p.cancel_requested,
                after.deadline.map(Sql),
                genome,
                after.reason.map(Sql),
            ],
        )
    }

    fn waiting(
        &mut self,
        priority: Priority,
        agent_type: u32,
        limit: usize,
    ) -> rusqlite::Result<Vec<Row>> {
        self.select(WAITING, params![agent_type, Sql(priority), Sql(limit as u64)])
    }

    fn timed(
        &mut self,
        state: TaskState,
        until: Timestamp,
        limit: usize,
    ) -> rusqlite::Result<Vec<Row>> {
        self.select(TIMED, params![Sql(state), Sql(until), Sql(limit as u64)])
    }

    fn shift(&mut self, by_ms: i64) -> rusqlite::Result<()> {
        self.execute(SHIFT, [by_ms])
    }

    fn failed_at(&mut self, row: &Row) -> rusqlite::Result<Option<Timestamp>> {
        let mut failed = self.connection.prepare_cached(FAILED_AT)?;
        let failed = failed.query_row([Sql(row.seq)], |row| row.get::<_, Option<String>>(0));
        // In either form of a time; without one the retry stays when it was to be.
        Ok(failed.optional()?.flatten().and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn overdue(&mut self, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<Row>> {
        self.select(OVERDUE, params![Sql(now), Sql(limit as u64)])
    }

    fn next_event(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        let mut next = self.connection.prepare_cached(NEXT_EVENT)?;
        let next: Option<Sql<_>> = next.query_row([], |row| row.get(0))?;
        Ok(next.map(|next| next.0))
    }

    fn body(&mut self, row: &Row) -> rusqlite::Result<Option<Text>> {
        let mut body = self.connection.prepare_cached(BODY)?;
        let found = body.query_row([Sql(row.seq)], |row| Text::of_columns(row, 0)).optional()?;
        // A task that has lost its body is handed out as one that cannot be read.
        Ok(Some(found.flatten().unwrap_or_default()))
    }

    fn has_payload(&mut self, row: &Row, body: &Text) -> rusqlite::Result<bool> {
        let Some(kept) = self.body(row)? else { return Ok(false) };
        let canonical = |text| JsonText::parse(text).map(|json| json.canonical());
        let alike = || canonical(&kept.data).is_ok_and(|kept| canonical(&body.data) == Ok(kept));
        Ok(kept.data == body.data || alike())
    }

    fn outcome(&self, result: ExecutionResult) -> Text {
        Text::of_result(result)
    }

    fn set_outcome(&mut self, row: &Row, outcome: Option<&Text>) -> rusqlite::Result<()> {
        match outcome {
            Some(text) => self.execute(SET_RESULT, params![Sql(row.seq), text.rest, text.data]),
            None => self.execute(UNSET_RESULT, [Sql(row.seq)]),
        }
    }

    fn add_attempt(&mut self, row: &Row, attempt: &Attempt) -> rusqlite::Result<()> {
        let attempt = serde_json::to_string(attempt)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.execute(INSERT_ATTEMPT, params![Sql(row.seq), attempt])
    }

    fn remove(&mut self, row: &Row) -> rusqlite::Result<()> {
        REMOVE.iter().try_for_each(|sql| self.execute(sql, [Sql(row.seq)]))
    }

    fn census(&mut self) -> rusqlite::Result<Vec<Census>> {
        let mut counts: HashMap<(TaskState, u32, Priority), usize> = HashMap::new();
        let mut census = self.connection.prepare_cached(CENSUS)?;
        let mut rows = census.query([])?;
        while let Some(row) = rows.next()? {
            let of = (row.get::<_, Sql<_>>(0)?.0, row.get(1)?, row.get::<_, Sql<_>>(2)?.0);
            *counts.entry(of).or_insert(0) += 1;
        }
        let census = counts.into_iter().map(|((state, agent_type, priority), count)| Census {
            state,
            agent_type,
            priority,
            count,
        });
        Ok(census.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn every_query_finds_its_rows_through_an_index() {
        let by = [
            (FIND, "INDEX sqlite_autoindex_tasks_1 (id=?)"),
            (WAITING, "INDEX waiting (agent_type=? AND priority=?)"),
            (TIMED, "INDEX timed (state=? AND at<?)"),
            (OVERDUE, "INDEX deadlines (deadline>? AND deadline<?)"),
            (NEXT_EVENT, "COVERING INDEX timed (state=?)"),
            (NEXT_EVENT, "INDEX deadlines (deadline>?)"),
            (FIND_KEY, "PRIMARY KEY (key=?)"),
            (BODY, "PRIMARY KEY (rowid=?)"),
            (FAILED_AT, "PRIMARY KEY (seq=?)"),
            (INSERT_ATTEMPT, "PRIMARY KEY (seq=?)"),
            (UPDATE, "PRIMARY KEY (rowid=?)"),
            (REMOVE[0], "INDEX key_of (seq=?)"),
            (REMOVE[1], "PRIMARY KEY (seq=?)"),
        ];
        for (sql, index) in by {
            let plan = plan(sql);
            assert!(plan.contains(index), "{sql}\n{plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
