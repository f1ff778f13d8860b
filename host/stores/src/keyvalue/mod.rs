//! What agents keep by key, in `keyvalue.db` of the data folder.
//!
//! Opened when it is first used: most hosts grant no agent a store. A change is
//! written when it is answered, and survives the end of the process however
//! that comes; a loss of power may take the last changes away, never a part of
//! one. Nobody else writes, since the data folder is one host's.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use chimera_layer4_core::keyvalue::{
    ABSENT, Change, Entry, KeyValueError, KeyValueStore, Place, check_room, weight,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::columns::{number, unsigned};
use super::opening::{self, CHECKPOINT_PAGES, Kind, LOG_BYTES};

const KIND: Kind = Kind {
    application: 0x6368_6b76, // "chkv"
    version: 1,
    schema: include_str!("schema.sql"),
    checkpoint_pages: CHECKPOINT_PAGES,
    log_bytes: LOG_BYTES,
    tune: |connection| connection.pragma_update(None, "synchronous", "NORMAL"),
};

/// A store in a file.
#[derive(Debug)]
pub struct SqliteKeyValue {
    path: PathBuf,
    opened: Mutex<Option<Connection>>,
}

impl SqliteKeyValue {
    /// The store at this path, which need not exist yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, opened: Mutex::default() }
    }

    /// All of `work`, committed, or nothing of it.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused>,
    ) -> Result<T, KeyValueError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *opened {
            Some(connection) => connection,
            none => none.insert(self.open()?),
        };
        let done = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        done().map_err(|refused| match refused {
            Refused::As(error) => error,
            Refused::Sqlite(error) => {
                if opening::is_final(&error) {
                    // The next call opens it anew, and checks it first.
                    *opened = None;
                }
                self.failed(&error.to_string())
            }
        })
    }

    fn open(&self) -> Result<Connection, KeyValueError> {
        opening::touch(&self.path).map_err(|reason| self.failed(&reason))?;
        opening::prepare(&self.path, &KIND).map_err(|refusal| self.failed(&refusal.words()))
    }

    fn failed(&self, reason: &str) -> KeyValueError {
        KeyValueError::Failed { reason: format!("{} {reason}", self.path.display()) }
    }
}

/// Why a transaction is not committed.
enum Refused {
    As(KeyValueError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<KeyValueError> for Refused {
    fn from(error: KeyValueError) -> Self {
        Self::As(error)
    }
}

impl KeyValueStore for SqliteKeyValue {
    fn read(
        &self,
        at: Place<'_>,
        keys: &[String],
        most: u64,
    ) -> Result<Vec<Option<Entry>>, KeyValueError> {
        self.transaction(|transaction| {
            let mut find = transaction.prepare_cached(
                "SELECT value, version FROM entries WHERE space = ?1 AND bucket = ?2 AND key = ?3",
            )?;
            let mut room = most;
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                let entry = find
                    .query_row(params![at.space, at.bucket, key], |row| {
                        Ok(Entry { value: row.get(0)?, version: unsigned(row.get(1)?) })
                    })
                    .optional()?;
                let bytes = entry.as_ref().map_or(0, |entry| entry.value.len() as u64);
                room = room.checked_sub(bytes).ok_or(KeyValueError::TooMuch { most })?;
                found.push(entry);
            }
            Ok(found)
        })
    }

    fn version(&self, at: Place<'_>, key: &str) -> Result<u64, KeyValueError> {
        self.transaction(|transaction| {
            Ok(found(transaction, at, key)?.map_or(ABSENT, |(_, version)| version))
        })
    }

    fn change(&self, at: Place<'_>, changes: &[Change], most: u64) -> Result<(), KeyValueError> {
        self.transaction(|transaction| {
            let before = kept(transaction, at.space)?;
            let mut bytes = before;
            // Each key as it was before any of these changes.
            for change in changes {
                let version = found(transaction, at, &change.key)?.map_or(ABSENT, |(_, v)| v);
                if change.expected.is_some_and(|expected| expected != version) {
                    return Err(KeyValueError::Conflict.into());
                }
            }
            for change in changes {
                bytes = apply(transaction, at, change, bytes)?;
            }
            check_room(before, bytes, most)?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO spaces (space, bytes) VALUES (?1, ?2)")?
                .execute(params![at.space, number(bytes)])?;
            Ok(())
        })
    }

    fn keys(
        &self,
        at: Place<'_>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, KeyValueError> {
        self.transaction(|transaction| {
            let mut list = transaction.prepare_cached(
                "SELECT key, version FROM entries
                 WHERE space = ?1 AND bucket = ?2 AND version > ?3 ORDER BY version LIMIT ?4",
            )?;
            let (after, limit) = (number(after), number(limit as u64));
            let rows = list.query_map(params![at.space, at.bucket, after, limit], |row| {
                Ok((row.get(0)?, unsigned(row.get(1)?)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn bytes(&self, space: &str) -> Result<u64, KeyValueError> {
        // Whoever asks how much there is makes no file.
        if !self.path.exists() {
            return Ok(0);
        }
        self.transaction(|transaction| Ok(kept(transaction, space)?))
    }

    fn spaces(&self) -> Result<Vec<(String, u64)>, KeyValueError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        self.transaction(|transaction| {
            let mut list = transaction
                .prepare_cached("SELECT space, bytes FROM spaces WHERE bytes > 0 ORDER BY space")?;
            let rows = list.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn clear(&self, space: &str) -> Result<u64, KeyValueError> {
        if !self.path.exists() {
            return Ok(0);
        }
        self.transaction(|transaction| {
            let bytes = kept(transaction, space)?;
            transaction.execute("DELETE FROM entries WHERE space = ?1", [space])?;
            transaction.execute("DELETE FROM spaces WHERE space = ?1", [space])?;
            Ok(bytes)
        })
    }
}

fn kept(transaction: &Transaction<'_>, space: &str) -> rusqlite::Result<u64> {
    let mut find = transaction.prepare_cached("SELECT bytes FROM spaces WHERE space = ?1")?;
    let bytes = find.query_row([space], |row| row.get(0)).optional()?;
    Ok(bytes.map(unsigned).unwrap_or_default())
}

/// The bytes of a key's value, and its version.
fn found(
    transaction: &Transaction<'_>,
    at: Place<'_>,
    key: &str,
) -> rusqlite::Result<Option<(u64, u64)>> {
    transaction
        .prepare_cached(
            "SELECT length(value), version FROM entries
             WHERE space = ?1 AND bucket = ?2 AND key = ?3",
        )?
        .query_row(params![at.space, at.bucket, key], |row| {
            Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
        })
        .optional()
}

/// Makes one change; the answer is what the space takes then.
fn apply(
    transaction: &Transaction<'_>,
    at: Place<'_>,
    change: &Change,
    bytes: u64,
) -> rusqlite::Result<u64> {
    let (Place { space, bucket }, key) = (at, &change.key);
    let old =
        found(transaction, at, key)?.map_or(0, |(length, _)| weight(bucket, key, &[]) + length);
    let new = change.value.as_ref().map_or(0, |value| weight(bucket, key, value));
    match &change.value {
        None => transaction
            .prepare_cached("DELETE FROM entries WHERE space = ?1 AND bucket = ?2 AND key = ?3")?
            .execute(params![space, bucket, key])?,
        Some(value) => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO entries (space, bucket, key, value) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![space, bucket, key, value])?,
    };
    Ok(bytes.saturating_sub(old).saturating_add(new))
}
