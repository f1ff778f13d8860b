//! Room for connections: so many at once, and the idle ones make way.
//!
//! A connection is a file descriptor, so there is a share for them, and
//! `max_connections` may be less. When all are taken and another one comes, the
//! connection that has asked for nothing for the longest time is closed for it:
//! whoever only holds connections open shuts nobody out. One with a request in
//! hand, or an answer on its way, stays; where there are no others, the one that
//! comes is closed at once.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::http::Response;
use axum_server::accept::Accept;
use futures_util::task::AtomicWaker;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::listening::While;

/// What a client leaves unread for this long ends its connection.
const UNREAD_MILLIS: u32 = 30_000;
/// Connections that may be closing while others have their places already. The
/// part of the descriptors that is kept for the host covers them.
const LEAVING: usize = 16;

/// The connections there are.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: usize,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    open: usize,
    /// Of these, the ones that were told to make way.
    leaving: usize,
    /// Those that have no request in hand, the one idle for the longest time first.
    idle: BTreeMap<u64, Arc<Wire>>,
    next: u64,
    /// Whether the last one was closed; only the first of a streak is logged.
    full: bool,
}

/// What the room and a connection tell each other.
#[derive(Debug, Default)]
struct Wire {
    cut: AtomicBool,
    /// Whether bytes wait for the client to read; they are not cut off.
    unread: AtomicBool,
    reader: AtomicWaker,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Room { most, book: Mutex::default() }))
    }
}

impl Room {
    /// A place for one more connection, if need be that of an idle one.
    fn place(self: &Arc<Self>) -> Option<Arc<Place>> {
        let mut book = self.book();
        if book.open - book.leaving >= self.most && !book.make_way() {
            if !std::mem::replace(&mut book.full, true) {
                let most = self.most;
                tracing::warn!(
                    most,
                    "connections are closed: as many as there may be have requests in hand; \
                     `max_connections` and the limit on open files bound them"
                );
            }
            return None;
        }
        book.full = false;
        book.open += 1;
        let wire = Arc::new(Wire::default());
        let stay = Stay { requests: 0, idle_as: Some(book.idle(&wire)) };
        let room = Arc::clone(self);
        Some(Arc::new(Place { room, wire, stay: Mutex::new(stay) }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn idle(&mut self, wire: &Arc<Wire>) -> u64 {
        self.next += 1;
        self.idle.insert(self.next, Arc::clone(wire));
        self.next
    }

    /// Closes the connection that is idle for the longest time.
    fn make_way(&mut self) -> bool {
        if self.leaving >= LEAVING {
            return false;
        }
        let is_read = |wire: &Arc<Wire>| !wire.unread.load(Ordering::Acquire);
        let Some(at) = self.idle.iter().find(|(_, wire)| is_read(wire)).map(|(at, _)| *at) else {
            return false;
        };
        let Some(wire) = self.idle.remove(&at) else { return false };
        self.leaving += 1;
        wire.cut.store(true, Ordering::Release);
        wire.reader.wake();
        true
    }
}

/// The place of one connection, given back when its stream and its service are gone.
#[derive(Debug)]
struct Place {
    room: Arc<Room>,
    wire: Arc<Wire>,
    stay: Mutex<Stay>,
}

#[derive(Debug)]
struct Stay {
    requests: usize,
    /// Its number among the idle, unless it has a request in hand.
    idle_as: Option<u64>,
}

impl Place {
    /// A request is in hand while the answer lives.
    fn request(self: &Arc<Self>) -> InHand {
        let mut book = self.room.book();
        let mut stay = self.stay();
        stay.requests += 1;
        if let Some(at) = stay.idle_as.take() {
            book.idle.remove(&at);
        }
        InHand(Arc::clone(self))
    }

    fn stay(&self) -> MutexGuard<'_, Stay> {
        self.stay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut book = self.room.book();
        if let Some(at) = self.stay().idle_as {
            book.idle.remove(&at);
        }
        book.open -= 1;
        if self.wire.cut.load(Ordering::Acquire) {
            book.leaving -= 1;
        }
    }
}

/// One request of a connection, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct InHand(Arc<Place>);

impl Drop for InHand {
    fn drop(&mut self) {
        let Place { room, wire, .. } = &*self.0;
        let mut book = room.book();
        let mut stay = self.0.stay();
        stay.requests -= 1;
        if stay.requests == 0 && !wire.cut.load(Ordering::Acquire) {
            stay.idle_as = Some(book.idle(wire));
        }
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Watched;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(Watched, Counted<S>)>>;

    fn accept(&self, stream: TcpStream, inner: S) -> Self::Future {
        let Some(place) = self.0.place() else {
            return ready(Err(io::Error::other("too many connections")));
        };
        // An answer in two writes would wait for the client's delayed ACK.
        let taken = stream.set_nodelay(true);
        let unread = || Ok(set_tcp_user_timeout(&stream, UNREAD_MILLIS)?);
        let taken = taken.and_then(|()| unread());
        let watched = |()| {
            let service = Counted { inner, place: Arc::clone(&place) };
            (Watched { stream, place }, service)
        };
        ready(taken.map(watched))
    }
}

/// A connection that ends when its place is wanted.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    place: Arc<Place>,
}

impl Watched {
    /// Notes whether the client lets bytes wait.
    fn written<T>(&self, written: Poll<T>) -> Poll<T> {
        self.place.wire.unread.store(written.is_pending(), Ordering::Release);
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &self.place.wire;
        wire.reader.register(cx.waker());
        if wire.cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection's service, which tells when a request is in hand.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    place: Arc<Place>,
}

type Answer<B, E> = Pin<Box<dyn Future<Output = Result<Response<While<B, InHand>>, E>> + Send>>;

impl<S, R, B> Service<R> for Counted<S>
where
    S: Service<R, Response = Response<B>>,
    S::Future: Send + 'static,
{
    /// The request is in hand until its answer is sent.
    type Response = Response<While<B, InHand>>;
    type Error = S::Error;
    type Future = Answer<B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let in_hand = self.place.request();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| While { body, _guard: in_hand }))
        })
    }
}
