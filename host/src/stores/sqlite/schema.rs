//! Opens the database: is it ours, is it whole, and how is it set?
//!
//! Nothing is written to a file before both are known.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use chimera_layer4_core::scheduler::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, Error, OpenFlags};

use super::errors::{is_damage, is_final};

/// "chl4", in the place that SQLite's header has for it.
const APPLICATION: i32 = 0x6368_6c34;
/// Of the tables. A higher one is a later program's.
const VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");

/// Four mebibytes of log between checkpoints would be SQLite's choice; with
/// four times that a checkpoint writes a page of a busy queue fewer times.
const CHECKPOINT_PAGES: i32 = 4000;
/// What is left of the log after a burst.
const LOG_BYTES: u32 = 64 << 20;
/// The head of the queue, the ends of the indexes and the inner pages of a
/// backlog of millions. The system caches the rest. No memory map: where it
/// meets an error of the disk, the process ends.
const CACHE_KIB: i64 = 32 << 10;
/// The API's pages are read once.
const READER_CACHE_KIB: i64 = 4 << 10;
/// Every statement there is.
const STATEMENTS: usize = 64;
const PAGE_BYTES: u64 = 4096;

/// The pages that a database of so many bytes has. More than SQLite can count
/// is no bound.
pub(super) fn pages(bytes: u64) -> u64 {
    (bytes / PAGE_BYTES).clamp(1, u32::MAX as u64 - 1)
}

/// Opens the database, made new where the file is empty.
///
/// # Errors
/// It is not ours, of a later version, damaged, or cannot be written.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let found = prepare(path).map_err(|error| match error {
        Refusal::Words(reason) => reason,
        Refusal::Sqlite(error) if is_damage(&error) => damaged(&error.to_string()),
        Refusal::Sqlite(error) => format!("cannot be opened: {error}"),
    });
    found.map_err(|reason| StoreError::Failed { reason: format!("{} {reason}", path.display()) })
}

/// Bounds the database. Nothing is written to one that is larger already, but
/// for what makes room.
///
/// # Errors
/// It cannot be set.
pub(super) fn bound(connection: &Connection, pages: u64) -> rusqlite::Result<()> {
    let pages = i64::try_from(pages).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// Opens a database that is open already, to read from it.
///
/// # Errors
/// It cannot be opened.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    plan_once(&connection)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Keeps statements, and the plan of each whatever it is given: SQLite would
/// make a plan anew for a value that might have had a better one.
fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Changes nothing, and yet has the next commit write.
///
/// # Errors
/// It cannot be written.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", VERSION)
}

enum Refusal {
    Words(String),
    Sqlite(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(path: &Path) -> Result<Connection, Refusal> {
    read_ahead(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Else a file that is refused would be written to as it is closed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let is_new = is_new(&connection)?;
    if !is_new {
        check(&connection)?;
    }
    set(&connection)?;
    if is_new {
        make(&connection)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    checkpoint(&mut connection)?;
    Ok(connection)
}

/// Writes the log into the database when it has grown. SQLite would do so by
/// itself, and say nothing of a sync that failed: the log may have a hole then
/// that no later sync tells of.
fn checkpoint(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.wal_hook(Some(|log: &mut Wal, pages: i32| {
        if pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        match log.checkpoint() {
            Err(error) if is_final(&error) => Err(error),
            Err(error) => {
                // On a full disk the log goes on growing, and the next commit tries again.
                tracing::debug!(%error, "the log was not written into the database");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }))
}

/// The check reads pages in the order of trees, which takes a disk many times
/// as long as reading them in their own. Only before SQLite has the file open:
/// to close it later would end SQLite's locks on it.
fn read_ahead(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let mut file = BufReader::with_capacity(1 << 20, file);
    // What cannot be read is for SQLite to report.
    let _ = io::copy(&mut file, &mut io::sink());
}

/// Whether the database is empty. If it is not, it must be ours.
fn is_new(connection: &Connection) -> Result<bool, Refusal> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(true);
    }
    if application != APPLICATION {
        return Err(Refusal::Words(
            "is another program's database; move it away, or set `data_dir` to another folder"
                .into(),
        ));
    }
    if version != VERSION {
        return Err(Refusal::Words(format!(
            "was written by another version of this program (its tables are of version {version}, \
             this program's of version {VERSION}); start that one, or restore a backup"
        )));
    }
    Ok(false)
}

fn check(connection: &Connection) -> Result<(), Refusal> {
    let mut complaints = Vec::new();
    let mut check = connection.prepare("PRAGMA quick_check(3)")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        complaints.push(row.get::<_, String>(0)?);
    }
    if complaints == ["ok"] { Ok(()) } else { Err(Refusal::Words(damaged(&complaints.join("; ")))) }
}

fn damaged(complaints: &str) -> String {
    format!(
        "is damaged or no database: {complaints}. Nothing was written to it; move it away with the \
         files of its name beside it, and restore a backup or begin anew"
    )
}

fn set(connection: &Connection) -> Result<(), Refusal> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Refusal::Words(format!(
            "cannot have a write-ahead log (its journal is {mode:?}); set `data_dir` to a folder on \
             a local disk"
        )));
    }
    plan_once(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let answered = |pragma, value: i64| {
        connection.pragma_update_and_check(None, pragma, value, |row| row.get::<_, i64>(0))
    };
    answered("journal_size_limit", LOG_BYTES.into())?;
    Ok(())
}

fn make(connection: &Connection) -> Result<(), Refusal> {
    Ok(connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {VERSION};
         {SCHEMA}
         COMMIT;"
    ))?)
}
