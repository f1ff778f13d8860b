//! The limit on connections, with eviction: a new one takes the place of one that waits for
//! its client.
//!
//! A connection is a file descriptor, so there is a share for them, and
//! `max_connections` may be less. When all are taken and another one comes, one that
//! waits for its client is closed for it: a client that only holds connections open
//! does not keep others out. One that waits for something for a client that has closed
//! its side goes first (`turns`). Then goes one that was answered and has asked for
//! nothing since for a while, then the one that has waited for the longest time, be it
//! for a head, for the rest of a body or for the client to read its answer. One whose
//! request is being worked on, or whose client has asked to wait and is there, stays;
//! where there are no others for a while, the one that comes is closed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};

use axum_server::{AddrListener, Address};
use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Connections that may be closing while others have their places already. The
/// part of the descriptors that is kept for the host covers them.
const LEAVING: usize = 16;
/// For a place to be had: connections take a moment to close, and to get through a
/// rush of requests. What comes meanwhile waits in the listener's queue.
const PATIENCE: Duration = Duration::from_secs(1);
/// A connection that was answered and is idle for this long loses nothing by going
/// first. A new one may be late only because the host has much to do.
const QUIET: Duration = Duration::from_secs(5);

/// The connections there are.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: usize,
    /// Requests that may wait or take long at once.
    most_turns: usize,
    lines: Mutex<Lines>,
    /// Notified when a connection is gone, or begins to wait for its client.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    open: usize,
    /// Of these, the ones that were asked to close.
    leaving: usize,
    /// Turns that are taken.
    turns: usize,
    /// Those that have turns to wait, and whose clients have closed their sides, the
    /// one whose client did so first before the others.
    parted: BTreeMap<u64, Arc<Wire>>,
    /// Those that were answered and have no request in flight, the one idle for
    /// the longest time first.
    idle: BTreeMap<u64, (Instant, Arc<Wire>)>,
    /// Those that are new, or have a request in flight and wait for their clients,
    /// the same way.
    stalled: BTreeMap<u64, Arc<Wire>>,
    next: u64,
    /// Whether the last one was closed; only the first of a streak is logged.
    full: bool,
}

/// What the room tells a connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    cut: AtomicBool,
    /// Whether the connection has a turn, which another one may take over.
    turn: AtomicBool,
    task: AtomicWaker,
}

impl Wire {
    /// Whether the connection is to end; its task is woken when that changes.
    pub(super) fn is_cut(&self, cx: &Context<'_>) -> bool {
        self.task.register(cx.waker());
        self.cut.load(Ordering::Acquire)
    }

    /// Whether it has its turn still; its task is woken as for an end.
    pub(super) fn has_turn(&self) -> bool {
        self.turn.load(Ordering::Acquire)
    }
}

/// A quarter of the connections is always left for requests that do not wait.
fn most_turns(connections: usize) -> usize {
    (connections / 4 * 3).max(1)
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        let most_turns = most_turns(most);
        let (lines, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Room { most, most_turns, lines, changed }))
    }
}

impl Room {
    /// A place for one more connection, if need be that of one that waits for its client.
    fn place(self: &Arc<Self>, stream: TcpStream) -> Option<Arc<Place>> {
        let mut lines = self.lines();
        if lines.open - lines.leaving >= self.most && !lines.make_way() {
            if !std::mem::replace(&mut lines.full, true) {
                let most = self.most;
                tracing::warn!(
                    most,
                    "connections are closed: every one that may be open has a request under way; \
                     `max_connections` and the limit on open files bound them"
                );
            }
            return None;
        }
        lines.full = false;
        lines.open += 1;
        let wire = Arc::new(Wire::default());
        let line = Some((Line::Stalled, lines.join(Line::Stalled, &wire)));
        let stay = Stay { line, ..Stay::default() };
        let room = Arc::clone(self);
        Some(Arc::new(Place { stream, room, wire, stay: Mutex::new(stay) }))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock()
    }

    /// Waits until there is a place for one more; not where there was none lately.
    async fn has_a_place(&self) {
        while !self.lines().may_take(self.most) {
            self.changed.notified().await;
        }
    }
}

impl Lines {
    fn join(&mut self, line: Line, wire: &Arc<Wire>) -> u64 {
        self.next += 1;
        let wire = Arc::clone(wire);
        match line {
            Line::Parted => drop(self.parted.insert(self.next, wire)),
            Line::Idle => drop(self.idle.insert(self.next, (Instant::now(), wire))),
            Line::Stalled => drop(self.stalled.insert(self.next, wire)),
        }
        self.next
    }

    fn leave(&mut self, (line, at): (Line, u64)) {
        match line {
            Line::Parted => drop(self.parted.remove(&at)),
            Line::Idle => drop(self.idle.remove(&at)),
            Line::Stalled => drop(self.stalled.remove(&at)),
        }
    }

    fn may_take(&self, most: usize) -> bool {
        self.full || self.open - self.leaving < most || self.may_make_way()
    }

    fn may_make_way(&self) -> bool {
        let none = self.parted.is_empty() && self.idle.is_empty() && self.stalled.is_empty();
        self.leaving < LEAVING && !none
    }

    /// Closes one connection for another.
    fn make_way(&mut self) -> bool {
        if !self.may_make_way() {
            return false;
        }
        let parted = self.parted.pop_first().map(|(_, wire)| wire);
        let Some(wire) = parted.or_else(|| self.longest_waiting()) else { return false };
        self.leaving += 1;
        wire.cut.store(true, Ordering::Release);
        wire.task.wake();
        true
    }

    /// The connection that has waited for its client for the longest time; one that
    /// has been quiet for a while before one in the midst of a request.
    fn longest_waiting(&mut self) -> Option<Arc<Wire>> {
        let stalled = self.stalled.keys().next().copied();
        let idle = self.idle.first_entry().filter(|idle| {
            idle.get().0.elapsed() >= QUIET || stalled.is_none_or(|at| *idle.key() < at)
        });
        match idle {
            Some(idle) => Some(idle.remove().1),
            None => stalled.and_then(|at| self.stalled.remove(&at)),
        }
    }

    /// A turn for one more, if need be that of one whose client has closed its side.
    fn take_turn(&mut self, most: usize) -> bool {
        if self.turns < most {
            self.turns += 1;
            return true;
        }
        let Some((_, wire)) = self.parted.pop_first() else { return false };
        wire.turn.store(false, Ordering::Release);
        wire.task.wake();
        true
    }
}

/// Where a connection stands that waits for its client.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// It waits for something for a client that has closed its side.
    Parted,
    /// It was answered and has no request in flight.
    Idle,
    /// It waits for its first request, the rest of a body, or an answer to be read.
    Stalled,
}

/// The place of one connection, given back when its stream and its service are gone.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) stream: TcpStream,
    room: Arc<Room>,
    pub(super) wire: Arc<Wire>,
    stay: Mutex<Stay>,
}

#[derive(Debug, Default)]
struct Stay {
    requests: usize,
    /// Requests whose bodies are still being read.
    bodies: usize,
    /// Whether bytes wait for the client to read.
    unread: bool,
    /// Whether it has had a request.
    answered: bool,
    /// Whether its client has closed its side while its request waits.
    parted: bool,
    /// Its place in a line and which, while it waits for its client.
    line: Option<(Line, u64)>,
}

impl Stay {
    fn waits_in(&self) -> Option<Line> {
        match self {
            Stay { parted: true, .. } => Some(Line::Parted),
            Stay { unread: true, .. } => Some(Line::Stalled),
            Stay { requests: 0, answered: true, .. } => Some(Line::Idle),
            Stay { requests: 0, .. } => Some(Line::Stalled),
            Stay { bodies, .. } => (*bodies > 0).then_some(Line::Stalled),
        }
    }
}

impl Place {
    /// Something has happened: if the connection waits for its client, it does so anew.
    fn happened(&self, change: impl FnOnce(&mut Stay)) {
        let mut lines = self.room.lines();
        let mut stay = self.stay();
        change(&mut stay);
        stay.parted &= self.wire.has_turn();
        if let Some(line) = stay.line.take() {
            lines.leave(line);
        }
        if !self.wire.cut.load(Ordering::Acquire) {
            stay.line = stay.waits_in().map(|line| (line, lines.join(line, &self.wire)));
            self.room.changed.notify_one();
        }
    }

    /// A request is in flight while the answer lives.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.happened(|stay| stay.requests += 1);
        InFlight(Arc::clone(self))
    }

    /// Waits for the rest of a body, until that is dropped.
    pub(super) fn rest(self: &Arc<Self>) -> Rest {
        self.happened(|stay| stay.bodies += 1);
        Rest(Arc::clone(self))
    }

    /// Whether the client lets bytes wait.
    pub(super) fn unread(&self, unread: bool) {
        self.happened(|stay| stay.unread = unread);
    }

    /// A turn to wait, which is to be given back; one at a time.
    pub(super) fn take_turn(&self) -> bool {
        let mut lines = self.room.lines();
        let taken = !self.wire.has_turn() && lines.take_turn(self.room.most_turns);
        if taken {
            self.wire.turn.store(true, Ordering::Release);
        }
        taken
    }

    /// The turn is over, if another connection has not taken it.
    pub(super) fn give_turn_back(&self) {
        let mut lines = self.room.lines();
        if self.wire.turn.swap(false, Ordering::AcqRel) {
            lines.turns -= 1;
        }
        drop(lines);
        self.happened(|_| {});
    }

    /// Whether the client has closed its side while its request waits.
    pub(super) fn parted(&self, parted: bool) {
        self.happened(|stay| stay.parted = parted);
    }

    fn stay(&self) -> MutexGuard<'_, Stay> {
        self.stay.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.room.lines();
        if let Some(line) = self.stay().line.take() {
            lines.leave(line);
        }
        lines.open -= 1;
        if self.wire.cut.load(Ordering::Acquire) {
            lines.leaving -= 1;
        }
        self.room.changed.notify_one();
    }
}

/// One request of a connection, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Place>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.happened(|stay| {
            stay.requests -= 1;
            stay.answered = true;
        });
    }
}

/// The rest of a request's body, until it has arrived or is not needed.
#[derive(Debug)]
pub(super) struct Rest(Arc<Place>);

impl Rest {
    /// A part of it has come.
    pub(super) fn goes_on(&self) {
        self.0.happened(|_| {});
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.happened(|stay| stay.bodies -= 1);
    }
}

/// The listener, which gives each connection its place as it comes.
#[derive(Debug)]
pub(super) struct LimitedListener {
    pub(super) listener: TcpListener,
    pub(super) connections: Connections,
}

/// Where a client asks from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(SocketAddr);

/// A connection, in its place.
#[derive(Debug)]
pub(super) struct Seated(pub(super) Arc<Place>);

impl Address for Origin {
    type Stream = Seated;
    type Listener = LimitedListener;
}

impl AddrListener<Seated, Origin> for LimitedListener {
    async fn bind_to(Origin(address): Origin) -> io::Result<Self> {
        let message = format!("{address} is bound before a server is made");
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    async fn accept_stream(&self) -> io::Result<(Seated, Origin)> {
        let Self { listener, connections: Connections(room) } = self;
        loop {
            // If there is still no place after that, the new connection is closed.
            let _ = timeout(PATIENCE, room.has_a_place()).await;
            let (stream, from) = listener.accept().await?;
            if let Some(place) = room.place(stream) {
                return Ok((Seated(place), Origin(from)));
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Origin> {
        self.listener.local_addr().map(Origin)
    }
}
