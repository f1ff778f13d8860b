//! The threads that do for guests what blocks: work on files and in stores.
//!
//! They are a pool of their own, so that guests never take the threads that the
//! host's own stores need, and their number has a ceiling. One agent has a few of
//! them at once; what it asks for beyond waits. A thread that a dropped call has
//! left behind counts as the agent's until it is done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};

use super::cpu::thread_time;
use super::pool::{Share, Supply, Taken};

/// Threads for all agents.
const THREADS: usize = 64;
/// Threads that work for one agent at once.
const THREADS_EACH: usize = 8;

/// The pool.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: Arc<Workers>,
    supply: Supply,
}

#[derive(Debug)]
struct Workers(Option<Runtime>);

impl Drop for Workers {
    fn drop(&mut self) {
        // What still blocks is not waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Pool {
    pub(crate) fn new() -> io::Result<Self> {
        // The runtime runs no tasks: it is there for its threads that may block.
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(THREADS)
            .thread_name("guest-blocking")
            .build()?;
        let supply = Supply::new(THREADS, THREADS_EACH);
        Ok(Self { workers: Arc::new(Workers(Some(runtime))), supply })
    }

    /// One agent's threads.
    pub(crate) fn for_agent(&self) -> Threads {
        Threads { workers: Arc::clone(&self.workers), share: self.supply.share() }
    }
}

/// One agent's share of the threads.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    workers: Arc<Workers>,
    share: Share,
}

/// What was done, and the processor time that it took.
pub(crate) type Done<T> = (T, Duration);

impl Threads {
    /// Runs `what` on one of the threads, as soon as the agent may have one.
    ///
    /// # Errors
    /// The host ends.
    ///
    /// # Panics
    /// If `what` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Done<T>> {
        let turn = self.turn().await;
        let work = move || {
            let before = thread_time();
            let done = what();
            // The turn is given back with the work, when the thread is free again.
            (done, thread_time().saturating_sub(before), turn)
        };
        match self.spawn(work)?.await {
            Ok((done, took, _turn)) => Ok((done, took)),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(ended(error)),
        }
    }

    /// A turn as [`run`](Self::run) takes one, for work that a store does on threads
    /// of its own: an agent with many instances has no more of it than others.
    pub(crate) async fn turn(&self) -> Option<Taken> {
        self.share.take().await
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> (T, Duration, Option<Taken>) + Send + 'static,
    ) -> io::Result<JoinHandle<(T, Duration, Option<Taken>)>> {
        let runtime = self.workers.0.as_ref().ok_or_else(|| io::Error::other("the host ends"))?;
        Ok(runtime.spawn_blocking(work))
    }
}

fn ended(error: JoinError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn an_agent_has_a_few_threads_and_another_one_does_not_wait_for_it() {
        let pool = Pool::new().unwrap();
        let (one, other) = (pool.for_agent(), pool.for_agent());
        let (started, has_started) = sync_channel(2 * THREADS_EACH);
        let mut stuck = Vec::new();
        for _ in 0..2 * THREADS_EACH {
            let (end, wait) = sync_channel::<()>(1);
            let (one, started) = (one.clone(), started.clone());
            let work = move || {
                started.send(()).unwrap();
                wait.recv().is_err()
            };
            stuck.push((end, tokio::spawn(async move { one.run(work).await.unwrap().0 })));
        }
        tokio::task::yield_now().await;
        (0..THREADS_EACH).for_each(|_| has_started.recv().unwrap());
        assert_eq!(other.run(|| 7).await.unwrap().0, 7);
        assert!(has_started.try_recv().is_err(), "no more than it may have");
        for (end, work) in stuck {
            drop(end);
            assert!(work.await.unwrap());
        }
    }
}
