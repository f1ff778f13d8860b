//! The network as one call has it.
//!
//! Over its bandwidth a connection waits and never fails, as a guest over its
//! share of the processor does; it is wall time that ends a call. A [`Line`] is
//! cut when the call ends, so nothing passes that belongs to no call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::agent::AgentLimits;
use super::bandwidth::{Direction, Traffic};
use super::bucket::Shares;
use super::hosted::Hosted;
use super::memory::OverMemory;
use super::pool::{Short, Taken};
use super::run::RunLimits;

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
    access: NetworkAccess,
    cut: watch::Sender<bool>,
}

impl Line {
    pub(crate) fn open(access: NetworkAccess) -> Self {
        Self { access, cut: watch::Sender::new(false) }
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
        self.access.agent.descriptors.try_take(1)
    }

    /// So many bytes that the host needs for a connection.
    pub(crate) fn hosts(&self, bytes: usize) -> Result<Hosted, OverMemory> {
        Hosted::of(&self.access.agent.memory, bytes)
    }

    /// So many bytes passed.
    pub(crate) fn passed(&self, direction: Direction, bytes: usize) {
        let count = bytes as u64;
        self.access.traffic.passed(direction, count);
        self.access.total.passed(direction, count);
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
        self.access.traffic.took(time);
        self.access.total.took(time);
        let agent = &self.access.agent.share;
        let task = self.access.task.as_ref().map(|task| &task.share);
        Shares { agent, task }.debit(time.as_secs_f64());
    }

    fn bandwidth(&self, direction: Direction) -> Shares<'_> {
        let agent = self.access.agent.bandwidth.of(direction);
        let task = self.access.task.as_ref().map(|task| task.bandwidth.of(direction));
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
    use crate::sandbox::limits::bandwidth::BLOCK;
    use crate::sandbox::limits::supplies::Supplies;

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
        assert_eq!(line.access.traffic.sent(), 100_000 + BLOCK as u64);
        assert_eq!((line.access.total.sent(), line.access.total.received()), (116_384, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_that_changes_to_none_holds_what_passes() {
        let line = line(Some(8.0), Some(8.0));
        line.passed(Direction::Received, 60_000);
        line.access.agent.change(ResourceQuota { max_network_mbps: None, ..Default::default() });
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(line.is_full(Direction::Received));
        line.access.agent.change(ResourceQuota::default());
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
