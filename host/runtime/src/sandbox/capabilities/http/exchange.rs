//! One request and its response, over a connection of their own.

use std::error::Error as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chimera_layer4_core::quota::MAX_EXECUTION_TIME_SECS;
use http::uri::PathAndQuery;
use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::paced::Pulse;
use super::{Admitted, BoxFuture, Permit, Sent, dial};
use crate::sandbox::limits::bandwidth::Direction;
use crate::sandbox::limits::cpu::thread_time;
use crate::sandbox::limits::network::Line;

/// Bytes that a response's head may have; they stay as long as the guest keeps
/// the response.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 128;
/// The most for looking up, connecting and TLS together.
const MOST_CONNECT: Duration = Duration::from_secs(10);
/// With nothing moving, where the guest says nothing.
const DEFAULT_SILENCE: Duration = Duration::from_secs(60);

/// How long a guest waits while nothing moves. The call's wall time ends
/// whatever takes longer in all.
#[derive(Clone, Copy)]
struct Patience {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Patience {
    fn of(options: Option<RequestOptions>) -> Self {
        let asked = options.unwrap_or_default();
        let most = Duration::from_secs(MAX_EXECUTION_TIME_SECS);
        let silence = |asked: Option<Duration>| asked.unwrap_or(DEFAULT_SILENCE).min(most);
        Self {
            connect: asked.connect_timeout.unwrap_or(MOST_CONNECT).min(MOST_CONNECT),
            first_byte: silence(asked.first_byte_timeout),
            between_bytes: silence(asked.between_bytes_timeout),
        }
    }
}

/// Sends what was admitted; the response's body is received while the second
/// part of the answer lives.
pub(super) async fn send(
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
    admitted: Admitted,
) -> Sent {
    let line = Arc::clone(&admitted.line);
    let sent = exchange(request, Patience::of(options), admitted);
    line.until_cut(charged(&line, sent)).await.unwrap_or(Err(Error::ConnectionTerminated))
}

async fn exchange(mut request: Request<WasiBody>, patience: Patience, admitted: Admitted) -> Sent {
    let (line, permit) = (Arc::clone(&admitted.line), Arc::clone(&admitted.permit));
    let pulse = Pulse::default();
    let stream = timeout(patience.connect, dial::connect(admitted, pulse.clone())).await;
    let stream = stream.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_hyper(&error))?;
    let driving = Arc::clone(&line);
    let connection = spawn(async move {
        // The request or the body gets the result.
        let _ = driving.until_cut(charged(&driving, connection)).await;
    });

    *request.uri_mut() = origin_form(request.uri());
    let silence = Silence { line, pulse };
    let response = silence.bounded(patience.first_byte, sender.send_request(request)).await;
    let response = response.ok_or(Error::ConnectionReadTimeout)?;
    let response = response.map_err(|error| of_hyper(&error))?;
    let response =
        response.map(|body| ResponseBody::new(body, patience, silence, permit).boxed_unsync());
    let driven: BoxFuture = Box::new(async move {
        connection.await;
        Ok(())
    });
    Ok((response, driven))
}

/// The request's target as a server that is no proxy is asked for it.
fn origin_form(target: &Uri) -> Uri {
    let path = target.path_and_query().filter(|path| path.as_str().starts_with('/'));
    Uri::from(path.cloned().unwrap_or_else(|| match target.query() {
        Some(query) => format!("/?{query}").parse().unwrap_or(PathAndQuery::from_static("/")),
        None => PathAndQuery::from_static("/"),
    }))
}

/// Whether a connection is silent: nothing moved on it, and not for lack of
/// bandwidth.
struct Silence {
    line: Arc<Line>,
    pulse: Pulse,
}

impl Silence {
    fn is_paused(&self) -> bool {
        self.line.is_full(Direction::Sent) || self.line.is_full(Direction::Received)
    }

    /// What `future` comes to; `None` after so long a silence.
    async fn bounded<F: Future>(&self, silence: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let before = self.pulse.count();
            match timeout(silence, future.as_mut()).await {
                Ok(done) => return Some(done),
                Err(_) if self.pulse.count() > before || self.is_paused() => {}
                Err(_) => return None,
            }
        }
    }
}

/// A response's body that does not wait for ever.
struct ResponseBody {
    body: Incoming,
    between_bytes: Duration,
    alarm: Pin<Box<Sleep>>,
    /// What the pulse was when the alarm was set.
    before: u64,
    silence: Silence,
    _permit: Permit,
}

impl ResponseBody {
    fn new(body: Incoming, patience: Patience, silence: Silence, permit: Permit) -> Self {
        let between_bytes = patience.between_bytes;
        let (alarm, before) = (Box::pin(sleep(between_bytes)), silence.pulse.count());
        Self { body, between_bytes, alarm, before, silence, _permit: permit }
    }

    fn set_alarm(&mut self) {
        self.before = self.silence.pulse.count();
        self.alarm.as_mut().reset(Instant::now() + self.between_bytes);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.set_alarm();
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| of_hyper(&error))));
        }
        loop {
            ready!(this.alarm.as_mut().poll(cx));
            if this.silence.pulse.count() == this.before && !this.silence.is_paused() {
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            this.set_alarm();
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs `future` at the cost of the guest that caused it.
async fn charged<F: Future>(line: &Line, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let before = thread_time();
        let polled = future.as_mut().poll(cx);
        line.took(thread_time().saturating_sub(before));
        polled
    })
    .await
}

/// The error that the guest gets for an exchange that failed.
fn of_hyper(error: &hyper::Error) -> Error {
    let cause = error.source();
    if let Some(Error::HttpRequestBodySize(size)) = cause.and_then(|cause| cause.downcast_ref()) {
        return Error::HttpRequestBodySize(*size);
    }
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_canceled()
        || error.is_closed()
        || cause.is_some_and(|c| c.is::<std::io::Error>())
    {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_the_path_alone() {
        for (target, path) in [
            ("http://example.com", "/"),
            ("http://example.com/", "/"),
            ("http://example.com/a/b?c=d", "/a/b?c=d"),
            ("http://example.com?c=d", "/?c=d"),
        ] {
            assert_eq!(origin_form(&target.parse().unwrap()).to_string(), path);
        }
    }

    #[test]
    fn a_guest_may_be_more_patient_but_not_with_connecting() {
        let hour = Some(Duration::from_secs(3600));
        let patience = Patience::of(Some(RequestOptions {
            connect_timeout: hour,
            first_byte_timeout: hour,
            between_bytes_timeout: None,
        }));
        assert_eq!(patience.connect, MOST_CONNECT);
        assert_eq!(patience.first_byte, Duration::from_secs(3600));
        assert_eq!(patience.between_bytes, DEFAULT_SILENCE);
    }
}
