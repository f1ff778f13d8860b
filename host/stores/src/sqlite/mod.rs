//! Durable task store, in a SQLite file.
//!
//! The rules are core's [`TaskQueue`]; here is how it is given rows that last.
//! `writer` is the one thread that writes, `reader` answers queries beside
//! it, `rows` is the SQL, `schema` opens a database or says why not,
//! `folder` keeps a second host out. Tasks and results are JSON text, written
//! and parsed by the caller and not by the thread that all share.

mod columns;
mod command;
mod errors;
mod folder;
mod mend;
mod names;
mod reader;
mod reading;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use chimera_layer4_core::scheduler::record::TaskSummary;
use chimera_layer4_core::scheduler::store::{
    CancelAnswer, Claim, ClaimRequest, Claimed, Durability, Extension, Filter, Handed, Lease,
    NewTask, Retention, Settled, StoreError, StoreStats, SubmitTerms, Submitted, Swept, TaskQueue,
    TaskStore, Verdict,
};
use chimera_layer4_core::scheduler::{
    Bounds, Submission, TaskRecord, TaskState, Timestamp, TransitionError,
};
use chimera_layer4_core::{Digest, TaskId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot, watch};

use self::command::{Asked, Commit};
use self::reader::Reader;
use self::rows::SqliteRows;
use self::text::Text;
use self::writer::{Leases, Sent, Writer};

/// Commands that may wait for the thread; the sender of a further one waits here.
const QUEUE: usize = 4096;

/// Where a [`SqliteStore`] is, and the options for its opening.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The data folder, made if it is missing. The database is `chimera.db` in it.
    pub folder: PathBuf,
    /// The time.
    pub now: Timestamp,
    /// How often a task may be lost before it is given up.
    pub bounds: Bounds,
    /// The most that the database may take on the disk, without its log. The
    /// last eighth is for results. A store that is full takes tasks again when
    /// others have been forgotten.
    pub max_bytes: Option<u64>,
}

/// What was found at opening of the process that had the store before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Tasks that it held, to run or running; they were lost with it.
    pub lost: usize,
    /// Those of them that ended so: lost too often, or taken back before.
    pub ended: Vec<TaskId>,
}

/// Tasks in a SQLite file. One process at a time has a data folder open.
///
/// Dropping it closes it, and waits for that; [`TaskStore::close`] waits
/// without holding up a thread.
#[derive(Debug)]
pub struct SqliteStore {
    /// `None` once nothing more is taken.
    commands: Mutex<Option<mpsc::Sender<Sent>>>,
    reader: Reader,
    /// Has no sender any more when the thread has ended.
    ended: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store, and ends the leases of the process that had it before.
    ///
    /// # Errors
    /// `Failed` when another process has the folder open, another user could
    /// change it, it cannot be written to, or the database is damaged, of a later
    /// version or not ours.
    pub async fn open(options: SqliteOptions) -> Result<(Self, Recovered), StoreError> {
        Self::opened(options, Leases::Ended).await
    }

    /// Opens the store for a caller that runs no tasks. Tasks that the process
    /// before held when it went down stay claimed or running until a host opens the
    /// store.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn look(options: SqliteOptions) -> Result<Self, StoreError> {
        Ok(Self::opened(options, Leases::Kept).await?.0)
    }

    async fn opened(
        options: SqliteOptions,
        leases: Leases,
    ) -> Result<(Self, Recovered), StoreError> {
        let (commands, received) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let (alive, ended) = watch::channel(());
        let thread = thread::Builder::new().name("chimera-store".into()).spawn(move || {
            run(&options, leases, opened, received);
            drop(alive);
        });
        let thread = thread.map_err(|error| StoreError::Unavailable {
            reason: format!("its thread cannot be started: {error}"),
        })?;
        let (reader, Swept { lost, ended: lost_for_good, .. }) =
            answer.await.unwrap_or(Err(StoreError::Closed))?;
        let commands = Mutex::new(Some(commands));
        let store = Self { commands, reader, ended, thread: Some(thread) };
        Ok((store, Recovered { lost, ended: lost_for_good }))
    }

    async fn ask<T, W>(&self, commit: Commit, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut TaskQueue<SqliteRows>) -> rusqlite::Result<T> + Send + 'static,
    {
        let commands = self.lock().clone().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let command = Asked { commit, work, done: None, reply: Some(reply) };
        let sent = commands.send(Box::new(command)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends a task of which something stored cannot be read.
    async fn condemn(&self, id: TaskId, reason: String, now: Timestamp) -> Result<(), StoreError> {
        tracing::error!(task = %id, reason, "a stored task cannot be read: it is a dead letter");
        self.ask(Commit::Written, move |queue| queue.condemn(id, &reason, now)).await.map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<Sent>>> {
        self.commands.lock()
    }
}

/// What the thread does.
fn run(
    options: &SqliteOptions,
    leases: Leases,
    opened: oneshot::Sender<Result<(Reader, Swept), StoreError>>,
    commands: mpsc::Receiver<Sent>,
) {
    match Writer::open(options, leases) {
        Ok((writer, swept)) => {
            // If the opener has stopped waiting, no command can be sent either.
            let _ = opened.send(Ok((writer.reader(), swept)));
            writer.serve(commands);
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.lock().take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // A panic has ended the waiters' requests with an error.
        }
    }
}

#[async_trait]
impl TaskStore for SqliteStore {
    async fn submit(
        &self,
        batch: Vec<Submission>,
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, StoreError> {
        let batch = written(batch)?;
        let commit = match terms.promise {
            Durability::Durable => Commit::Synced,
            Durability::WithResult => Commit::Written,
        };
        let submitted = self.ask(commit, move |queue| {
            // Not an error of the command's: nothing is to be rolled back for it.
            if queue.rows().is_full()? {
                return Ok(None);
            }
            queue.submit(&batch, terms).map(Some)
        });
        submitted.await?.ok_or_else(|| StoreError::Unavailable {
            reason: "it is as large as it may be; purge tasks that have ended, keep them for \
                     less time, or allow it more room"
                .into(),
        })
    }

    async fn repeats(&self, batch: Vec<Submission>) -> Result<Vec<Option<Submitted>>, StoreError> {
        let batch = written(batch)?;
        // Synced, since a submitter that gets an earlier submission's answer may rely on it.
        self.ask(Commit::Synced, move |queue| queue.repeats(&batch)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claim, StoreError> {
        let now = request.now;
        let claim = self.ask(Commit::Written, move |queue| queue.claim(&request)).await?;
        let (mut tasks, mut ended) = (Vec::new(), claim.ended);
        for handed in claim.tasks {
            let id = handed.lease.id;
            match parsed(handed) {
                Ok(claimed) => tasks.push(claimed),
                Err(reason) => {
                    self.condemn(id, reason, now).await?;
                    ended.push(id);
                }
            }
        }
        Ok(Claim { tasks, ended })
    }

    async fn start(
        &self,
        leases: Vec<Lease>,
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, StoreError> {
        self.ask(Commit::Written, move |queue| queue.start(&leases, genome)).await
    }

    async fn extend(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Extension, StoreError> {
        self.ask(Commit::Written, move |queue| queue.extend(&leases, until)).await
    }

    async fn settle(
        &self,
        settled: Vec<Settled>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, StoreError> {
        let settled = settled.into_iter().map(|Settled { lease, settlement, genome }| Settled {
            lease,
            settlement: settlement.map(Text::of_result),
            genome,
        });
        let settled: Vec<_> = settled.collect();
        self.ask(Commit::Synced, move |queue| queue.settle(&settled, now)).await
    }

    async fn cancel(&self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, StoreError> {
        self.ask(Commit::Synced, move |queue| queue.cancel(id, now)).await
    }

    async fn requeue(&self, ids: Vec<TaskId>, now: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.ask(Commit::Synced, move |queue| queue.requeue(&ids, now)).await
    }

    async fn purge(&self, ids: Vec<TaskId>) -> Result<Vec<TaskId>, StoreError> {
        self.ask(Commit::Synced, move |queue| queue.purge(&ids)).await
    }

    async fn sweep(&self, now: Timestamp, bounds: Bounds) -> Result<Swept, StoreError> {
        self.ask(Commit::Written, move |queue| queue.sweep(now, bounds)).await
    }

    async fn clock_was_set(&self, was: i64, is: i64) -> Result<(), StoreError> {
        self.ask(Commit::Written, move |queue| queue.clock_was_set(was, is)).await
    }

    async fn retain(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.ask(Commit::Written, move |queue| queue.retain(now, &retention)).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let found = self.reader.get(id).await?;
        // What has a lease may run: it was read before.
        let dead = |state: TaskState| state == TaskState::Dead || state.is_leased();
        match found {
            Some(TaskRecord { unreadable: Some(why), state, at, .. }) if !dead(state) => {
                self.condemn(id, why.reason, at).await?;
                self.reader.get(id).await
            }
            found => Ok(found),
        }
    }

    async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError> {
        self.reader.list(filter).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.ask(Commit::Written, TaskQueue::stats).await
    }

    async fn close(&self) {
        self.lock().take();
        let _ = self.ended.clone().changed().await; // An error: the thread has ended.
    }
}

/// Submissions as they are stored.
fn written(batch: Vec<Submission>) -> Result<Vec<NewTask<Text>>, StoreError> {
    let written = batch.into_iter().map(|mut submission| {
        let body = Text::of_task(&mut submission.task);
        let body = body.map_err(|error| StoreError::Failed {
            reason: format!("the task {} cannot be written: {error}", submission.task.id),
        })?;
        Ok(NewTask::of(submission, |_| body))
    });
    written.collect()
}

/// A task as its runner takes it, or why it cannot be read.
fn parsed(handed: Handed<Text>) -> Result<Claimed, String> {
    let Handed { lease, counts, started, submitted_at, deadline, body } = handed;
    let body = Arc::new(body.task()?);
    Ok(Handed { lease, counts, started, submitted_at, deadline, body })
}
