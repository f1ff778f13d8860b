//! What an agent has done and used since it was spawned.
//!
//! A meter adds to the totals when it is dropped, so a run that traps, times
//! out or is dropped half-way counts like one that succeeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::report::RunReport;
use crate::sandbox::limits::bandwidth::Traffic;

#[derive(Debug, Default)]
pub(super) struct Totals {
    cpu_nanos: AtomicU64,
    tasks: AtomicU64,
    faults: AtomicU64,
    restarts: AtomicU64,
    /// Of the agents that this one took over from.
    paused_nanos: AtomicU64,
    /// On the network, counted as it passes.
    traffic: Arc<Traffic>,
}

/// An agent's totals at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalsNow {
    /// Processor time of all calls.
    pub cpu: Duration,
    /// Tasks that ended, well or not.
    pub tasks: u64,
    /// Tasks that ended with a fault.
    pub faults: u64,
    /// Restarts.
    pub restarts: u64,
    /// For how long its calls were paused for their share of processor time,
    /// each by itself.
    pub paused: Duration,
    /// Bytes of linear memory and tables that its instances hold now.
    pub memory: u64,
    /// Bytes that its requests sent.
    pub network_sent: u64,
    /// Bytes that their responses brought.
    pub network_received: u64,
}

/// Collects the processor time of one or more calls.
pub(super) struct Meter<'a> {
    totals: &'a Totals,
    pub(super) cpu: Duration,
}

impl Totals {
    pub(super) fn meter(&self) -> Meter<'_> {
        Meter { totals: self, cpu: Duration::ZERO }
    }

    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// So long an agent was paused that another takes over from.
    pub(super) fn paused_before(&self, paused: Duration) {
        self.paused_nanos.fetch_add(nanos(paused), Relaxed);
    }

    pub(super) fn now(&self) -> TotalsNow {
        TotalsNow {
            cpu: Duration::from_nanos(self.cpu_nanos.load(Relaxed)) + self.traffic.cpu(),
            tasks: self.tasks.load(Relaxed),
            faults: self.faults.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            paused: Duration::from_nanos(self.paused_nanos.load(Relaxed)),
            memory: 0,
            network_sent: self.traffic.sent(),
            network_received: self.traffic.received(),
        }
    }
}

impl Meter<'_> {
    /// The run ended by itself.
    pub(super) fn finish(&self, report: &RunReport) {
        self.totals.tasks.fetch_add(1, Relaxed);
        self.totals.faults.fetch_add(u64::from(report.result.is_err()), Relaxed);
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.totals.cpu_nanos.fetch_add(nanos(self.cpu), Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
