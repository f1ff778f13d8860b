//! What agents keep by key, in `keyvalue.db` of the data folder.
//!
//! Opened when it is first used: most hosts grant no agent a store. A change is
//! written when it is answered, and survives the end of the process however
//! that comes; a loss of power may take the last changes away, never a part of
//! one. No other process writes, since the data folder is one host's.
//!
//! One call at a time works with the file, on a thread that may block; the others
//! wait without a thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chimera_layer4_core::keyvalue::{
    ABSENT, Change, Entry, KeyValueError, KeyValueStore, Place, check_room, weight,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Mutex;

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
    path: Arc<Path>,
    opened: Arc<Mutex<Option<Connection>>>,
    charge: fn(Duration),
}

impl SqliteKeyValue {
    /// The store at this path, which need not exist yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path: path.into(), opened: Arc::default(), charge: |_| {} }
    }

    /// With each call `charge` is called on the task that asked, with the processor
    /// time that the call took on the thread that did it.
    #[must_use]
    pub fn charging(self, charge: fn(Duration)) -> Self {
        Self { charge, ..self }
    }

    /// All of `work`, committed, or nothing of it.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        self.on_a_thread(move |file| file.transaction(work)).await
    }

    /// As [`transaction`](Self::transaction), for a call that makes no file: where
    /// there is none the answer is `T`'s default.
    async fn transaction_if_any<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let if_any = move |file: &mut File<'_>| {
            if file.path.exists() { file.transaction(work) } else { Ok(T::default()) }
        };
        self.on_a_thread(if_any).await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File<'_>) -> Result<T, KeyValueError> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let mut opened = Arc::clone(&self.opened).lock_owned().await;
        let path = Arc::clone(&self.path);
        let done = tokio::task::spawn_blocking(move || {
            let before = thread_time();
            let done = work(&mut File { path: &path, opened: &mut opened });
            (done, thread_time().saturating_sub(before))
        });
        match done.await {
            Ok((done, took)) => {
                (self.charge)(took);
                done
            }
            Err(error) => Err(failed(&self.path, &error.to_string())),
        }
    }
}

/// The file, as the one call has it that works with it.
struct File<'a> {
    path: &'a Path,
    opened: &'a mut Option<Connection>,
}

impl File<'_> {
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused>,
    ) -> Result<T, KeyValueError> {
        let connection = match &mut *self.opened {
            Some(connection) => connection,
            none => none.insert(open(self.path)?),
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
                    *self.opened = None;
                }
                failed(self.path, &error.to_string())
            }
        })
    }
}

fn open(path: &Path) -> Result<Connection, KeyValueError> {
    opening::touch(path).map_err(|reason| failed(path, &reason))?;
    opening::prepare(path, &KIND).map_err(|refusal| failed(path, &refusal.message()))
}

fn failed(path: &Path, reason: &str) -> KeyValueError {
    KeyValueError::Failed { reason: format!("{} {reason}", path.display()) }
}

/// Processor time of this thread so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A [`Place`] that goes to another thread.
struct OwnedPlace {
    space: String,
    bucket: String,
}

impl OwnedPlace {
    fn as_place(&self) -> Place<'_> {
        Place { space: &self.space, bucket: &self.bucket }
    }
}

impl From<Place<'_>> for OwnedPlace {
    fn from(at: Place<'_>) -> Self {
        Self { space: at.space.to_owned(), bucket: at.bucket.to_owned() }
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

#[async_trait]
impl KeyValueStore for SqliteKeyValue {
    async fn read(
        &self,
        at: Place<'_>,
        keys: &[String],
        most: u64,
    ) -> Result<Vec<Option<Entry>>, KeyValueError> {
        let (at, keys) = (OwnedPlace::from(at), keys.to_vec());
        self.transaction(move |transaction| {
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
        .await
    }

    async fn version(&self, at: Place<'_>, key: &str) -> Result<u64, KeyValueError> {
        let (at, key) = (OwnedPlace::from(at), key.to_owned());
        self.transaction(move |transaction| {
            let found = found(transaction, at.as_place(), &key)?;
            Ok(found.map_or(ABSENT, |(_, version)| version))
        })
        .await
    }

    async fn change(
        &self,
        at: Place<'_>,
        changes: Vec<Change>,
        most: u64,
    ) -> Result<(), KeyValueError> {
        let at = OwnedPlace::from(at);
        self.transaction(move |transaction| {
            let at = at.as_place();
            let before = kept(transaction, at.space)?;
            let mut bytes = before;
            // Each key as it was before any of these changes.
            for change in &changes {
                let version = found(transaction, at, &change.key)?.map_or(ABSENT, |(_, v)| v);
                if change.expected.is_some_and(|expected| expected != version) {
                    return Err(KeyValueError::Conflict.into());
                }
            }
            for change in &changes {
                bytes = apply(transaction, at, change, bytes)?;
            }
            check_room(before, bytes, most)?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO spaces (space, bytes) VALUES (?1, ?2)")?
                .execute(params![at.space, number(bytes)])?;
            Ok(())
        })
        .await
    }

    async fn keys(
        &self,
        at: Place<'_>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, KeyValueError> {
        let at = OwnedPlace::from(at);
        self.transaction(move |transaction| {
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
        .await
    }

    async fn bytes(&self, space: &str) -> Result<u64, KeyValueError> {
        let space = space.to_owned();
        self.transaction_if_any(move |transaction| Ok(kept(transaction, &space)?)).await
    }

    async fn spaces(&self) -> Result<Vec<(String, u64)>, KeyValueError> {
        self.transaction_if_any(|transaction| {
            let mut list = transaction
                .prepare_cached("SELECT space, bytes FROM spaces WHERE bytes > 0 ORDER BY space")?;
            let rows = list.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn clear(&self, space: &str) -> Result<u64, KeyValueError> {
        let space = space.to_owned();
        self.transaction_if_any(move |transaction| {
            let bytes = kept(transaction, &space)?;
            transaction.execute("DELETE FROM entries WHERE space = ?1", [&space])?;
            transaction.execute("DELETE FROM spaces WHERE space = ?1", [&space])?;
            Ok(bytes)
        })
        .await
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
