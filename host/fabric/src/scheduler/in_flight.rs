//! The tasks in flight: to stop one, or to wait for all.

use std::collections::{HashMap, HashSet};

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::store::Lease;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

/// Why a run is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    ShuttingDown,
    /// Another owner holds the task's lease now.
    Lost,
}

/// The tasks in flight, each with the means to stop it.
#[derive(Default)]
pub(super) struct InFlight {
    runs: Mutex<Runs>,
    empty: Notify,
}

#[derive(Default)]
struct Runs {
    tasks: HashMap<TaskId, Run>,
    /// Whether a claim is under way, which may bring more tasks.
    claiming: bool,
    /// Cancelled while the claim that brings them is under way.
    cancelled: HashSet<TaskId>,
}

impl Runs {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && !self.claiming
    }
}

struct Run {
    fence: u64,
    stop: Option<oneshot::Sender<Stop>>,
}

impl InFlight {
    pub(super) fn insert(&self, lease: Lease) -> oneshot::Receiver<Stop> {
        let (stop, stopped) = oneshot::channel();
        let mut runs = self.lock();
        runs.tasks.insert(lease.id, Run { fence: lease.fence, stop: Some(stop) });
        let cancelled = runs.cancelled.remove(&lease.id);
        drop(runs);
        if cancelled {
            self.stop(lease.id, Stop::Cancelled);
        }
        stopped
    }

    pub(super) fn remove(&self, lease: Lease) {
        let mut runs = self.lock();
        // A newer claim of the same task may have taken its place.
        if runs.tasks.get(&lease.id).is_some_and(|run| run.fence == lease.fence) {
            runs.tasks.remove(&lease.id);
        }
        self.notify_if_empty(&runs);
    }

    /// A claim is under way until the returned value is dropped.
    pub(super) fn claiming(&self) -> Claiming<'_> {
        self.lock().claiming = true;
        Claiming(self)
    }

    fn notify_if_empty(&self, runs: &Runs) {
        if runs.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// Ends the run of a task that is in flight or being claimed. Returns whether
    /// it may be either.
    pub(super) fn cancel(&self, id: TaskId) -> bool {
        let mut runs = self.lock();
        let is_in_flight = runs.tasks.contains_key(&id);
        let may_come = runs.claiming && !is_in_flight;
        if may_come {
            runs.cancelled.insert(id);
        }
        drop(runs);
        self.stop(id, Stop::Cancelled);
        is_in_flight || may_come
    }

    /// Ends the run of this very lease, and not of one drawn since. The answer
    /// is whether there was a run to end: a lease whose run has returned is
    /// over because its settlement reached the store before the heartbeat.
    pub(super) fn lose(&self, lease: Lease) -> bool {
        let mut runs = self.lock();
        let run = runs.tasks.get_mut(&lease.id).filter(|run| run.fence == lease.fence);
        let stop = run.and_then(|run| run.stop.take());
        drop(runs);
        stop.is_some_and(|stop| stop.send(Stop::Lost).is_ok())
    }

    pub(super) fn stop(&self, id: TaskId, why: Stop) {
        let stop = self.lock().tasks.get_mut(&id).and_then(|run| run.stop.take());
        stop.map(|stop| stop.send(why));
    }

    pub(super) fn stop_all(&self) {
        let mut runs = self.lock();
        for stop in runs.tasks.values_mut().filter_map(|run| run.stop.take()) {
            let _ = stop.send(Stop::ShuttingDown);
        }
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().tasks.iter().map(|(id, run)| Lease { id: *id, fence: run.fence }).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Waits until no task is in flight or being claimed.
    pub(super) async fn none_left(&self) {
        loop {
            let emptied = self.empty.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock()
    }
}

/// A claim that is under way.
pub(super) struct Claiming<'a>(&'a InFlight);

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        let mut runs = self.0.lock();
        runs.claiming = false;
        runs.cancelled.clear();
        self.0.notify_if_empty(&runs);
    }
}
