//! What the disk and SQLite take by themselves.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{Connection, params};

/// What a log of SQLite's writes at the least.
const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;
const BODY: [u8; 256] = [b'x'; 256];

const INSERT: &str = "INSERT INTO tasks (state, body) VALUES (0, ?1)";
const MOVE: &str = "UPDATE tasks SET state = ?2 WHERE id = ?1";

/// A table of tasks, with the settings of the host's own database.
pub(crate) struct Table(Connection);

impl Table {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("bare.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -32768;
             PRAGMA wal_autocheckpoint = 4000;
             PRAGMA journal_size_limit = 67108864;
             CREATE TABLE tasks (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, body BLOB) STRICT;",
        )?;
        Ok(Self(connection))
    }

    /// Inserts, claims and finishes, with a commit of each for so many rows:
    /// rows that had all three in a second.
    pub(crate) fn lifecycles(&self, rows: i64, span: Duration) -> Result<f64> {
        let started = Instant::now();
        let mut done = 0;
        while done == 0 || started.elapsed() < span {
            let first = self.commit(|| {
                let mut insert = self.0.prepare_cached(INSERT)?;
                (0..rows).try_for_each(|_| insert.execute([BODY]).map(drop))?;
                Ok(self.0.last_insert_rowid() - rows + 1)
            })?;
            for state in [1, 2] {
                self.commit(|| {
                    let mut moved = self.0.prepare_cached(MOVE)?;
                    (first..first + rows)
                        .try_for_each(|id| moved.execute(params![id, state]).map(drop))
                })?;
            }
            done += rows;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    }

    /// One row, committed.
    pub(crate) fn insert(&self) -> Result<()> {
        self.0.prepare_cached(INSERT)?.execute([BODY])?;
        Ok(())
    }

    fn commit<T>(&self, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = work()?;
        self.0.prepare_cached("COMMIT")?.execute([])?;
        Ok(done)
    }
}

/// A file whose blocks are all there, so that a sync writes data only.
pub(crate) struct Blocks {
    file: File,
    next: u64,
}

impl Blocks {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let file = File::create(folder.join("blocks"))?;
        for block in 0..BLOCKS {
            file.write_all_at(&[0; BLOCK], block * BLOCK as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    /// One block, written and synced.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let at = self.next % BLOCKS * BLOCK as u64;
        self.next += 1;
        self.file.write_all_at(&[1; BLOCK], at)?;
        Ok(self.file.sync_data()?)
    }
}
