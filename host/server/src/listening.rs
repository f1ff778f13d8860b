//! How many may listen to events.
//!
//! A listener has its connection for as long as it likes, so it takes one of the
//! turns of those that wait: what is left of the connections is for requests
//! that are answered at once.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::problem::code;
use hyper::body::{Frame, SizeHint};

use super::App;
use super::error::Problem;

/// When to try again, in seconds.
const LATER: f64 = 5.0;

/// Has whoever listens take a turn until the events end.
pub(super) async fn takes_a_turn(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(turn) = app.turn_to_wait() else {
        let words = "as many clients wait or listen as may at once, three quarters of the \
                     connections; raise `max_connections` or the limit on open files";
        let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code::TOO_MANY_LISTENERS, words);
        return full.after(LATER).into_response();
    };
    next.run(request).await.map(|body| Body::new(While { body, _guard: turn }))
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
