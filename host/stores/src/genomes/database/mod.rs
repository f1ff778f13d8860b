//! The databases beside the genomes, and what is done when one fails.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, Transaction, TransactionBehavior};

use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::steps::{Step, reached};
pub(super) use crate::opening::{CHECKPOINT_PAGES, Kind, LOG_BYTES};
use crate::opening::{damaged, is_damage, is_final, prepare, prepare_reader, touch};

/// Each commit is on the disk when it returns.
pub(super) fn synced(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "recursive_triggers", true)
}

/// A commit survives the process, and perhaps not a loss of power.
pub(super) fn unsynced(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "recursive_triggers", true)
}

/// A database that this process writes to.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    /// Why nothing is written any more.
    failed: Option<String>,
}

impl Database {
    /// Opens the database, made new where there is none.
    ///
    /// # Errors
    /// `Database`: it is not ours, of a later version, damaged, or cannot be written.
    pub(super) fn open(path: PathBuf, kind: &Kind) -> GenomeStoreResult<Self> {
        let opened =
            touch(&path).and_then(|()| prepare(&path, kind).map_err(|error| error.message()));
        match opened {
            Ok(connection) => Ok(Self { path, connection, failed: None }),
            Err(reason) => Err(GenomeStoreError::Database { path, reason }),
        }
    }

    /// All of `work`, committed, or nothing of it.
    ///
    /// # Errors
    /// `Database`. After a sync that failed nothing more is written, since the
    /// state of the disk is unknown.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> GenomeStoreResult<T> {
        if let Some(reason) = &self.failed {
            return Err(GenomeStoreError::Database {
                path: self.path.clone(),
                reason: reason.clone(),
            });
        }
        self.attempt(work).map_err(|error| {
            if is_final(&error) {
                self.failed = Some(format!(
                    "failed before ({error}), and nothing more is written to it; start the host \
                     anew, which checks it first"
                ));
                // The log is left for the next opening to check.
                let unchecked = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
                let _ = self.connection.set_db_config(unchecked, true);
            }
            explain(&self.path, &error)
        })
    }

    fn attempt<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        reached(Step::Transaction);
        let done = work(&transaction)?;
        reached(Step::Transaction);
        transaction.commit()?;
        reached(Step::Transaction);
        Ok(done)
    }
}

/// Opens a database that exists, to read from it beside its writer.
///
/// # Errors
/// `Database`: it cannot be opened, or is not ours.
pub(super) fn open_reader(path: &Path, kind: &Kind) -> GenomeStoreResult<Connection> {
    prepare_reader(path, kind).map_err(|refusal| GenomeStoreError::Database {
        path: path.to_path_buf(),
        reason: refusal.message(),
    })
}

/// SQLite's error as the store's callers know it.
pub(super) fn explain(path: &Path, error: &Error) -> GenomeStoreError {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("refused: {error}; make room on the disk"),
        _ if is_damage(error) => damaged(&error.to_string()),
        _ => format!("refused: {error}"),
    };
    GenomeStoreError::Database { path: path.to_path_buf(), reason }
}
