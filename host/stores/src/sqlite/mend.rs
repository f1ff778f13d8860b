//! Rows whose columns hold what no version of this program writes.
//!
//! One of them would fail every list and sweep that it is a part of. So before
//! anything else is read, such a row becomes a dead letter with the reason. What
//! the columns do not say is taken from the task itself, where that can be
//! read, so that a list says of it what its record does; other numbers are
//! brought within range. Its body and result stay as they are.

use chimera_layer4_core::scheduler::{Attempt, AttemptError, Timestamp};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{HostFault, Task};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::columns::Sql;
use super::rows::{BODY, INSERT_ATTEMPT};
use super::text::Text;

/// Numbers of states and priorities: `columns`. Times are milliseconds, up to the year 9999.
const RANGES: [(&str, i64, i64); 12] = [
    ("state", 0, 6),
    ("priority", 0, 4),
    ("at", 0, i64::MAX),
    ("fence", 0, i64::MAX),
    ("attempts", 0, u32::MAX as i64),
    ("max_attempts", 0, u32::MAX as i64),
    ("crashes", 0, u32::MAX as i64),
    ("lost_claims", 0, u32::MAX as i64),
    ("host_faults", 0, u32::MAX as i64),
    ("deadline", 0, i64::MAX),
    ("submitted_at", 0, 253_402_300_799_999),
    ("genome", 0, u32::MAX as i64),
];
/// What else can be wrong, and the message for it.
const OTHERS: [(&str, &str); 3] = [
    ("length(id) <> 16", "'id has ' || length(id) || ' bytes, allowed are 16'"),
    (
        "owner IS NOT NULL AND length(owner) <> 16",
        "'owner has ' || length(owner) || ' bytes, allowed are 16'",
    ),
    // One that has ended loses nothing by it.
    (
        "state NOT IN (4, 5, 6) AND agent_type NOT IN (SELECT number FROM agent_types)",
        "'agent_type is ' || agent_type || ', which is the number of no agent type'",
    ),
];
const MEND: &str = include_str!("mend.sql");
const ADD_TYPE: &str = "INSERT OR IGNORE INTO agent_types (name) VALUES (?1)";
const SET_TYPE: &str = "
    UPDATE tasks SET agent_type = (SELECT number FROM agent_types WHERE name = ?2) WHERE seq = ?1";
/// Numbers that no name was given to.
const NAME_TYPES: &str = "
    UPDATE tasks SET agent_type = 0 WHERE agent_type NOT BETWEEN 0 AND 4294967295;
    INSERT INTO agent_types (number, name)
    SELECT DISTINCT agent_type, 'unknown-' || agent_type || '-' || hex(randomblob(4)) FROM tasks
    WHERE agent_type NOT IN (SELECT number FROM agent_types);
    UPDATE tasks SET genome = NULL
    WHERE genome IS NOT NULL AND genome NOT IN (SELECT number FROM genomes
        WHERE name GLOB 'sha256:*' AND length(name) = 71);";

/// A row that is damaged.
struct Damaged {
    seq: u64,
    /// What is wrong; empty if the row needs its agent type and nothing else.
    wrong: String,
    has_type: bool,
}

/// Makes every row readable.
///
/// # Errors
/// The database cannot be written.
pub(super) fn rows(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let whole = connection.unchecked_transaction()?;
    let damaged = damaged(&whole)?;
    damaged.iter().try_for_each(|row| mend(&whole, row, now))?;
    whole.execute_batch(NAME_TYPES)?;
    whole.commit()?;
    let dead = damaged.iter().filter(|row| !row.wrong.is_empty());
    if let Some(first) = dead.clone().next() {
        tracing::error!(
            rows = dead.count(),
            first = first.wrong,
            "rows of the queue were damaged; their tasks are dead letters"
        );
    }
    Ok(())
}

fn damaged(connection: &Connection) -> rusqlite::Result<Vec<Damaged>> {
    let in_range = RANGES.map(|(column, from, to)| {
        let told = format!("'{column} is ' || {column} || ', allowed is {from} to {to}'");
        (format!("{column} NOT BETWEEN {from} AND {to}"), told)
    });
    let others = OTHERS.map(|(is_wrong, told)| (is_wrong.to_owned(), told.to_owned()));
    let all = [&in_range[..], &others].concat();
    let is_wrong: Vec<_> = all.iter().map(|(is_wrong, _)| format!("({is_wrong})")).collect();
    let told: Vec<_> = all
        .iter()
        .map(|(is_wrong, told)| format!("CASE WHEN {is_wrong} THEN {told} END"))
        .collect();
    let select = format!(
        "SELECT seq, concat_ws('; ', {}), agent_type IN (SELECT number FROM agent_types) FROM tasks
         WHERE agent_type NOT IN (SELECT number FROM agent_types) OR {}",
        told.join(", "),
        is_wrong.join(" OR ")
    );
    let mut select = connection.prepare(&select)?;
    let found = select.query_map([], |row| {
        Ok(Damaged { seq: row.get::<_, Sql<_>>(0)?.0, wrong: row.get(1)?, has_type: row.get(2)? })
    });
    found?.collect()
}

fn mend(connection: &Connection, row: &Damaged, now: Timestamp) -> rusqlite::Result<()> {
    let seq = Sql(row.seq);
    let mut body = connection.prepare_cached(BODY)?;
    let body = body.query_row([seq], |row| Text::of_columns(row, 0)).optional()?.flatten();
    let task: Option<Task> = body.and_then(|body| body.task_alone());
    if let Some(task) = task.as_ref().filter(|_| !row.has_type) {
        connection.execute(ADD_TYPE, [&task.target_agent_type])?;
        connection.execute(SET_TYPE, (seq, &task.target_agent_type))?;
    }
    if row.wrong.is_empty() {
        return Ok(());
    }
    let deadline = task.as_ref().and_then(|task| task.deadline);
    connection.execute(
        MEND,
        named_params! {
            ":seq": seq,
            ":id": task.as_ref().map(|task| Sql(task.id.as_uuid())),
            ":priority": task.as_ref().map(|task| Sql(task.priority)),
            ":deadline": deadline.map(|deadline| Sql(Timestamp::from(deadline))),
            ":now": Sql(now),
        },
    )?;
    let attempts = "SELECT attempts FROM tasks WHERE seq = ?1";
    let fault = HostFault::Unreadable { reason: format!("its row: {}", row.wrong) };
    let attempt = Attempt {
        number: connection.query_row(attempts, [seq], |row| row.get(0))?,
        ended_at: now,
        error: AttemptError::Fault(fault.into()),
        usage: None,
        genome: None,
        agent_id: None,
        log: LogTail::default(),
    };
    let attempt = serde_json::to_string(&attempt)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection.execute(INSERT_ATTEMPT, (seq, attempt))?;
    Ok(())
}
