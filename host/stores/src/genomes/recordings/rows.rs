//! Recorded tasks as rows.

use std::collections::HashMap;

use chimera_layer4_core::scheduler::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::super::columns;
use super::Recorded;
use super::reservoir::{Kept, Reservoir};

/// One task, by its row.
pub(super) const SELECT: &str =
    "SELECT task_id, payload, output, success, latency_us, genome, validated, at
     FROM recordings WHERE seq = ?1";

/// Adds a task, and returns its row.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    agent_type: &str,
    task: &Recorded,
    bytes: u64,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(
            "INSERT INTO recordings (agent_type, task_id, payload, output, success, latency_us,
                                     genome, validated, at, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            agent_type,
            task.task_id.to_string(),
            task.payload,
            task.output,
            task.success,
            columns::number(task.latency_us),
            task.genome.to_string(),
            task.validated,
            columns::number(task.at.0),
            columns::number(bytes),
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// A task as [`SELECT`] reads it.
pub(super) fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        task_id: columns::parse(0, &row.get::<_, String>(0)?)?,
        payload: row.get(1)?,
        output: row.get(2)?,
        success: row.get(3)?,
        latency_us: columns::unsigned(row.get(4)?),
        genome: columns::digest(row, 5)?,
        validated: row.get(6)?,
        at: Timestamp(columns::unsigned(row.get(7)?)),
    })
}

/// The samples as they were.
pub(super) fn restore(
    transaction: &Transaction<'_>,
) -> rusqlite::Result<HashMap<String, Reservoir>> {
    let mut types: HashMap<String, Reservoir> = HashMap::new();
    let mut select = transaction.prepare("SELECT agent_type, tasks FROM seen")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        types.entry(row.get(0)?).or_default().seen = columns::unsigned(row.get(1)?);
    }
    let mut select = transaction.prepare("SELECT agent_type, seq, bytes FROM recordings")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let kept = Kept { seq: row.get(1)?, bytes: columns::unsigned(row.get(2)?) };
        types.entry(row.get(0)?).or_default().restore(kept);
    }
    Ok(types)
}
