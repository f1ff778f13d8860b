//! Bandwidth: a token bucket of bytes for each direction, and what passed.
//!
//! Over its bandwidth a connection waits and never fails, as a guest over its
//! share of the processor does; it is wall time that ends a call. Bytes are
//! those on the connection itself, heads and TLS included; what lies below it
//! (TCP, IP, the look-up of names) is not seen from here.
//!
//! A [`Line`] is the network as one call has it. It is cut when the call ends,
//! so nothing passes that belongs to no call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;

use super::agent::AgentLimits;
use super::bucket::{Bucket, Shares};
use super::hosted::Hosted;
use super::memory::OverMemory;
use super::pool::{Short, Taken};
use super::run::RunLimits;

/// Bytes a second at one megabit a second.
const MEGABIT: f64 = 125_000.0;
/// What passes a connection at once, and so by how much it overdraws.
pub(crate) const BLOCK: usize = 16 * 1024;
/// Seconds of its bandwidth that may be saved up.
const BURST: f64 = 0.05;

/// Which way bytes go, as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Sent,
    Received,
}

/// What an agent, or a task, may send and receive.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    sent: Bucket,
    received: Bucket,
}

impl Bandwidth {
    /// So much each way; with `None` nothing passes.
    pub(crate) fn new(mbps: Option<f64>) -> Self {
        let bucket = || Bucket::new(rate(mbps), burst);
        Self { sent: bucket(), received: bucket() }
    }

    pub(crate) fn change(&self, mbps: Option<f64>) {
        self.sent.change(rate(mbps));
        self.received.change(rate(mbps));
    }

    /// For how long use was paused so far, over both ways.
    pub(crate) fn paused(&self) -> Duration {
        self.sent.paused() + self.received.paused()
    }

    fn of(&self, direction: Direction) -> &Bucket {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }
}

fn rate(mbps: Option<f64>) -> f64 {
    mbps.unwrap_or(0.0) * MEGABIT
}

/// The most bytes saved up.
fn burst(rate: f64) -> f64 {
    (BURST * rate).max(BLOCK as f64)
}

/// What passed, and the processor time that it took the host.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
    cpu_nanos: AtomicU64,
}

impl Traffic {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Relaxed))
    }

    fn passed(&self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
        .fetch_add(bytes, Relaxed);
    }

    fn took(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanos.fetch_add(nanos, Relaxed);
    }
}

/// Whose quotas hold for some calls, and where their use is counted.
#[derive(Clone, Debug)]
pub(crate) struct NetworkAccess {
    pub(crate) agent: Arc<AgentLimits>,
    /// In a run.
    pub(crate) task: Option<Arc<RunLimits>>,
    /// Of the run, or of the housekeeping.
    pub(crate) traffic: Arc<Traffic>,
    /// Of all that the agent ever did.
    pub(crate) total: Arc<Traffic>,
}

/// The network as one call has it.
#[derive(Debug)]
pub(crate) struct Line {
    reach: NetworkAccess,
    cut: watch::Sender<bool>,
}

impl Line {
    pub(crate) fn open(reach: NetworkAccess) -> Self {
        Self { reach, cut: watch::Sender::new(false) }
    }

    /// Ends every connection of the call.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// What `future` comes to, or `None` once the line is cut.
    pub(crate) async fn until_cut<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut cut = self.cut.subscribe();
        tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => None,
            done = future => Some(done),
        }
    }

    /// A descriptor of the agent's, for one more connection.
    pub(crate) fn descriptor(&self) -> Result<Taken, Short> {
        self.reach.agent.descriptors.try_take(1)
    }

    /// So many bytes that the host needs for a connection.
    pub(crate) fn hosts(&self, bytes: usize) -> Result<Hosted, OverMemory> {
        Hosted::of(&self.reach.agent.memory, bytes)
    }

    /// So many bytes passed.
    pub(crate) fn passed(&self, direction: Direction, bytes: usize) {
        let count = bytes as u64;
        self.reach.traffic.passed(direction, count);
        self.reach.total.passed(direction, count);
        self.bandwidth(direction).debit(bytes as f64);
    }

    /// Whether the next byte has to wait.
    pub(crate) fn is_full(&self, direction: Direction) -> bool {
        self.bandwidth(direction).empty_until().is_some()
    }

    /// Returns when the next byte may pass.
    pub(crate) async fn refilled(self: Arc<Self>, direction: Direction) {
        self.bandwidth(direction).refilled().await;
    }

    /// Work that the guest caused on a thread that does not run it.
    pub(crate) fn took(&self, time: Duration) {
        self.reach.traffic.took(time);
        self.reach.total.took(time);
        let agent = &self.reach.agent.share;
        let task = self.reach.task.as_ref().map(|task| &task.share);
        Shares { agent, task }.debit(time.as_secs_f64());
    }

    fn bandwidth(&self, direction: Direction) -> Shares<'_> {
        let agent = self.reach.agent.bandwidth.of(direction);
        let task = self.reach.task.as_ref().map(|task| task.bandwidth.of(direction));
        Shares { agent, task }
    }
}

/// A call's line, cut when this is dropped.
#[must_use = "the call has the network while this lives"]
pub(crate) struct Connected(pub(crate) Option<Arc<Line>>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.as_ref().inspect(|line| line.cut());
    }
}

#[cfg(test)]
mod tests {
    use chimera_layer4_core::ResourceQuota;
    use tokio::time::Instant;

    use super::*;
    use crate::executor::limits::pool::Supplies;

    fn line(agent: Option<f64>, task: Option<f64>) -> Arc<Line> {
        let quota = |max_network_mbps| ResourceQuota { max_network_mbps, ..Default::default() };
        let (agent, task) = (quota(agent), quota(task));
        let limits = RunLimits::new(&agent, &task, None);
        Arc::new(Line::open(NetworkAccess {
            agent: Arc::new(AgentLimits::new(agent, &Supplies::new(8).unwrap())),
            task: Some(Arc::new(limits)),
            traffic: Arc::default(),
            total: Arc::default(),
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn the_tighter_bandwidth_rules_and_each_way_is_its_own() {
        let line = line(Some(8.0), Some(0.8)); // a megabyte a second, a tenth of one
        assert!(!line.is_full(Direction::Sent));
        line.passed(Direction::Sent, 100_000 + BLOCK);
        assert!(line.is_full(Direction::Sent) && !line.is_full(Direction::Received));
        let started = Instant::now();
        Arc::clone(&line).refilled(Direction::Sent).await;
        let waited = started.elapsed().as_secs_f64();
        assert!((waited - 1.0).abs() < 0.01, "{waited}");
        assert_eq!(line.reach.traffic.sent(), 100_000 + BLOCK as u64);
        assert_eq!((line.reach.total.sent(), line.reach.total.received()), (116_384, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_that_changes_to_none_holds_what_passes() {
        let line = line(Some(8.0), Some(8.0));
        line.passed(Direction::Received, 60_000);
        line.reach.agent.change(ResourceQuota { max_network_mbps: None, ..Default::default() });
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(line.is_full(Direction::Received));
        line.reach.agent.change(ResourceQuota::default());
        Arc::clone(&line).refilled(Direction::Received).await;
    }

    #[tokio::test]
    async fn a_line_that_is_cut_ends_what_waits_on_it() {
        let line = line(Some(1.0), Some(1.0));
        let cut = async { line.cut() };
        let (ended, ()) = tokio::join!(line.until_cut(std::future::pending::<()>()), cut);
        assert_eq!((ended, line.is_cut()), (None, true));
    }
}
