//! One connection: its stream and its service, which tell the room when they wait
//! for the client, and end when their place is wanted.

use std::error::Error;
use std::future::{self, Ready, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::header::EXPECT;
use axum::http::{Request, Response};
use axum_server::accept::Accept;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout,
};
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tower::Service;

use super::listening::While;
use super::room::{InFlight, Place, Rest, Seated};
use super::turns::Client;

/// What a client leaves unread for this long ends its connection.
const UNREAD_MILLIS: u32 = 30_000;
/// How often the system looks whether a silent client is there. One that does not
/// answer is taken for gone after the same time as one that leaves bytes unread. The
/// system of one that has closed its connection answers for a minute, on Linux, as if
/// it had closed its side only, and then with a reset.
const LOOK: Duration = Duration::from_secs(10);
/// How long a client that is refused while it sends may go on, and how many bytes:
/// a component of the size that is allowed by default.
const LINGER: Duration = Duration::from_secs(5);
const MOST_DISCARDED: usize = 64 << 20;

/// Makes a connection of what has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Welcome;

impl<S> Accept<Seated, S> for Welcome {
    type Stream = Watched;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(Watched, Counted<S>)>>;

    fn accept(&self, Seated(place): Seated, inner: S) -> Self::Future {
        let watched = |()| {
            let service = Counted { inner, place: Arc::clone(&place) };
            (Watched { place: Arc::clone(&place), unread: false }, service)
        };
        future::ready(set_up(&place.stream).map(watched))
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    // An answer in two writes would wait for the client's delayed ACK.
    stream.set_nodelay(true)?;
    set_tcp_user_timeout(stream, UNREAD_MILLIS)?;
    set_tcp_keepidle(stream, LOOK)?;
    set_tcp_keepintvl(stream, LOOK)?;
    Ok(set_socket_keepalive(stream, true)?)
}

/// A connection that ends when its place is wanted.
#[derive(Debug)]
pub(super) struct Watched {
    place: Arc<Place>,
    /// Whether the client lets bytes wait.
    unread: bool,
}

impl Watched {
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = &self.place.stream;
        let written = until_done(|| stream.poll_write_ready(cx), || write(stream));
        self.written(written, cx)
    }

    /// Notes whether the client lets bytes wait; they wait no longer than for others.
    fn written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<T>> {
        if self.unread != written.is_pending() {
            self.unread = written.is_pending();
            self.place.unread(self.unread);
        }
        if written.is_pending() && self.place.wire.is_cut(cx) {
            return Poll::Ready(Err(made_way()));
        }
        written
    }
}

/// Does it as soon as the stream is ready for that.
fn until_done<T>(
    mut is_ready: impl FnMut() -> Poll<io::Result<()>>,
    mut done: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(is_ready())?;
        match done() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

fn made_way() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it made way for another connection")
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.place.wire.is_cut(cx) {
            return Poll::Ready(Err(made_way()));
        }
        let stream = &self.place.stream;
        until_done(|| stream.poll_read_ready(cx), || stream.try_read_buf(buf)).map_ok(drop)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is kept back here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(&self.place.stream, Shutdown::Write) {
            // The client has ended it already.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

/// A request's body. Until it has arrived, or its reader needs no more of it,
/// its request is not worked on: it waits for the client, or for room beside
/// others that do.
#[derive(Debug)]
pub(super) struct Coming {
    /// Gone when this is dropped.
    body: Option<Incoming>,
    rest: Option<Rest>,
    /// Whether the rest is read and discarded when nothing reads it any more.
    lingers: bool,
}

impl Coming {
    fn new(body: Incoming, lingers: bool, place: &Arc<Place>) -> Self {
        let rest = (!body.is_end_stream()).then(|| place.rest());
        Self { body: Some(body), rest, lingers }
    }
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) if !self.is_end_stream() => {
                self.rest.iter().for_each(Rest::goes_on);
            }
            Poll::Ready(_) => self.rest = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Coming {
    /// A client that is refused may still be sending. If its connection ended now, it
    /// would find that reset, and not the refusal.
    fn drop(&mut self) {
        let (Some(body), Some(rest), true) = (self.body.take(), self.rest.take(), self.lingers)
        else {
            return;
        };
        // It ends with its connection, and by itself.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(LINGER, discard(body, rest)));
        }
    }
}

/// Reads what is left of a body, up to a bound.
async fn discard(mut body: Incoming, rest: Rest) {
    let mut bytes = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if bytes > MOST_DISCARDED {
            return;
        }
        rest.goes_on();
    }
}

/// A connection's service, which reports when a request is in flight.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    place: Arc<Place>,
}

type Failed = Box<dyn Error + Send + Sync>;
type Answer<A> = Pin<Box<dyn Future<Output = Result<Response<While<A, InFlight>>, Failed>> + Send>>;

impl<S, A> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Coming>, Response = Response<A>>,
    S::Error: Into<Failed>,
    S::Future: Send + 'static,
{
    /// The request is in flight until its answer is sent.
    type Response = Response<While<A, InFlight>>;
    type Error = Failed;
    type Future = Answer<A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let place = Arc::clone(&self.place);
        let in_flight = place.request();
        request.extensions_mut().insert(Client(Arc::clone(&place)));
        // One that asks first sends no body after a refusal.
        let lingers = !request.headers().contains_key(EXPECT);
        let answer = self.inner.call(request.map(|body| Coming::new(body, lingers, &place)));
        Box::pin(async move {
            let mut answer = pin!(answer);
            // While its body is waited for, nothing is read or written that would end it.
            let answer = poll_fn(|cx| {
                if place.wire.is_cut(cx) {
                    return Poll::Ready(Err(made_way().into()));
                }
                answer.as_mut().poll(cx).map_err(Into::into)
            });
            Ok(answer.await?.map(|body| While { body, _guard: in_flight }))
        })
    }
}
