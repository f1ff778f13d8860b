//! Opens a database: is it ours, is it whole, and how is it set?
//!
//! Nothing is written to a file before these are known.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, Error, OpenFlags};

use super::super::disk;
use super::{Kind, is_damage, is_final};

/// What is left of the log after a burst.
const LOG_BYTES: u32 = 16 << 20;
/// Pages of log between checkpoints, as SQLite has it.
const CHECKPOINT_PAGES: i32 = 1000;

/// Why a database was not opened.
pub(super) enum Refusal {
    Words(String),
    Sqlite(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Refusal {
    /// For whoever can mend it.
    pub(super) fn words(self) -> String {
        match self {
            Self::Words(words) => words,
            Self::Sqlite(error) if is_damage(&error) => damaged(&error.to_string()),
            Self::Sqlite(error) => format!("cannot be opened: {error}"),
        }
    }
}

/// The file exists from now on, closed to others, if only as an empty one.
pub(super) fn touch(path: &Path) -> Result<(), String> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // SQLite would take the log for a stranger's and remove it.
    if length(path) == 0 && length(Path::new(&log)) > 0 {
        return Err("is missing or empty, and its log is not; put it back, or move the log \
                    away to begin anew"
            .into());
    }
    if path.exists() {
        return Ok(());
    }
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| format!("cannot be made: {error}"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    disk::sync_folder(folder).map_err(|error| error.to_string())
}

/// Opens a database to write to it, made new where the file is empty.
pub(super) fn prepare(path: &Path, kind: &Kind) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // A file that is refused is left as it is, its log too.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let is_new = is_new(&connection, kind)?;
    if !is_new {
        check(&connection)?;
    }
    set(&connection, kind)?;
    if is_new {
        make(&connection, kind)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    checkpoint(&mut connection)?;
    Ok(connection)
}

/// Opens a database that exists, to read from it.
pub(super) fn prepare_reader(path: &Path, kind: &Kind) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    match is_new(&connection, kind)? {
        true => Err(Refusal::Words("is empty; a host fills it when it starts".into())),
        false => Ok(connection),
    }
}

/// Whether the database is empty. If it is not, it must be ours.
fn is_new(connection: &Connection, kind: &Kind) -> Result<bool, Refusal> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(true);
    }
    if application != kind.application {
        return Err(Refusal::Words("is another program's database; move it away".into()));
    }
    if version != kind.version {
        return Err(Refusal::Words(format!(
            "was written by another version of this program (its tables are of version {version}, \
             this program's of version {}); start that one, or restore a backup",
            kind.version
        )));
    }
    Ok(false)
}

fn check(connection: &Connection) -> Result<(), Refusal> {
    let mut check = connection.prepare("PRAGMA quick_check(3)")?;
    let complaints = check.query_map([], |row| row.get::<_, String>(0))?;
    let complaints: Vec<_> = complaints.collect::<Result<_, _>>()?;
    if complaints == ["ok"] { Ok(()) } else { Err(Refusal::Words(damaged(&complaints.join("; ")))) }
}

pub(super) fn damaged(complaints: &str) -> String {
    format!(
        "is damaged or no database: {complaints}. Nothing was written to it; move it away with the \
         files of its name beside it, and restore a backup or begin anew"
    )
}

fn set(connection: &Connection, kind: &Kind) -> Result<(), Refusal> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Refusal::Words(format!(
            "cannot have a write-ahead log (its journal is {mode:?}); set `data_dir` to a folder on \
             a local disk"
        )));
    }
    let synchronous = if kind.is_synced { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    Ok(())
}

fn make(connection: &Connection, kind: &Kind) -> Result<(), Refusal> {
    let Kind { application, version, schema, .. } = kind;
    Ok(connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {application};
         PRAGMA user_version = {version};
         {schema}
         COMMIT;"
    ))?)
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
                tracing::debug!(%error, "the log was not written into the database");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }))
}
