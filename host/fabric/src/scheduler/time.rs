//! What time it is: by the system's clock, which may be set, and by a steady one.
//!
//! The store knows times of day, since it outlives the process. What is relative
//! in it is right as long as the clock is not set; when it is, the maintenance loop tells
//! the store by how much, and until then every time that is handed to the store
//! is that of the clock as it was. No write is under way during that call, so none
//! arrives with a time of the other clock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4_core::scheduler::store::SET_MS;
use chimera_layer4_core::scheduler::{Moment, Timestamp};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::options::Clock;

const NANOS_IN_MS: i64 = 1_000_000;
/// Up to this difference a drifting clock is followed without a call to the store.
const FOLLOWED_MS: u64 = SET_MS / 5;

/// The same for all schedulers of the process. Some time before the first look,
/// since a clock of a test may be behind the machine's.
static BEGIN: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(24 * 3600)).unwrap_or(now)
});

/// The time as a scheduler and its store take it.
pub(super) struct Time {
    clock: Clock,
    /// Nanoseconds by which the system's clock is ahead of the steady one: as the
    /// times for the store take it, as reported to the store last, and at first.
    ahead: AtomicI64,
    reported: AtomicI64,
    ahead_at_first: i64,
    /// Whether this clock was reported to the store at all.
    is_known: AtomicBool,
    /// Shared by the writes that are on their way to the store.
    writes: RwLock<()>,
}

/// What the clock shows for a write to the store, for as long as this is held.
pub(super) struct Reading<'a> {
    pub(super) now: Timestamp,
    /// Milliseconds that the clock is ahead, to compare with another reading.
    pub(super) ahead_ms: i64,
    _write: RwLockReadGuard<'a, ()>,
}

/// A clock that was set: milliseconds that it was ahead of the steady one, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) was: i64,
    pub(super) is: i64,
    ahead: i64,
}

impl Time {
    pub(super) fn new(clock: Clock) -> Self {
        let ahead = look(&clock);
        Self {
            clock,
            ahead: AtomicI64::new(ahead),
            reported: AtomicI64::new(ahead),
            ahead_at_first: ahead,
            is_known: AtomicBool::new(false),
            writes: RwLock::default(),
        }
    }

    /// The system's clock.
    pub(super) fn wall(&self) -> SystemTime {
        (self.clock)()
    }

    /// The time as the store takes it.
    pub(super) fn now(&self) -> Timestamp {
        self.now_and_ahead().0
    }

    /// The time, and milliseconds that the clock which shows it is ahead.
    pub(super) fn now_and_ahead(&self) -> (Timestamp, i64) {
        let ahead = self.ahead();
        (timestamp(steady_nanos(), ahead), ahead.div_euclid(NANOS_IN_MS))
    }

    /// The time for a write to the store; to be held until the store has answered.
    pub(super) async fn for_write(&self) -> Reading<'_> {
        let write = self.writes.read().await;
        let (now, ahead_ms) = self.now_and_ahead();
        Reading { now, ahead_ms, _write: write }
    }

    /// Waits for the writes that are on their way, and keeps others waiting.
    pub(super) async fn without_writes(&self) -> RwLockWriteGuard<'_, ()> {
        self.writes.write().await
    }

    /// The time for what the process alone knows.
    pub(super) fn moment(&self) -> Moment {
        moment()
    }

    /// The time for what is to be kept for so long at the least, whatever the
    /// clock showed in between.
    pub(super) fn at_the_earliest(&self) -> Timestamp {
        timestamp(steady_nanos(), self.ahead().min(self.ahead_at_first))
    }

    /// Whether this host's clock was reported to the store.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
    }

    /// What the store is to be given of the clock: at first, how far ahead it is,
    /// and then by how much it was set. It is followed where it is only not
    /// exact.
    pub(super) fn was_set(&self) -> Option<Set> {
        let (was, is) = (self.reported.load(Ordering::Acquire), look(&self.clock));
        let [was_ms, is_ms] = [was, is].map(|ahead| ahead.div_euclid(NANOS_IN_MS));
        if self.is_known() && is_ms.abs_diff(was_ms) < FOLLOWED_MS {
            self.ahead.store(is, Ordering::Release);
            return None;
        }
        Some(Set { was: was_ms, is: is_ms, ahead: is })
    }

    /// It was reported to the store.
    pub(super) fn reported(&self, set: Set) {
        self.ahead.store(set.ahead, Ordering::Release);
        self.reported.store(set.ahead, Ordering::Release);
        self.is_known.store(true, Ordering::Release);
    }

    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Acquire)
    }
}

/// Nanoseconds by which the clock is ahead of the steady one.
fn look(clock: &Clock) -> i64 {
    let wall = clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX);
    wall.saturating_sub(steady_nanos())
}

/// The time for what the process alone knows.
pub(crate) fn moment() -> Moment {
    Moment(u64::try_from(steady_nanos() / NANOS_IN_MS).unwrap_or_default())
}

fn timestamp(steady: i64, ahead: i64) -> Timestamp {
    let nanos = steady.saturating_add(ahead).div_euclid(NANOS_IN_MS);
    Timestamp(u64::try_from(nanos).unwrap_or_default())
}

fn steady_nanos() -> i64 {
    let now = tokio::time::Instant::now().into_std();
    i64::try_from(now.saturating_duration_since(*BEGIN).as_nanos()).unwrap_or(i64::MAX)
}
