//! Bandwidth: a token bucket of bytes for each direction, and what passed.
//!
//! Bytes are those on the connection itself, heads and TLS included; what lies
//! below it (TCP, IP, the look-up of names) is not seen from here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;

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
    /// So much each way, from `now` on; with `None` nothing passes.
    pub(crate) fn new(mbps: Option<f64>, now: Instant) -> Self {
        let bucket = || Bucket::new(rate(mbps), burst, now);
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

    pub(super) fn of(&self, direction: Direction) -> &Bucket {
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

    pub(super) fn passed(&self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
        .fetch_add(bytes, Relaxed);
    }

    pub(super) fn took(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanos.fetch_add(nanos, Relaxed);
    }
}
