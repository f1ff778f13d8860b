//! Real tasks, kept to judge the next genome by: a bounded sample of each
//! agent type's.
//!
//! It is written without a sync. What a loss of power takes is the newest of a
//! sample, and a sample without it is as good.

mod reservoir;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use chimera_layer4_core::scheduler::Timestamp;
use chimera_layer4_core::{Digest, TaskId};
use fastrand::Rng;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Transaction, params};

use super::GenomeStore;
use super::columns;
use super::database::{CHECKPOINT_PAGES, Database, Kind, LOG_BYTES, unsynced};
use super::disk;
use super::errors::GenomeStoreResult;
use super::folder::Folder;
use crate::opening;
use reservoir::{Kept, Reservoir};

const FILE: &str = "recordings.db";
const KIND: Kind = Kind {
    application: 0x6368_6c72, // "chlr"
    version: 1,
    schema: include_str!("schema.sql"),
    checkpoint_pages: CHECKPOINT_PAGES,
    log_bytes: LOG_BYTES,
    tune: unsynced,
};
/// What a row takes beside its texts.
const ROW_BYTES: u64 = 256;

/// How much is kept.
#[derive(Clone, Debug)]
pub struct RecordingsOptions {
    /// Tasks of one agent type; zero keeps none.
    pub max_tasks: usize,
    /// Bytes of one agent type's tasks. A task that alone has more is passed over.
    pub max_bytes: u64,
    /// Agent types. Tasks of more are passed over.
    pub max_types: usize,
    /// What the lots are drawn from.
    pub seed: u64,
}

/// A task that ran, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Which task.
    pub task_id: TaskId,
    /// What the agent was given, as JSON.
    pub payload: String,
    /// What it answered, as JSON; empty when it failed.
    pub output: String,
    /// Whether it succeeded.
    pub success: bool,
    /// How long it ran, in microseconds.
    pub latency_us: u64,
    /// The genome that ran it.
    pub genome: Digest,
    /// How right the answer was, from 0 to 1, if it was judged.
    pub validated: Option<f64>,
    /// When it ended.
    pub at: Timestamp,
}

/// What became of tasks that were handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Kept; a later one of the same batch may have replaced some again.
    pub kept: usize,
    /// Not drawn, too large, or of one agent type too many.
    pub passed_over: usize,
}

/// The recorded tasks of all agent types.
#[derive(Debug)]
pub struct Recordings {
    inner: Mutex<Inner>,
    options: RecordingsOptions,
    /// No other process writes while this lives.
    _folder: Arc<Folder>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    types: HashMap<String, Reservoir>,
    rng: Rng,
}

impl Recordings {
    /// Opens the recordings of a store, made new where there are none.
    ///
    /// # Errors
    /// `Database`: it is damaged, of a later version, or cannot be written.
    pub fn open(store: &GenomeStore, options: RecordingsOptions) -> GenomeStoreResult<Self> {
        let folder = store.folder.clone();
        let path = folder.layout().root().join(FILE);
        let mut database = Database::open(path, &KIND)?;
        let types = database.transaction(rows::restore)?;
        let rng = Rng::with_seed(options.seed);
        let inner = Mutex::new(Inner { database, types, rng });
        Ok(Self { inner, options, _folder: folder })
    }

    /// As [`open`](Self::open); a database that is damaged is put aside and begun
    /// anew, since no host should stay down for a sample.
    ///
    /// # Errors
    /// `Database`: it is of a later version, or cannot be written; `Failed` when
    /// it cannot be put aside.
    pub fn open_or_begin(
        store: &GenomeStore,
        options: RecordingsOptions,
    ) -> GenomeStoreResult<Self> {
        let path = store.folder.layout().root().join(FILE);
        if opening::is_damaged(&path, &KIND) {
            tracing::warn!(path = %path.display(), "recorded tasks are damaged, and begun anew");
            for ending in ["db", "db-wal", "db-shm"] {
                let part = path.with_extension(ending);
                if part.exists() {
                    disk::rename(&part, &path.with_extension(format!("{ending}.damaged")))?;
                }
            }
        }
        Self::open(store, options)
    }

    /// Hands in tasks of an agent type, of which some are kept.
    ///
    /// # Errors
    /// `Database`, and none was kept.
    pub fn record(&self, agent_type: &str, tasks: &[Recorded]) -> GenomeStoreResult<Sampled> {
        let mut inner = self.lock();
        let Inner { database, types, rng } = &mut *inner;
        let is_one_too_many =
            !types.contains_key(agent_type) && types.len() >= self.options.max_types;
        if is_one_too_many || self.options.max_tasks == 0 {
            return Ok(Sampled { kept: 0, passed_over: tasks.len() });
        }
        // What is drawn is believed once it is written.
        let mut reservoir = types.get(agent_type).cloned().unwrap_or_default();
        let sampled = database.transaction(|transaction| {
            let mut sampled = Sampled::default();
            for task in tasks {
                if draw(transaction, agent_type, task, &mut reservoir, &self.options, rng)? {
                    sampled.kept += 1;
                } else {
                    sampled.passed_over += 1;
                }
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO seen (agent_type, tasks) VALUES (?1, ?2)")?
                .execute(params![agent_type, columns::number(reservoir.seen)])?;
            Ok(sampled)
        })?;
        types.insert(agent_type.to_owned(), reservoir);
        Ok(sampled)
    }

    /// Up to `limit` of an agent type's tasks, drawn by lot, in any order.
    ///
    /// # Errors
    /// `Database`.
    pub fn sample(&self, agent_type: &str, limit: usize) -> GenomeStoreResult<Vec<Recorded>> {
        let mut inner = self.lock();
        let Inner { database, types, rng } = &mut *inner;
        let Some(reservoir) = types.get(agent_type) else { return Ok(Vec::new()) };
        let drawn = rng.choose_multiple(reservoir.kept(), limit);
        database.transaction(|transaction| {
            let mut select = transaction.prepare_cached(rows::SELECT)?;
            drawn.iter().map(|kept| select.query_row([kept.seq], rows::recorded)).collect()
        })
    }

    /// How many of an agent type's tasks are kept.
    #[must_use]
    pub fn count(&self, agent_type: &str) -> usize {
        self.lock().types.get(agent_type).map_or(0, |reservoir| reservoir.kept().len())
    }

    /// Notes how right a task's answer was, from 0 to 1. Says whether the task
    /// is kept.
    ///
    /// # Errors
    /// `Database`.
    pub fn judge(&self, task_id: TaskId, accuracy: f64) -> GenomeStoreResult<bool> {
        self.lock().database.transaction(|transaction| {
            let mut update = transaction
                .prepare_cached("UPDATE recordings SET validated = ?2 WHERE task_id = ?1")?;
            Ok(update.execute(params![task_id.to_string(), accuracy])? > 0)
        })
    }

    /// Forgets an agent type's tasks, and returns how many.
    ///
    /// # Errors
    /// `Database`.
    pub fn clear(&self, agent_type: &str) -> GenomeStoreResult<usize> {
        let mut inner = self.lock();
        let gone = inner.database.transaction(|transaction| {
            transaction.execute("DELETE FROM seen WHERE agent_type = ?1", [agent_type])?;
            transaction.execute("DELETE FROM recordings WHERE agent_type = ?1", [agent_type])
        })?;
        inner.types.remove(agent_type);
        Ok(gone)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Keeps a task if it is drawn, in the place of others if need be.
fn draw(
    transaction: &Transaction<'_>,
    agent_type: &str,
    task: &Recorded,
    reservoir: &mut Reservoir,
    options: &RecordingsOptions,
    rng: &mut Rng,
) -> rusqlite::Result<bool> {
    let bytes = (task.payload.len() + task.output.len()) as u64 + ROW_BYTES;
    // Counted first: it was seen, whatever its size.
    if !reservoir.admits(options.max_tasks, rng) || bytes > options.max_bytes {
        return Ok(false);
    }
    let seq = rows::insert(transaction, agent_type, task, bytes)?;
    let gone = reservoir.keep(Kept { seq, bytes }, options.max_tasks, options.max_bytes, rng);
    let mut delete = transaction.prepare_cached("DELETE FROM recordings WHERE seq = ?1")?;
    gone.into_iter().try_for_each(|seq| delete.execute([seq]).map(drop))?;
    Ok(true)
}
