//! How many connections there may be, and what is said of those that mean no good.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use axum_server::accept::Accept;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// What a client leaves unread for this long ends its connection.
const UNREAD_MILLIS: u32 = 30_000;

/// Takes connections while there is room, and closes those beyond at once.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    room: Arc<Semaphore>,
    /// Whether the last one was closed; only the first of a streak is logged.
    full: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { room, full: Arc::default() }
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = TcpStream;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(TcpStream, Counted<S>)>>;

    fn accept(&self, stream: TcpStream, inner: S) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!("connections are closed: `max_connections` are open");
            }
            return ready(Err(io::Error::other("too many connections")));
        };
        self.full.store(false, Ordering::Relaxed);
        // An answer in two writes would wait for the client's delayed ACK.
        let taken = stream.set_nodelay(true);
        let unread = || Ok(set_tcp_user_timeout(&stream, UNREAD_MILLIS)?);
        let taken = taken.and_then(|()| unread());
        ready(taken.map(|()| (stream, Counted { inner, _permit: Arc::new(permit) })))
    }
}

/// A request that was refused, as the log has it.
pub(super) struct Refusal<'a> {
    pub(super) method: &'a str,
    pub(super) route: &'a str,
    pub(super) status: u16,
    /// The problem's.
    pub(super) code: &'a str,
    /// The request's id.
    pub(super) request: &'a str,
}

/// Requests that were refused, of which a line a second is logged: a client
/// that floods the host is not to flood its log too.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The second of the last line.
    last: AtomicU64,
    unsaid: AtomicU64,
}

impl Refusals {
    pub(super) fn note(&self, refusal: &Refusal<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.last.swap(now, Ordering::Relaxed) == now {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let more = self.unsaid.swap(0, Ordering::Relaxed);
        let Refusal { method, route, status, code, request } = *refusal;
        tracing::info!(method, route, status, code, request, more, "a request was refused");
    }
}

/// A connection's service, which holds its place among all.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}
