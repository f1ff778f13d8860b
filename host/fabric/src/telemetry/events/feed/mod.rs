//! Sends events to listeners, and keeps the last ones for listeners that
//! reconnect.
//!
//! Every event has a number, with or without a listener; so a listener
//! that reconnects with the number of its last event gets the events since that
//! are kept, and the number of those that are not. Nothing is kept, and no
//! event is serialized, unless there is a listener or was one lately.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use chimera_layer4_core::scheduler::Timestamp;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Event, EventKind};

/// Events that are kept, and that a slow listener may be behind.
const BACKLOG: usize = 4096;
/// Events go on being kept for so long when the last listener that may come
/// back has gone: a client tries again after seconds, a network is back after
/// minutes.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Where events go.
#[derive(Clone, Debug)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Tells the numbers of this start of the host from those of others.
    start: u64,
    sequence: AtomicU64,
    /// From the first follower on, until nothing is kept any more.
    keeps: AtomicBool,
    to: broadcast::Sender<Arc<Event>>,
    /// Listeners that may come back.
    followers: AtomicUsize,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// Ordered by their numbers; there may be gaps from times without a listener.
    events: VecDeque<Arc<Event>>,
    /// Since when there are no followers; `None` while there are.
    alone_since: Option<Instant>,
}

/// A place among the events of one start of the host, as clients hand it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    start: u64,
    sequence: u64,
    /// The listener knows that what it listened to is over.
    pub is_last: bool,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.sequence)?;
        if self.is_last { f.write_str("-end") } else { Ok(()) }
    }
}

impl Position {
    /// What is no position of ours counts as one of another start of the host.
    pub fn read(text: &str) -> Self {
        let known = text.strip_suffix("-end");
        let parts = known.unwrap_or(text).split_once('-');
        let read = parts.and_then(|(start, sequence)| {
            Some((u64::from_str_radix(start, 16).ok()?, sequence.parse().ok()?))
        });
        let (start, sequence) = read.unwrap_or_default();
        Self { start, sequence, is_last: known.is_some() && read.is_some() }
    }
}

/// The events that a listener missed and will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It missed nothing.
    Nothing,
    /// So many events that are kept no longer.
    Events(u64),
    /// What there was since another start of the host, whose numbers say nothing.
    Unknown,
}

/// What happens from some place on.
pub struct Following {
    /// What happened before `recent` and is not kept.
    pub missed: Missed,
    /// What is kept of the events since.
    pub recent: Vec<Arc<Event>>,
    /// Those that come.
    pub live: broadcast::Receiver<Arc<Event>>,
    /// The place between the two.
    pub now: Position,
    /// Held for as long as the listener is there.
    pub follower: Follower,
}

/// A listener that may come back, as long as it is here.
pub struct Follower(Events);

impl Drop for Follower {
    fn drop(&mut self) {
        let Inner { recent, followers, .. } = &*self.0.0;
        let mut recent = recent.lock();
        if followers.fetch_sub(1, Ordering::Relaxed) == 1 {
            recent.alone_since = Some(Instant::now());
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Inner {
            // The half of a UUID that is random, and never zero.
            start: Uuid::now_v7().as_u64_pair().1,
            sequence: AtomicU64::new(0),
            keeps: AtomicBool::new(false),
            to: broadcast::Sender::new(BACKLOG),
            followers: AtomicUsize::new(0),
            recent: Mutex::default(),
        }))
    }
}

impl Events {
    /// Subscribes to events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.to.subscribe()
    }

    /// Subscribes to events after a number, or from now on.
    pub fn follow(&self, after: Option<Position>) -> Following {
        let Inner { start, sequence, keeps, to, followers, recent } = &*self.0;
        // Under the lock nothing happens between what is kept and what comes.
        let mut recent = recent.lock();
        let last = sequence.load(Ordering::Relaxed);
        let now = Position { start: *start, sequence: last, is_last: false };
        let (missed, kept) = match after {
            None => (Missed::Nothing, Vec::new()),
            Some(after) if after.start != *start || after.sequence > last => {
                (Missed::Unknown, Vec::new())
            }
            Some(after) => {
                let is_since = |event: &&Arc<Event>| event.sequence > after.sequence;
                let kept: Vec<_> = recent.events.iter().filter(is_since).cloned().collect();
                match last.saturating_sub(after.sequence).saturating_sub(kept.len() as u64) {
                    0 => (Missed::Nothing, kept),
                    lost => (Missed::Events(lost), kept),
                }
            }
        };
        followers.fetch_add(1, Ordering::Relaxed);
        keeps.store(true, Ordering::Relaxed);
        recent.alone_since = None;
        let (live, follower) = (to.subscribe(), Follower(self.clone()));
        Following { missed, recent: kept, live, now, follower }
    }

    /// Where an event is.
    pub fn position(&self, event: &Event) -> Position {
        Position { start: self.0.start, sequence: event.sequence, is_last: false }
    }

    /// The number of listeners now.
    pub fn listeners(&self) -> usize {
        self.0.to.receiver_count()
    }

    /// Whether an event has a listener, or may be asked for later.
    pub fn are_wanted(&self) -> bool {
        self.listeners() > 0 || self.are_kept()
    }

    fn are_kept(&self) -> bool {
        let Inner { keeps, followers, recent, .. } = &*self.0;
        if !keeps.load(Ordering::Relaxed) || followers.load(Ordering::Relaxed) > 0 {
            return keeps.load(Ordering::Relaxed);
        }
        let mut recent = recent.lock();
        let is_over = recent.alone_since.is_some_and(|since| since.elapsed() >= KEPT_FOR);
        if is_over {
            *recent = Recent::default();
            keeps.store(false, Ordering::Relaxed);
        }
        !is_over
    }

    /// Sends an event with the current time. It is serialized only if there is a listener.
    pub fn tell(&self, what: impl FnOnce() -> EventKind) {
        self.tell_at(SystemTime::now().into(), what);
    }

    /// Tells what happened at a time.
    pub fn tell_at(&self, at: Timestamp, what: impl FnOnce() -> EventKind) {
        let Inner { sequence, keeps, to, recent, .. } = &*self.0;
        if !self.are_wanted() {
            sequence.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let what = what();
        let mut recent = recent.lock();
        let sequence = sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Arc::new(Event { sequence, at, what });
        if keeps.load(Ordering::Relaxed) {
            if recent.events.len() == BACKLOG {
                recent.events.pop_front();
            }
            recent.events.push_back(Arc::clone(&event));
        }
        // The last listener may just have gone.
        let _ = to.send(event);
    }
}

#[cfg(test)]
mod tests;
