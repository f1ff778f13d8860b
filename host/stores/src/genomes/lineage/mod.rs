//! Why a genome is in charge: a record that is only ever added to.
//!
//! The genome in charge of an agent type is whatever the last entry that put
//! one in charge says. Hence one append, synced, is the whole switch: before
//! it the old genome is in charge, after it the new one, and a crash knows
//! nothing between. The table of active genomes is written in the same
//! transaction and follows from the entries; where it does not, it is made anew.

mod reader;

use std::sync::Arc;

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::scheduler::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Transaction, params};

use super::GenomeStore;
use super::columns;
use super::database::{CHECKPOINT_PAGES, Database, Kind, LOG_BYTES, synced};
use super::errors::{GenomeStoreError, GenomeStoreResult};
use super::folder::Folder;
use super::steps::{Step, reached};
pub use reader::{Entries, LineageReader};

const FILE: &str = "lineage.db";
const KIND: Kind = Kind {
    application: 0x6368_6c6c, // "chll"
    version: 1,
    schema: include_str!("schema.sql"),
    checkpoint_pages: CHECKPOINT_PAGES,
    log_bytes: LOG_BYTES,
    tune: synced,
};
/// The most evidence that one entry carries.
const EVENT_BYTES: usize = 4 << 20;

/// Something to record; its place follows from when it is.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// When.
    pub at: Timestamp,
    /// To which genome it happened.
    pub genome: Digest,
    /// For which agents; `None` where it concerns the genome as such.
    pub agent_type: Option<String>,
    /// What, and the evidence.
    pub event: Event,
}

impl NewEntry {
    /// The genome that is in charge of the agent type from here on, if the
    /// entry is about that.
    fn activates(&self) -> Option<Digest> {
        let active = self.event.puts_in_charge(self.genome);
        active.filter(|_| self.agent_type.is_some())
    }
}

/// The genome in charge of an agent type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its name.
    pub genome: Digest,
    /// The entry that put it in charge.
    pub sequence: u64,
}

/// Adds to the lineage, and reads it.
#[derive(Debug)]
pub struct Lineage {
    database: Mutex<Database>,
    reader: LineageReader,
    /// No other process writes while this lives.
    _folder: Arc<Folder>,
}

impl Lineage {
    /// Opens the lineage of a store, made new where there is none.
    ///
    /// # Errors
    /// `Database`: it is damaged, of a later version, or cannot be written.
    pub fn open(store: &GenomeStore) -> GenomeStoreResult<Self> {
        let folder = store.folder.clone();
        let root = folder.layout().root();
        let mut database = Database::open(root.join(FILE), &KIND)?;
        if database.transaction(follow_entries)? {
            tracing::warn!("the table of active genomes was made anew from the lineage");
        }
        let reader = LineageReader::open(root)?;
        Ok(Self { database: Mutex::new(database), reader, _folder: folder })
    }

    /// Records one thing, and returns its place. It lasts when this returns.
    ///
    /// # Errors
    /// `Database`, and nothing was recorded.
    pub fn append(&self, entry: NewEntry) -> GenomeStoreResult<u64> {
        let sequences = self.append_all(&[entry])?;
        Ok(sequences.last().copied().unwrap_or_default())
    }

    /// Records several things together or not at all, and returns their places.
    ///
    /// # Errors
    /// `Database`, and nothing was recorded.
    pub fn append_all(&self, entries: &[NewEntry]) -> GenomeStoreResult<Vec<u64>> {
        let texts = entries.iter().map(|entry| self.text(&entry.event));
        let texts = texts.collect::<GenomeStoreResult<Vec<_>>>()?;
        let mut database = self.database.lock();
        database.transaction(|transaction| {
            let each = entries.iter().zip(&texts);
            each.map(|(entry, text)| insert(transaction, entry, text)).collect()
        })
    }

    /// Reads the lineage.
    #[must_use]
    pub fn reader(&self) -> &LineageReader {
        &self.reader
    }

    fn text(&self, event: &Event) -> GenomeStoreResult<String> {
        let refused =
            |reason| GenomeStoreError::Database { path: self.reader.path().to_path_buf(), reason };
        let text = serde_json::to_string(event)
            .map_err(|error| refused(format!("cannot keep an entry that is no JSON: {error}")))?;
        match text.len() {
            bytes if bytes > EVENT_BYTES => Err(refused(format!(
                "takes entries of up to {EVENT_BYTES} bytes, and this has {bytes}: keep a summary of \
                 the evidence"
            ))),
            _ => Ok(text),
        }
    }
}

fn insert(transaction: &Transaction<'_>, entry: &NewEntry, text: &str) -> rusqlite::Result<u64> {
    let NewEntry { at, genome, agent_type, .. } = entry;
    let activates = entry.activates().map(|genome| genome.to_string());
    let at = columns::number(at.0);
    transaction
        .prepare_cached(
            "INSERT INTO entries (seq, at, agent_type, genome, activates, event)
             VALUES ((SELECT coalesce(max(seq) + 1, 0) FROM entries), ?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![at, agent_type, genome.to_string(), activates, text])?;
    let sequence = transaction.last_insert_rowid();
    reached(Step::Transaction);
    if let Some(genome) = activates {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO active (agent_type, genome, seq) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![agent_type, genome, sequence])?;
        reached(Step::Transaction);
    }
    Ok(columns::unsigned(sequence))
}

/// Has the active genomes be those that the entries say. Says whether they
/// were not.
fn follow_entries(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    /// The other columns of a group with `max` are those of the highest row.
    const SAID: &str = "SELECT agent_type, activates, max(seq) FROM entries
                        WHERE activates IS NOT NULL GROUP BY agent_type";
    let differ: bool = transaction.query_row(
        &format!(
            "SELECT EXISTS (SELECT * FROM ({SAID}) EXCEPT SELECT * FROM active)
                 OR EXISTS (SELECT * FROM active EXCEPT SELECT * FROM ({SAID}))"
        ),
        [],
        |row| row.get(0),
    )?;
    if differ {
        transaction.execute_batch(&format!("DELETE FROM active; INSERT INTO active {SAID};"))?;
    }
    Ok(differ)
}
