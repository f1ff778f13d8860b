//! Turns to wait: so many requests at once may take long.
//!
//! A request that waits for something, or works for long, has its connection for all
//! that time. It needs a turn for that, of which there are three for every four
//! connections: the rest is for requests that are answered at once.
//!
//! A client that has closed its side of the connection may have gone, or may only
//! have said all that it had to say: the system shows no difference before something
//! is sent to it. Such a client can wait for as long as no other client needs its
//! turn or its place; then it is the first to lose them. A client whose
//! connection was reset has gone, so its turn is over at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use chimera_layer4_api::problem::code;
use tokio::io::Interest;

use super::App;
use super::error::Problem;
use super::room::Place;

/// When to try again, in seconds.
pub(super) const LATER: f64 = 5.0;

/// The client of a request.
#[derive(Clone, Debug)]
pub(super) struct Client(pub(super) Arc<Place>);

impl Client {
    /// The right to wait for something; without it the answer is as if the time
    /// were over.
    pub(super) fn turn(&self) -> Option<Turn> {
        self.0.take_turn().then(|| Turn(Arc::clone(&self.0)))
    }

    /// The right to work for long, which is refused where there is none.
    pub(super) fn turn_to_work(&self) -> Result<Turn, Problem> {
        self.turn().ok_or_else(busy)
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        // Each connection's service puts it there.
        parts.extensions.get().cloned().ok_or_else(busy)
    }
}

/// The answer where there is no turn for what cannot be answered without.
pub(super) fn busy() -> Problem {
    let message = "as many requests wait or take long as may at once, three quarters of the \
                 connections; send it again later, or raise `max_connections` or the limit on \
                 open files";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, message).after(LATER)
}

/// A turn, which is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Place>);

impl Turn {
    /// Comes when the client has gone, or another one has the turn or wants the
    /// place of this one, which can be once its client has closed its side. So
    /// work that must not be left undone does not wait for this.
    pub(super) async fn over(&self) {
        let Self(place) = self;
        let goes = async {
            // Comes also when the client's side is closed; nothing is urgent here. An
            // error is the end of the runtime.
            let _ = place.stream.ready(Interest::PRIORITY).await;
            place.parted(true);
            let _ = place.stream.ready(Interest::ERROR).await;
        };
        tokio::select! {
            () = goes => {}
            () = poll_fn(|cx| self.wanted(cx)) => {}
        }
    }

    fn wanted(&self, cx: &Context<'_>) -> Poll<()> {
        let Self(place) = self;
        if place.wire.is_cut(cx) || !place.wire.has_turn() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// What is waited for, unless the turn is over before.
    pub(super) async fn wait<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let waited = tokio::select! {
            biased;
            what = what => Some(what),
            () = self.over() => None,
        };
        // What follows is worked on.
        self.0.parted(false);
        waited
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.give_turn_back();
    }
}
