//! Reads what a request brings, within bounds, and says what is wrong with it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use bytes::BytesMut;
use chimera_layer4_api::problem::code;
use chimera_layer4_core::json::{MOST_DEPTH, nesting};
use chimera_layer4_core::scheduler::submission::MOST_TASK_BYTES;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::App;
use super::error::Problem;
use super::shapes::{Items, Object};

/// A task, with room for the fields around its payload.
const MOST_BYTES: usize = MOST_TASK_BYTES + (64 << 10);
/// Levels of a body around a payload.
const AROUND: usize = 4;
/// Bytes of all bodies in memory, in KiB. Thousands of connections, each with
/// the largest body, would be more than the machine has; and read, a body takes
/// several times its bytes.
const ALL_KIB: usize = 64 << 10;
/// A body that says it is no larger needs no room of its own, so that large ones
/// that come slowly do not delay it: all connections together send less than that.
const SMALL: u64 = 16 << 10;
/// What is shown of a name in a query that is unknown, in characters.
const LONGEST_NAME: usize = 100;
/// For a body to arrive, and for room to read it into.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a component, those before it included.
const UPLOAD: Duration = Duration::from_secs(120);

/// Room for bodies.
#[derive(Clone, Debug)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_KIB)))
    }
}

/// A body, and the room that it takes until it has been parsed.
struct Read<'a> {
    bytes: BytesMut,
    _room: Option<SemaphorePermit<'a>>,
}

impl Bodies {
    /// Reads a body, taking room for what has come: one that is announced and
    /// does not come takes none.
    async fn read(&self, request: Request) -> Result<Read<'_>, Problem> {
        must_be_plain(request.headers())?;
        let said = announced(request.headers());
        if said.is_some_and(|length| length > MOST_BYTES as u64) {
            return Err(too_large());
        }
        // As large as it says at the most: hyper reads no further.
        let is_small = said.is_some_and(|length| length <= SMALL);
        let read = timeout(PATIENCE, self.gather(request.into_body(), is_small)).await;
        read.unwrap_or_else(|_| Err(late(PATIENCE)))
    }

    async fn gather(&self, mut body: Body, is_small: bool) -> Result<Read<'_>, Problem> {
        let mut bytes = BytesMut::new();
        let mut room: Option<SemaphorePermit<'_>> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Problem::invalid(format!("the body could not be read: {error}"))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > MOST_BYTES {
                return Err(too_large());
            }
            let more = length.div_ceil(1024) - bytes.len().div_ceil(1024);
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            match &mut room {
                _ if is_small => {}
                // One that has room and waited for more would keep others from theirs.
                Some(room) => room.merge(self.0.try_acquire_many(more).map_err(|_| busy())?),
                None => room = Some(self.0.acquire_many(more).await.map_err(|_| busy())?),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Read { bytes, _room: room })
    }
}

/// How many bytes a request says that it has.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Components come in one at a time: each may be as large as all bodies together.
#[derive(Clone, Debug)]
pub(super) struct Uploads(Arc<Semaphore>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Uploads {
    /// Reads a body of up to `most` bytes.
    pub(super) async fn read(&self, request: Request, most: u64) -> Result<Vec<u8>, Problem> {
        must_be_plain(request.headers())?;
        let too_large = || {
            let message = format!(
                "the component is larger than {} MiB (setting `max_component_mb`)",
                most >> 20
            );
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, message)
        };
        let said = announced(request.headers());
        if said.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let gather = async {
            let _turn = self.0.acquire().await.map_err(|_| busy())?;
            let mut bytes = Vec::new();
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| {
                    Problem::invalid(format!("the body could not be read: {error}"))
                })?;
                let Ok(data) = frame.into_data() else { continue };
                if (bytes.len() + data.len()) as u64 > most {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&data);
            }
            Ok(bytes)
        };
        timeout(UPLOAD, gather).await.unwrap_or_else(|_| Err(late(UPLOAD)))
    }
}

fn late(patience: Duration) -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        code::BODY_TIMEOUT,
        format!("the body was not read within {} s; send it again", patience.as_secs()),
    )
}

fn busy() -> Problem {
    let message = "too many large requests at once; send it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, message).after(1.0)
}

fn too_large() -> Problem {
    let message = format!(
        "the body is larger than {} MiB; send fewer tasks at once, or grant the agent a folder",
        MOST_BYTES >> 20
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, message)
}

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let read = app.bodies.read(request).await?;
        parse::<Object<T>>(&read.bytes).map(|Object(value)| Json(value))
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
    let message =
        format!("the content type is {:?}; allowed is application/json", kind.unwrap_or_default());
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::NOT_JSON, message))
}

/// Nothing is unpacked here: a little that is sent would be much in memory.
fn must_be_plain(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let packed = encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let Some(packed) = packed else { return Ok(()) };
    let message = format!(
        "the content encoding is {:?}; allowed is identity: send the body as it is, without that \
         header",
        String::from_utf8_lossy(packed.as_bytes())
    );
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, code::UNSUPPORTED_ENCODING, message))
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let wrong =
        |message: String| Problem::invalid(format!("the body is not what it should be: {message}"));
    let depth = nesting(bytes);
    if depth > MOST_DEPTH + AROUND {
        return Err(wrong(format!(
            "recursion limit exceeded: it is nested {depth} levels deep; allowed are {MOST_DEPTH} \
             in a payload"
        )));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json);
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

impl<T> OneOrMany<T> {
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            OneOrMany::One(one) => std::slice::from_mut(one),
            OneOrMany::Many(many) => many,
        }
    }
}

impl<T: DeserializeOwned> FromRequest<App> for OneOrMany<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let read = app.bodies.read(request).await?;
        // Looked at rather than tried: an attempt would parse all of it twice.
        match read.bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => parse(&read.bytes).map(|Items(many)| OneOrMany::Many(many)),
            _ => parse(&read.bytes).map(|Object(one)| OneOrMany::One(Box::new(one))),
        }
    }
}

/// A part of the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let wrong = |_| {
            Problem::invalid(
                "the path names nothing: an id is a UUID, a genome `sha256:` and 64 hexadecimal digits",
            )
        };
        path.map(|Path(id)| Id(id)).map_err(wrong)
    }
}

/// The names and values of a query.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

fn value(uri: &Uri, name: &str) -> Option<String> {
    pairs(uri).into_iter().find_map(|(known, value)| (known == name).then_some(value))
}

/// Refuses a query that names what its route does not know: a name that was
/// mistyped would seem to have been obeyed.
pub(super) fn must_be_known(uri: &Uri, known: &[String]) -> Result<(), Problem> {
    let pairs = pairs(uri);
    let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(name)) else {
        return Ok(());
    };
    let name: String = name.chars().take(LONGEST_NAME).collect();
    let allowed = match known {
        [] => "this route takes no query".to_owned(),
        known => format!("allowed are {}", known.join(", ")),
    };
    Err(Problem::invalid(format!("the query names {name:?}, which is unknown; {allowed}")))
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Params(query)).map_err(|error| {
            let message = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            // Where a value is wrong, the words begin with its name.
            let value = message.split_once(": ").and_then(|(name, _)| value(&parts.uri, name));
            let value = value.map(|value| format!(" ({value:?})")).unwrap_or_default();
            Problem::invalid(format!("the query is not what it should be: {message}{value}"))
        })
    }
}
