//! What a caller wants of the thread that writes.

use chimera_layer4_core::scheduler::store::{StoreError, TaskQueue};
use tokio::sync::oneshot;

use super::rows::SqliteRows;

/// What is promised when a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Commit {
    /// It survives the end of the process, since the system has it; and a loss
    /// of power once something later is synced, the log being in order.
    Written,
    /// It survives a loss of power.
    Synced,
}

/// Something to be done, more than once if others in its transaction fail.
pub(super) trait Command: Send {
    /// What its answer promises.
    fn commit(&self) -> Commit;

    /// Does it.
    fn run(&mut self, queue: &mut TaskQueue<SqliteRows>) -> rusqlite::Result<()>;

    /// Tells the caller, once its transaction is committed or given up.
    fn answer(&mut self, done: Result<(), StoreError>);
}

/// A command made of a function.
#[derive(Debug)]
pub(super) struct Asked<T, W> {
    pub(super) commit: Commit,
    pub(super) work: W,
    pub(super) done: Option<T>,
    pub(super) reply: Option<oneshot::Sender<Result<T, StoreError>>>,
}

impl<T, W> Command for Asked<T, W>
where
    T: Send,
    W: FnMut(&mut TaskQueue<SqliteRows>) -> rusqlite::Result<T> + Send,
{
    fn commit(&self) -> Commit {
        self.commit
    }

    fn run(&mut self, queue: &mut TaskQueue<SqliteRows>) -> rusqlite::Result<()> {
        self.done = Some((self.work)(queue)?);
        Ok(())
    }

    fn answer(&mut self, done: Result<(), StoreError>) {
        let answer = done.and_then(|()| self.done.take().ok_or(StoreError::Closed));
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(answer); // The caller may have stopped waiting.
        }
    }
}
