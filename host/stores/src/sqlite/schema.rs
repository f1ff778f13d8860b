//! The queue's database: its tables, and how it is set.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use chimera_layer4_core::scheduler::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::opening::{self, Kind};

const KIND: Kind = Kind {
    application: 0x6368_6c34, // "chl4"
    version: 1,
    schema: include_str!("schema.sql"),
    checkpoint_pages: CHECKPOINT_PAGES,
    log_bytes: LOG_BYTES,
    tune,
};

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
    read_ahead(path);
    opening::prepare(path, &KIND).map_err(|refusal| StoreError::Failed {
        reason: format!("{} {}", path.display(), refusal.message()),
    })
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
    connection.pragma_update(None, "user_version", KIND.version)
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

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    plan_once(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}
