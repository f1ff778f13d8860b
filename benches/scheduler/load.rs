//! Clients that keep a queue busy, and what it gets done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use chimera_layer4::fabric::ExecutionResult;
use chimera_layer4::fabric::queue::Submission;
use tokio::task::JoinSet;

use crate::machine::Spent;
use crate::scene::{batch, task};
use crate::submitter::Submitter;
use crate::table::{Figure, median};

/// How a client goes about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// `submit_batch` of so many, then `wait` for each.
    Batches(usize),
    /// `submit_tracked` of so many, then the result of each.
    Tracked(usize),
    /// `submit`, then `wait`.
    Singles,
    /// `execute`: the task is on disk when its result is.
    Executes,
    /// `run_task`, which goes round the queue.
    Direct,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Manner::Batches(size) => write!(f, "batches of {size}, wait for each"),
            Manner::Tracked(size) => write!(f, "tracked batches of {size}"),
            Manner::Singles => f.write_str("submit and wait"),
            Manner::Executes => f.write_str("execute"),
            Manner::Direct => f.write_str("run_task"),
        }
    }
}

/// What was got done, with the median of each figure once there are several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Tasks in a second, from their submission to the client's having the result.
    pub(crate) rate: f64,
    /// Nanoseconds of this process's processor time for each.
    pub(crate) cost: f64,
    /// Of those, the ones of the thread that writes.
    pub(crate) writer_cost: f64,
    /// How busy that thread was, in hundredths.
    pub(crate) writer_busy: f64,
    /// What others took of the machine, in hundredths.
    pub(crate) others: f64,
}

#[derive(Clone, Default)]
pub(crate) struct Tally {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

/// So many clients of one manner, for tasks of one type.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) submitter: Submitter,
    pub(crate) kind: &'static str,
    pub(crate) manner: Manner,
    pub(crate) clients: usize,
}

impl Load {
    /// Works first for a while unmeasured and then measured.
    pub(crate) async fn measure(&self, (warm, span): (Duration, Duration)) -> Result<Done> {
        let tally = Tally::default();
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let (load, tally) = (self.clone(), tally.clone());
            clients.spawn(async move {
                while !tally.stop.load(Ordering::Relaxed) {
                    load.once(&tally).await?;
                }
                anyhow::Ok(())
            });
        }
        tokio::time::sleep(warm).await;
        let (before, first) = (Spent::now()?, tally.done.load(Ordering::Relaxed));
        tokio::time::sleep(span).await;
        let (after, last) = (Spent::now()?, tally.done.load(Ordering::Relaxed));
        tally.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        ensure!(tally.done.load(Ordering::Relaxed) > 0, "nothing was done");
        let (spent, done) = (after.since(before), (last - first) as f64);
        Ok(Done {
            rate: done / spent.seconds,
            cost: spent.own * 1e9 / done.max(1.0),
            writer_cost: spent.writer * 1e9 / done.max(1.0),
            writer_busy: spent.writer / spent.seconds * 100.0,
            others: spent.others * 100.0,
        })
    }

    pub(crate) async fn once(&self, tally: &Tally) -> Result<()> {
        match self.manner {
            Manner::Batches(size) => {
                for id in self.submitter.submit_batch(batch(self.kind, size)).await? {
                    tally.count(&self.submitter.wait(id?).await?)?;
                }
            }
            Manner::Tracked(size) => {
                for task in self.submitter.submit_tracked(batch(self.kind, size)).await? {
                    tally.count(&task?.result().await?)?;
                }
            }
            Manner::Singles => {
                let id = self.submitter.submit(self.one()).await?;
                tally.count(&self.submitter.wait(id).await?)?;
            }
            Manner::Executes => tally.count(&self.submitter.execute(self.one()).await?)?,
            Manner::Direct => {
                self.submitter.direct(&self.one()).await?;
                tally.done.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn one(&self) -> Submission {
        task(self.kind, Default::default())
    }
}

impl Tally {
    fn count(&self, result: &ExecutionResult) -> Result<()> {
        ensure!(result.success, "a task failed: {result:?}");
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Done {
    /// The heads over [`cells`](Self::cells).
    pub(crate) const HEADS: [&str; 5] = ["tasks", "processor", "its writer", "busy", "others"];

    pub(crate) fn cells(&self) -> Vec<String> {
        let show = |figure: Figure, value| figure.show(value);
        vec![
            show(Figure::PerSecond, self.rate),
            show(Figure::Nanos, self.cost),
            show(Figure::Nanos, self.writer_cost),
            show(Figure::Percent, self.writer_busy),
            show(Figure::Percent, self.others),
        ]
    }

    /// Of each figure its median.
    pub(crate) fn median(all: &[Done]) -> Done {
        let of = |figure: fn(&Done) -> f64| median(&mut all.iter().map(figure).collect::<Vec<_>>());
        Done {
            rate: of(|done| done.rate),
            cost: of(|done| done.cost),
            writer_cost: of(|done| done.writer_cost),
            writer_busy: of(|done| done.writer_busy),
            others: of(|done| done.others),
        }
    }
}
