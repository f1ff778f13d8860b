//! How many may listen to events.
//!
//! A listener has its connection for as long as it likes, so it takes one of the
//! turns of those that wait: what is left of the connections is for requests
//! that are answered at once.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::problem::code;
use hyper::body::{Frame, SizeHint};

use super::error::Problem;
use super::turns::{Client, LATER};

/// Gives a listener a turn until the events end, which they do when the turn is
/// over.
pub(super) async fn takes_a_turn(client: Client, request: Request, next: Next) -> Response {
    let Some(turn) = client.turn() else {
        let message = "as many clients wait or listen as may at once, three quarters of the \
                     connections; raise `max_connections` or the limit on open files";
        let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code::TOO_MANY_LISTENERS, message);
        return full.after(LATER).into_response();
    };
    let answer = next.run(request).await;
    let over: Over = Box::pin(async move { turn.over().await });
    answer.map(|body| Body::new(Until { body, over: Some(over) }))
}

type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body that ends with its turn, if it does not end before.
struct Until {
    body: Body,
    /// `None`: it is over.
    over: Option<Over>,
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let is_over = self.over.as_mut().is_none_or(|over| over.as_mut().poll(cx).is_ready());
        if is_over {
            self.over = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over.is_none() || self.body.is_end_stream()
    }
}

/// A body, and what lasts until it is sent.
#[derive(Debug)]
pub(super) struct While<B, G> {
    pub(super) body: B,
    pub(super) _guard: G,
}

impl<B, G> HttpBody for While<B, G>
where
    B: HttpBody<Data = Bytes> + Unpin,
    G: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
