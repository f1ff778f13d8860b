//! What layer 5 set for agent types: a record that is only ever added to.
//!
//! What counts for a type now is what its last entry says, so one append, synced, is the
//! whole change: a crash knows nothing between.

use std::sync::Arc;

use chimera_layer4_core::refinement::{RefinedBy, Refinement, RefinementChange, RefinementEntry};
use chimera_layer4_core::scheduler::Timestamp;
use parking_lot::Mutex;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, Transaction, params};

use super::GenomeStore;
use super::columns;
use super::database::{CHECKPOINT_PAGES, Database, Kind, LOG_BYTES, synced};
use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::folder::Folder;
use super::steps::{Step, reached};

const FILE: &str = "refinements.db";
const KIND: Kind = Kind {
    application: 0x6368_6c79, // "chly"
    version: 1,
    schema: include_str!("schema.sql"),
    checkpoint_pages: CHECKPOINT_PAGES,
    log_bytes: LOG_BYTES,
    tune: bounded,
};
/// The most pages of the file, of 4 KiB each: 1 GiB. Nothing is ever removed from it.
const MOST_PAGES: i64 = 1 << 18;
/// The most entries of one answer.
const ANSWER: usize = 1000;
const COLUMNS: &str =
    "number, at, agent_type, change, author, source_layer, reason, before, in_force, refinement";

/// A change of an agent type's refinement; its place follows from when it is recorded.
#[derive(Clone, Debug)]
pub struct NewRefinement {
    /// When.
    pub at: Timestamp,
    /// For which agent type.
    pub agent_type: String,
    /// Who decided, and why.
    pub by: RefinedBy,
    /// The entry that counted until then.
    pub before: Option<u64>,
    /// What counts from then on.
    pub next: NextRefinement,
}

/// What counts from an entry on.
#[derive(Clone, Debug)]
pub enum NextRefinement {
    /// This.
    Set(Refinement),
    /// What an earlier entry set, if any: the last one was taken back.
    Undone(Option<(u64, Refinement)>),
}

/// What the record says of an agent type.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The agent type.
    pub agent_type: String,
    /// What its last entry put in force.
    pub in_force: Option<RefinementEntry>,
    /// Whether one of its entries ever sent tasks elsewhere.
    pub was_routed: bool,
}

/// Adds to the record of refinements, and reads it.
#[derive(Debug)]
pub struct Refinements {
    database: Mutex<Database>,
    /// No other process writes while this lives.
    folder: Arc<Folder>,
}

impl Refinements {
    /// Opens the record of a store, made new where there is none.
    ///
    /// # Errors
    /// `Database`: it is damaged, of a later version, or cannot be written.
    pub fn open(store: &GenomeStore) -> GenomeStoreResult<Self> {
        let folder = store.folder.clone();
        let database = Database::open(folder.layout().root().join(FILE), &KIND)?;
        Ok(Self { database: Mutex::new(database), folder })
    }

    /// Records a change, and returns its entry. It lasts when this returns.
    ///
    /// # Errors
    /// `Database`, and nothing was recorded.
    pub fn append(&self, new: NewRefinement) -> GenomeStoreResult<RefinementEntry> {
        let NewRefinement { at, agent_type, by, before, next } = new;
        let (change, restored, refinement) = match next {
            NextRefinement::Set(refinement) => (RefinementChange::Set, None, Some(refinement)),
            NextRefinement::Undone(None) => (RefinementChange::Undone, None, None),
            NextRefinement::Undone(Some((number, refinement))) => {
                (RefinementChange::Undone, Some(number), Some(refinement))
            }
        };
        let text = refinement.as_ref().map(serde_json::to_string).transpose();
        let text = text.map_err(|error| GenomeStoreError::Database {
            path: self.folder.layout().root().join(FILE),
            reason: format!("cannot keep a refinement that is no JSON: {error}"),
        })?;
        let RefinedBy { author, source_layer, reason } = by;
        self.ask(|transaction| {
            let number: i64 = transaction.query_row(
                "SELECT coalesce(max(number), 0) + 1 FROM entries",
                [],
                |row| row.get(0),
            )?;
            let number = columns::unsigned(number);
            let in_force = match change {
                RefinementChange::Set => Some(number),
                RefinementChange::Undone => restored,
            };
            let routes = refinement.as_ref().is_some_and(|one| one.route_to.is_some());
            transaction
                .prepare_cached(&format!(
                    "INSERT INTO entries ({COLUMNS}, routes)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                ))?
                .execute(params![
                    columns::number(number),
                    columns::number(at.0),
                    agent_type,
                    change.word(),
                    author,
                    source_layer,
                    reason,
                    before.map(columns::number),
                    in_force.map(columns::number),
                    text,
                    routes,
                ])?;
            reached(Step::Transaction);
            Ok(RefinementEntry {
                number,
                at,
                agent_type,
                change,
                author,
                source_layer,
                reason,
                before,
                in_force,
                refinement,
            })
        })
    }

    /// What the record says of each agent type that it names, in the order of their names.
    ///
    /// # Errors
    /// `Database`.
    pub fn standing(&self) -> GenomeStoreResult<Vec<Standing>> {
        self.ask(|transaction| {
            // The other columns of a group with `max` are those of the highest row.
            let mut select = transaction.prepare(
                "SELECT agent_type, in_force, max(number) FROM entries
                 GROUP BY agent_type ORDER BY agent_type",
            )?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(String, Option<i64>)> = rows.collect::<rusqlite::Result<_>>()?;
            let of_type = |(agent_type, in_force): (String, Option<i64>)| {
                let in_force = in_force.map(columns::unsigned);
                let in_force = in_force.map(|number| entry(transaction, number)).transpose()?;
                let was_routed = transaction
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM entries WHERE agent_type = ?1 AND routes)",
                    )?
                    .query_row([&agent_type], |row| row.get(0))?;
                Ok(Standing { agent_type, in_force: in_force.flatten(), was_routed })
            };
            rows.into_iter().map(of_type).collect()
        })
    }

    /// One entry, by its number.
    ///
    /// # Errors
    /// `Database`.
    pub fn entry(&self, number: u64) -> GenomeStoreResult<Option<RefinementEntry>> {
        self.ask(|transaction| entry(transaction, number))
    }

    /// The entries of an agent type, newest first: so many at most, and never more than a
    /// thousand; with `before` only those that are older than it.
    ///
    /// # Errors
    /// `Database`.
    pub fn entries(
        &self,
        agent_type: &str,
        before: Option<u64>,
        limit: usize,
    ) -> GenomeStoreResult<Vec<RefinementEntry>> {
        self.ask(|transaction| {
            let mut select = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entries WHERE agent_type = ?1 AND number < ?2
                 ORDER BY number DESC LIMIT ?3"
            ))?;
            let before = before.map_or(i64::MAX, columns::number);
            let limit = columns::number(limit.min(ANSWER) as u64);
            let rows = select.query_map(params![agent_type, before, limit], read)?;
            rows.collect()
        })
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> GenomeStoreResult<T> {
        self.database.lock().transaction(question)
    }
}

fn bounded(connection: &Connection) -> rusqlite::Result<()> {
    synced(connection)?;
    connection.pragma_update(None, "max_page_count", MOST_PAGES)
}

fn entry(transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<Option<RefinementEntry>> {
    let mut select =
        transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE number = ?1"))?;
    select.query_row([columns::number(number)], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<RefinementEntry> {
    let change: String = row.get(3)?;
    let all = [RefinementChange::Set, RefinementChange::Undone];
    let change = all.into_iter().find(|one| one.word() == change).ok_or_else(|| {
        let error = format!("{change:?} is no change of a refinement");
        Error::FromSqlConversionFailure(3, Type::Text, error.into())
    })?;
    let number =
        |column: usize| Ok::<_, Error>(row.get::<_, Option<i64>>(column)?.map(columns::unsigned));
    let has_refinement = row.get_ref(9)? != rusqlite::types::ValueRef::Null;
    Ok(RefinementEntry {
        number: columns::unsigned(row.get(0)?),
        at: Timestamp(columns::unsigned(row.get(1)?)),
        agent_type: row.get(2)?,
        change,
        author: row.get(4)?,
        source_layer: row.get(5)?,
        reason: row.get(6)?,
        before: number(7)?,
        in_force: number(8)?,
        refinement: has_refinement.then(|| columns::json(row, 9)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_bounded() {
        let connection = Connection::open_in_memory().unwrap();
        bounded(&connection).unwrap();
        connection.execute_batch("PRAGMA max_page_count = 64; CREATE TABLE t (a BLOB)").unwrap();
        let full = connection.execute("INSERT INTO t VALUES (zeroblob(1048576))", []).unwrap_err();
        assert_eq!(full.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));

        let folder = tempfile::tempdir().unwrap();
        let file = Database::open(folder.path().join(FILE), &KIND).unwrap();
        let pages = Mutex::new(file).lock().transaction(|to| {
            to.pragma_query_value(None, "max_page_count", |row| row.get::<_, i64>(0))
        });
        assert_eq!(pages.unwrap(), MOST_PAGES);
    }
}
