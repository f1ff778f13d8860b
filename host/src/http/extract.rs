//! Reads what a request brings, within bounds, and says what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use chimera_layer4_core::scheduler::submission::MOST_TASK_BYTES;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::App;
use super::error::Problem;

/// A task, with room for what is said of it.
const MOST_BYTES: usize = MOST_TASK_BYTES + (64 << 10);
/// Bytes of all bodies in memory, in KiB. Thousands of connections, each with
/// the largest body, would be more than the machine has.
const ALL_KIB: usize = 256 << 10;
/// For a body to arrive, and for room to read it into.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room for bodies.
#[derive(Clone, Debug)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_KIB)))
    }
}

impl Bodies {
    /// Reads a body into what room there is. The room is held until the body is
    /// parsed, which is when it is dropped.
    async fn read(&self, request: Request) -> Result<(Bytes, SemaphorePermit<'_>), Problem> {
        let said = request.headers().get(header::CONTENT_LENGTH);
        let said = said.and_then(|length| length.to_str().ok()?.parse().ok());
        let length: usize = said.unwrap_or(MOST_BYTES);
        if length > MOST_BYTES {
            return Err(too_large());
        }
        let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = timeout(PATIENCE, self.0.acquire_many(kib)).await;
        let Ok(Ok(room)) = room else {
            let words = "too many large requests at once; send it again";
            let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", words);
            return Err(busy);
        };
        let read = timeout(PATIENCE, to_bytes(request.into_body(), MOST_BYTES)).await;
        match read {
            Ok(Ok(bytes)) => Ok((bytes, room)),
            Ok(Err(error)) => Err(unread(&error)),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-timeout",
                format!("the body did not arrive within {} s", PATIENCE.as_secs()),
            )),
        }
    }
}

fn too_large() -> Problem {
    let words = format!(
        "the body is larger than {} MiB; send fewer tasks at once, or grant the agent a folder",
        MOST_BYTES >> 20
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", words)
}

fn unread(error: &axum::Error) -> Problem {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = source {
        if inner.is::<LengthLimitError>() {
            return too_large();
        }
        source = inner.source();
    }
    Problem::invalid(format!("the body could not be read: {error}"))
}

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let (bytes, _room) = app.bodies.read(request).await?;
        parse(&bytes).map(Json)
    }
}

/// A browser sends JSON to another site only if that site agrees beforehand,
/// and this one does not.
fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let words =
        format!("the content type is {:?}; allowed is application/json", kind.unwrap_or_default());
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", words))
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let wrong =
        |words: String| Problem::invalid(format!("the body is not what it should be: {words}"));
    let value = parsed.map_err(|error| match error.path().iter().next() {
        Some(_) => wrong(format!("{}: {}", error.path(), error.inner())),
        None => wrong(error.inner().to_string()),
    })?;
    json.end().map_err(|error| wrong(error.to_string()))?;
    Ok(value)
}

/// One or several of the same, as an object or an array.
pub(super) enum OneOrMany<T> {
    One(Box<T>),
    Many(Vec<T>),
}

impl<T: DeserializeOwned> FromRequest<App> for OneOrMany<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let (bytes, _room) = app.bodies.read(request).await?;
        // Looked at rather than tried: an attempt would parse all of it twice.
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => parse(&bytes).map(OneOrMany::Many),
            _ => parse(&bytes).map(|one| OneOrMany::One(Box::new(one))),
        }
    }
}

/// A part of the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let wrong = |_| Problem::invalid("the path's id is not a UUID");
        path.map(|Path(id)| Id(id)).map_err(wrong)
    }
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Params(query))
            .map_err(|error| Problem::invalid(format!("the query: {}", error.body_text())))
    }
}
