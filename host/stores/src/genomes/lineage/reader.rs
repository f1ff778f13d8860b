//! What the lineage says.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::lineage::Entry;
use chimera_layer4_core::scheduler::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::errors::GenomeStoreResult;
use super::super::{columns, database};
use super::{Active, FILE, KIND};

/// The most entries of one answer.
const ANSWER: usize = 1000;

/// Which entries to look at, in their order.
#[derive(Clone, Debug, Default)]
pub struct Entries<'a> {
    /// Only of this agent type.
    pub agent_type: Option<&'a str>,
    /// Only of this genome.
    pub genome: Option<Digest>,
    /// Only those behind this place.
    pub after: Option<u64>,
    /// So many at most; never more than a thousand.
    pub limit: usize,
}

/// Reads the lineage, also while a host adds to it.
#[derive(Debug)]
pub struct LineageReader {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl LineageReader {
    /// Opens the lineage in a store's folder to read it.
    ///
    /// # Errors
    /// `Database`: there is none, or it is not ours.
    pub fn open(folder: &Path) -> GenomeStoreResult<Self> {
        let path = folder.join(FILE);
        let connection = Mutex::new(database::open_reader(&path, &KIND)?);
        Ok(Self { connection, path })
    }

    /// Entries in their order.
    ///
    /// # Errors
    /// `Database`.
    pub fn entries(&self, which: &Entries<'_>) -> GenomeStoreResult<Vec<Entry>> {
        const SELECT: &str = "SELECT seq, agent_type, genome, at, event FROM entries";
        let by = match (which.agent_type, which.genome) {
            (Some(_), Some(_)) => "agent_type = ?1 AND genome = ?2",
            (Some(_), None) => "agent_type = ?1 AND ?2 IS NULL",
            (None, Some(_)) => "?1 IS NULL AND genome = ?2",
            (None, None) => "?1 IS NULL AND ?2 IS NULL",
        };
        self.ask(|connection| {
            let sql = format!("{SELECT} WHERE {by} AND seq > ?3 ORDER BY seq LIMIT ?4");
            let genome = which.genome.map(|genome| genome.to_string());
            let after = which.after.map_or(-1, columns::number);
            let limit = columns::number(which.limit.min(ANSWER) as u64);
            let mut select = connection.prepare_cached(&sql)?;
            let rows = select.query_map(params![which.agent_type, genome, after, limit], entry)?;
            rows.collect()
        })
    }

    /// The genome in charge of an agent type.
    ///
    /// # Errors
    /// `Database`.
    pub fn active(&self, agent_type: &str) -> GenomeStoreResult<Option<Active>> {
        self.ask(|connection| {
            let mut select = connection
                .prepare_cached("SELECT genome, seq FROM active WHERE agent_type = ?1")?;
            select.query_row([agent_type], |row| active(row, 0)).optional()
        })
    }

    /// The genomes in charge, by agent type.
    ///
    /// # Errors
    /// `Database`.
    pub fn all_active(&self) -> GenomeStoreResult<BTreeMap<String, Active>> {
        self.ask(|connection| {
            let mut select =
                connection.prepare_cached("SELECT agent_type, genome, seq FROM active")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, active(row, 1)?)))?;
            rows.collect()
        })
    }

    /// Every genome that something is recorded of since, or that is in charge.
    ///
    /// # Errors
    /// `Database`.
    pub fn genomes_since(&self, at: Timestamp) -> GenomeStoreResult<HashSet<Digest>> {
        self.ask(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT genome FROM entries WHERE at >= ?1
                 UNION SELECT activates FROM entries WHERE at >= ?1 AND activates IS NOT NULL
                 UNION SELECT genome FROM active",
            )?;
            let rows = select.query_map([columns::number(at.0)], |row| columns::digest(row, 0))?;
            rows.collect()
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn ask<A>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<A>,
    ) -> GenomeStoreResult<A> {
        let connection = self.connection.lock();
        question(&connection).map_err(|error| database::explain(&self.path, &error))
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        sequence: columns::unsigned(row.get(0)?),
        agent_type: row.get(1)?,
        genome: columns::digest(row, 2)?,
        at: Timestamp(columns::unsigned(row.get(3)?)),
        event: columns::json(row, 4)?,
    })
}

fn active(row: &Row<'_>, first: usize) -> rusqlite::Result<Active> {
    let genome = columns::digest(row, first)?;
    Ok(Active { genome, sequence: columns::unsigned(row.get(first + 1)?) })
}
