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
    holds: Mutex<Holds>,
    empty: Notify,
}

#[derive(Default)]
struct Holds {
    tasks: HashMap<TaskId, Held>,
    /// Whether a claim is under way, which may bring more tasks.
    claiming: bool,
    /// Taken back while the claim that brings them is under way.
    wanted_back: HashSet<TaskId>,
}

impl Holds {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && !self.claiming
    }
}

struct Held {
    fence: u64,
    stop: Option<oneshot::Sender<Stop>>,
}

impl InFlight {
    pub(super) fn take(&self, lease: Lease) -> oneshot::Receiver<Stop> {
        let (stop, stopped) = oneshot::channel();
        let mut holds = self.lock();
        holds.tasks.insert(lease.id, Held { fence: lease.fence, stop: Some(stop) });
        let wanted_back = holds.wanted_back.remove(&lease.id);
        drop(holds);
        if wanted_back {
            self.stop(lease.id, Stop::Cancelled);
        }
        stopped
    }

    pub(super) fn put_down(&self, lease: Lease) {
        let mut holds = self.lock();
        // A newer claim of the same task may have taken its place.
        if holds.tasks.get(&lease.id).is_some_and(|held| held.fence == lease.fence) {
            holds.tasks.remove(&lease.id);
        }
        self.tell_if_empty(&holds);
    }

    /// A claim is under way until the returned value is dropped.
    pub(super) fn claiming(&self) -> Claiming<'_> {
        self.lock().claiming = true;
        Claiming(self)
    }

    fn tell_if_empty(&self, holds: &Holds) {
        if holds.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// Ends the run of a task that is in flight or being claimed. Returns whether
    /// it may be either.
    pub(super) fn take_back(&self, id: TaskId) -> bool {
        let mut holds = self.lock();
        let in_hand = holds.tasks.contains_key(&id);
        let may_come = holds.claiming && !in_hand;
        if may_come {
            holds.wanted_back.insert(id);
        }
        drop(holds);
        self.stop(id, Stop::Cancelled);
        in_hand || may_come
    }

    /// Ends the run of this very lease, and not of one drawn since. The answer
    /// is whether there was a run to end: a lease whose run has returned is
    /// over because its settlement reached the store before the heartbeat.
    pub(super) fn lose(&self, lease: Lease) -> bool {
        let mut holds = self.lock();
        let held = holds.tasks.get_mut(&lease.id).filter(|held| held.fence == lease.fence);
        let stop = held.and_then(|held| held.stop.take());
        drop(holds);
        stop.is_some_and(|stop| stop.send(Stop::Lost).is_ok())
    }

    pub(super) fn stop(&self, id: TaskId, why: Stop) {
        let stop = self.lock().tasks.get_mut(&id).and_then(|held| held.stop.take());
        stop.map(|stop| stop.send(why));
    }

    pub(super) fn stop_all(&self) {
        let mut holds = self.lock();
        for stop in holds.tasks.values_mut().filter_map(|held| held.stop.take()) {
            let _ = stop.send(Stop::ShuttingDown);
        }
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().tasks.iter().map(|(id, held)| Lease { id: *id, fence: held.fence }).collect()
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

    fn lock(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock()
    }
}

/// A claim that is under way.
pub(super) struct Claiming<'a>(&'a InFlight);

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        let mut holds = self.0.lock();
        holds.claiming = false;
        holds.wanted_back.clear();
        self.0.tell_if_empty(&holds);
    }
}
