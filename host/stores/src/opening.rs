//! Opens a database: is it ours, is it whole, and how is it set?
//!
//! Nothing is written to a file before these are known.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, ffi};

/// Which database a file should be, and how it is worked with.
pub(super) struct Kind {
    /// In the place that SQLite's header has for it.
    pub(super) application: i32,
    /// Of the tables. A higher one is a later program's.
    pub(super) version: i32,
    pub(super) schema: &'static str,
    /// Pages of log between checkpoints.
    pub(super) checkpoint_pages: i32,
    /// What is left of the log after a burst.
    pub(super) log_bytes: u32,
    /// Settings of its own.
    pub(super) tune: fn(&Connection) -> rusqlite::Result<()>,
}

/// What is left of a small database's log after a burst.
pub(super) const LOG_BYTES: u32 = 16 << 20;
/// Pages of log between checkpoints, as SQLite has it.
pub(super) const CHECKPOINT_PAGES: i32 = 1000;

/// The file is no link. SQLite asks the same of every part of the path, so
/// databases are opened by a path without links.
const NO_LINKS: OpenFlags = OpenFlags::SQLITE_OPEN_NOFOLLOW;

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
    /// The message for the operator who can repair it.
    pub(super) fn message(self) -> String {
        match self {
            Self::Words(message) => message,
            Self::Sqlite(error) if is_damage(&error) => damaged(&error.to_string()),
            Self::Sqlite(error) => format!("cannot be opened: {error}"),
        }
    }
}

/// Whether a database is there and cannot be read, which another start does not repair.
pub(super) fn is_damaged(path: &Path, kind: &Kind) -> bool {
    let opened = path.exists().then(|| prepare(path, kind));
    matches!(opened, Some(Err(Refusal::Sqlite(error))) if is_damage(&error))
}

/// The file exists from now on, closed to others, if only as an empty one.
pub(super) fn touch(path: &Path) -> Result<(), String> {
    check_files(path).map_err(Refusal::message)?;
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
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| format!("cannot be made: {error}"))
}

/// Whether a database and the files beside it are this user's, and no links.
/// No other user can enter their folder now; another user may have before.
///
/// They are judged before any of them is opened: a pipe would wait for its writer.
pub(super) fn check_files(path: &Path) -> Result<(), Refusal> {
    let us = rustix::process::geteuid().as_raw();
    for ending in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let file = PathBuf::from(name);
        let Ok(found) = fs::symlink_metadata(&file) else { continue };
        let wrong = match found.uid() {
            _ if !found.is_file() => "is no file, or a link".to_owned(),
            owner if ![us, 0].contains(&owner) => {
                format!("belongs to user {owner}, who can change it, and this is user {us}")
            }
            _ => continue,
        };
        let file = file.display();
        return Err(Refusal::Words(format!(
            "cannot be opened: {file} {wrong}; move it away after a look at what it is"
        )));
    }
    Ok(())
}

/// Opens a database to write to it, made new where the file is empty.
pub(super) fn prepare(path: &Path, kind: &Kind) -> Result<Connection, Refusal> {
    check_files(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | NO_LINKS;
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
    checkpoint(&mut connection, kind.checkpoint_pages)?;
    Ok(connection)
}

/// Opens a database that exists, to read from it.
pub(super) fn prepare_reader(path: &Path, kind: &Kind) -> Result<Connection, Refusal> {
    check_files(path)?;
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
        return Err(Refusal::Words(
            "is another program's database; move it away, or set `data_dir` to another folder"
                .into(),
        ));
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
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "journal_size_limit", kind.log_bytes, |_| Ok(()))?;
    (kind.tune)(connection)?;
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
/// itself, and report no sync that failed: the log may have a hole then that no
/// later sync reports.
fn checkpoint(connection: &mut Connection, most: i32) -> rusqlite::Result<()> {
    connection.wal_hook(Some(move |log: &mut Wal, pages: i32| {
        if pages < most {
            return Ok(());
        }
        match log.checkpoint() {
            Err(error) if is_final(&error) => Err(error),
            Err(error) => {
                // On a full disk the log keeps growing, and the next commit tries again.
                tracing::debug!(%error, "the log was not written into the database");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }))
}

/// Whether nothing more may be written. After a failed sync the state of the
/// disk is unknown: the system drops pages that it could not write, and reports
/// that only once.
pub(super) fn is_final(error: &Error) -> bool {
    let Some(failure) = error.sqlite_error() else { return false };
    is_damage(error)
        || [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&failure.extended_code)
}

/// Whether the file itself is at fault.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
