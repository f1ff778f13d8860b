//! One connection: its stream and its service, which tell the room when they wait
//! for the client, and end when their place is wanted.

use std::error::Error;
use std::future::{Ready, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use axum::http::{Request, Response};
use axum_server::accept::Accept;
use hyper::body::{Frame, SizeHint};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::listening::While;
use super::room::{InFlight, Place, Rest, Seated};

/// What a client leaves unread for this long ends its connection.
const UNREAD_MILLIS: u32 = 30_000;

/// Makes a connection of what has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Welcome;

impl<S> Accept<Seated, S> for Welcome {
    type Stream = Watched;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(Watched, Counted<S>)>>;

    fn accept(&self, Seated { stream, place }: Seated, inner: S) -> Self::Future {
        // An answer in two writes would wait for the client's delayed ACK.
        let taken = stream.set_nodelay(true);
        let unread = || Ok(set_tcp_user_timeout(&stream, UNREAD_MILLIS)?);
        let taken = taken.and_then(|()| unread());
        let watched = |()| {
            let service = Counted { inner, place: Arc::clone(&place) };
            (Watched { stream, place, unread: false }, service)
        };
        ready(taken.map(watched))
    }
}

/// A connection that ends when its place is wanted.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    place: Arc<Place>,
    /// Whether the client lets bytes wait.
    unread: bool,
}

impl Watched {
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

fn made_way() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it made way for another connection")
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.place.wire.is_cut(cx) {
            return Poll::Ready(Err(made_way()));
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
        self.written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(written, cx)
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

/// A request's body. Until it is here, or whoever reads it wants no more, its
/// request is not worked on: it waits for the client, or for room beside others
/// that do.
#[derive(Debug)]
pub(super) struct Coming<B> {
    body: B,
    rest: Option<Rest>,
}

impl<B: HttpBody> Coming<B> {
    fn new(body: B, place: &Arc<Place>) -> Self {
        let rest = (!body.is_end_stream()).then(|| place.rest());
        Self { body, rest }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Coming<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) if !self.body.is_end_stream() => {
                self.rest.iter().for_each(Rest::goes_on);
            }
            Poll::Ready(_) => self.rest = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's service, which tells when a request is in hand.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    place: Arc<Place>,
}

type Failed = Box<dyn Error + Send + Sync>;
type Answer<A> = Pin<Box<dyn Future<Output = Result<Response<While<A, InFlight>>, Failed>> + Send>>;

impl<S, B, A> Service<Request<B>> for Counted<S>
where
    B: HttpBody,
    S: Service<Request<Coming<B>>, Response = Response<A>>,
    S::Error: Into<Failed>,
    S::Future: Send + 'static,
{
    /// The request is in hand until its answer is sent.
    type Response = Response<While<A, InFlight>>;
    type Error = Failed;
    type Future = Answer<A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let place = Arc::clone(&self.place);
        let in_hand = place.request();
        let answer = self.inner.call(request.map(|body| Coming::new(body, &place)));
        Box::pin(async move {
            let mut answer = pin!(answer);
            // While its body is waited for, nothing is read or written that would end it.
            let answer = poll_fn(|cx| {
                if place.wire.is_cut(cx) {
                    return Poll::Ready(Err(made_way().into()));
                }
                answer.as_mut().poll(cx).map_err(Into::into)
            });
            Ok(answer.await?.map(|body| While { body, _guard: in_hand }))
        })
    }
}
