//! The one thread that writes.
//!
//! A sync of the disk costs as much as a hundred commands, so whatever has
//! come in meanwhile is committed together. A command is never kept waiting
//! for company: alone, it is committed alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chimera_layer4_core::scheduler::store::{StoreError, Swept, TaskQueue};
use rusqlite::Error;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc;

use super::command::{Command, Commit};
use super::errors::{explain, is_final};
use super::folder::Folder;
use super::reader::Reader;
use super::rows::SqliteRows;
use super::{SqliteOptions, mend, schema};

/// Of the pages that a database may have, as many again may hold what those
/// bring that were taken before.
const ABOVE: u64 = 8;
/// Commands in one transaction. More would make the first wait for the last.
const BATCH: usize = 2048;

/// A command as it is sent to this thread.
pub(super) type Sent = Box<dyn Command>;

/// What becomes of the leases that the process before had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leases {
    /// The opener is a host: they are lost, and it says so.
    Ended,
    /// The opener runs nothing.
    Kept,
}

/// Owns the database while it is open. Fields are dropped in this order.
pub(super) struct Writer {
    queue: TaskQueue<SqliteRows>,
    /// How the connection commits now.
    commit: Commit,
    /// Why nothing is written any more.
    failed: Option<StoreError>,
    reader: Reader,
    _folder: Folder,
}

impl Writer {
    /// Opens the database.
    ///
    /// # Errors
    /// The folder or the database cannot be had, or is not what it should be.
    pub(super) fn open(
        options: &SqliteOptions,
        leases: Leases,
    ) -> Result<(Self, Swept), StoreError> {
        let folder = Folder::open(&options.folder)?;
        let path = folder.database()?;
        let max_pages = options.max_bytes.map(schema::pages);
        let connection = schema::open(&path)?;
        let explained = |error| explain(&error);
        mend::rows(&connection, options.now).map_err(explained)?;
        let queue = TaskQueue::new(SqliteRows::new(connection, max_pages)).map_err(explained)?;
        let reader = Reader::new(schema::open_reader(&path).map_err(explained)?);
        let mut writer =
            Self { queue, commit: Commit::Synced, failed: None, reader, _folder: folder };
        let lost = |queue: &mut TaskQueue<SqliteRows>| {
            queue.make_up(options.now)?;
            queue.lose_all(options.now, options.bounds)
        };
        let swept = match leases {
            Leases::Ended => writer.transaction(Commit::Synced, lost)?,
            Leases::Kept => Swept::default(),
        };
        // Only now: to lose leases may need room in a database that is full.
        if let Some(pages) = max_pages {
            let most = pages.saturating_add(pages / ABOVE).saturating_add(1);
            schema::bound(writer.queue.rows().connection(), most).map_err(explained)?;
        }
        Ok((writer, swept))
    }

    /// For queries that do not go through this thread.
    pub(super) fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Serves until all senders are gone, and closes the database.
    pub(super) fn serve(mut self, mut commands: mpsc::Receiver<Sent>) {
        let mut batch = Vec::with_capacity(BATCH);
        while !batch.is_empty() || commands.blocking_recv_many(&mut batch, BATCH) > 0 {
            let next = self.work(&mut batch, &mut commands);
            batch.clear();
            batch.extend(next);
        }
        // The last connection to close writes the log into the database.
        self.reader.close();
    }

    /// Does commands in one transaction, with those that come in meanwhile. Returns
    /// a command that needs a stronger commit than this transaction has.
    fn work(&mut self, batch: &mut Vec<Sent>, commands: &mut mpsc::Receiver<Sent>) -> Option<Sent> {
        let commit = promised(batch);
        let mut next = None;
        let done = self.transaction(commit, |queue| {
            batch.iter_mut().try_for_each(|command| command.run(queue))?;
            while batch.len() < BATCH
                && let Ok(command) = commands.try_recv()
            {
                if command.commit() > commit {
                    next = Some(command);
                    break;
                }
                // Among the others first: should it panic, it is answered too.
                batch.push(command);
                batch.last_mut().map_or(Ok(()), |command| command.run(queue))?;
            }
            Ok(())
        });
        self.answer(batch, done);
        next
    }

    /// Answers commands whose transaction was `done`. Where it failed they are
    /// done again, a half each, so that one that cannot be done soon fails alone.
    fn answer(&mut self, batch: &mut [Sent], done: Result<(), StoreError>) {
        // Also where there is no room: what makes room, or needs none, succeeds
        // by itself.
        if done.is_ok() || batch.len() == 1 || self.failed.is_some() {
            return batch.iter_mut().for_each(|command| command.answer(done.clone()));
        }
        let (first, second) = batch.split_at_mut(batch.len() / 2);
        for half in [first, second] {
            let done = self.transaction(promised(half), |queue| {
                half.iter_mut().try_for_each(|command| command.run(queue))
            });
            self.answer(half, done);
        }
    }

    /// All of `work`, committed, or nothing of it.
    fn transaction<T>(
        &mut self,
        commit: Commit,
        work: impl FnOnce(&mut TaskQueue<SqliteRows>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let before = self.queue.counted();
        let done = self.attempt(commit, work);
        done.map_err(|error| {
            self.queue.put_back(before);
            self.queue.rows().roll_back();
            let explained = explain(&error);
            if is_final(&error) {
                tracing::error!(error = %explained, "nothing more is written");
                self.failed = Some(explained.clone());
                // The log is left for the next opening to check.
                let unchecked = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
                let _ = self.queue.rows().connection().set_db_config(unchecked, true);
            }
            explained
        })
    }

    fn attempt<T>(
        &mut self,
        commit: Commit,
        work: impl FnOnce(&mut TaskQueue<SqliteRows>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.promise(commit)?;
        self.queue.rows().execute("BEGIN IMMEDIATE", [])?;
        let changes = self.queue.rows().connection().total_changes();
        // What was counted and written before is put back, so a bug in the
        // rules fails the one call that met it and leaves the queue to the
        // others.
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut self.queue)));
        let done = done.unwrap_or(Err(Error::UnwindingPanic))?;
        let rows = self.queue.rows();
        if commit == Commit::Synced && rows.connection().total_changes() == changes {
            // The answer may be about a row that is not synced yet: a duplicate of
            // one that was only written. Without a change SQLite would not sync.
            schema::touch(rows.connection())?;
        }
        rows.execute("COMMIT", [])?;
        Ok(done)
    }

    /// Has the connection sync, or not, as it commits.
    fn promise(&mut self, commit: Commit) -> rusqlite::Result<()> {
        if self.commit != commit {
            // It takes effect as it is prepared, so it must be each time.
            self.queue.rows().connection().execute_batch(match commit {
                Commit::Written => "PRAGMA synchronous = NORMAL",
                Commit::Synced => "PRAGMA synchronous = FULL",
            })?;
            self.commit = commit;
        }
        Ok(())
    }
}

/// What a transaction of these commands has to promise.
fn promised(batch: &[Sent]) -> Commit {
    batch.iter().map(|command| command.commit()).max().unwrap_or(Commit::Written)
}
