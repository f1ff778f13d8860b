//! Rows whose columns hold what no version of this program writes.
//!
//! One of them would fail every list and sweep that it is a part of. So before
//! anything else is read, such a row becomes a dead letter, its numbers brought
//! within range; its body and result stay as they are.

use rusqlite::Connection;

const MEND: &str = include_str!("mend.sql");

/// Makes every row readable.
///
/// # Errors
/// The database cannot be written.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<()> {
    let before = connection.total_changes();
    connection.execute_batch(MEND)?;
    let mended = connection.total_changes() - before;
    if mended > 0 {
        tracing::error!(mended, "rows of the queue were damaged; their tasks are dead letters");
    }
    Ok(())
}
