//! One request and its answer, over blocking connections on threads of their own.

use std::io::{BufReader, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use ureq::http::{HeaderMap, Request, Response, StatusCode, header};

use super::sse::{Event, Events};
use super::{ClientError, ClientResult, Host, NoAnswer};
use crate::paths;
use crate::problem::Problem;

/// What bodies mostly are.
const JSON: &str = "application/json";
/// What a component is.
const WASM: &str = "application/wasm";
/// The time for one answer. A reload waits for running tasks, which may take minutes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Events that have come and were not looked at yet.
const UNREAD: usize = 64;

/// What a host is asked.
pub(super) struct Ask {
    method: &'static str,
    path: String,
    kind: &'static str,
    body: Vec<u8>,
}

impl Ask {
    fn new(method: &'static str, path: String) -> Self {
        Self { method, path, kind: JSON, body: Vec::new() }
    }

    pub(super) fn get(path: String) -> Self {
        Self::new("GET", path)
    }

    pub(super) fn post(path: String) -> Self {
        Self::new("POST", path)
    }

    pub(super) fn put(path: String) -> Self {
        Self::new("PUT", path)
    }

    pub(super) fn delete(path: String) -> Self {
        Self::new("DELETE", path)
    }

    /// With a body of JSON.
    pub(super) fn json(self, body: &impl Serialize) -> ClientResult<Self> {
        Ok(Self { body: serde_json::to_vec(body)?, ..self })
    }

    /// With the bytes of a component.
    pub(super) fn component(self, body: Vec<u8>) -> Self {
        Self { kind: WASM, body, ..self }
    }

    /// With a query, after what it has of one.
    pub(super) fn query(mut self, query: &impl Serialize) -> ClientResult<Self> {
        let query = serde_urlencoded::to_string(query)?;
        if !query.is_empty() {
            self.path.push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(&query);
        }
        Ok(self)
    }
}

/// Sends requests to a host.
#[derive(Clone)]
pub(super) struct Sender {
    host: Arc<Host>,
    pub(super) token: Option<Arc<str>>,
    agent: ureq::Agent,
}

impl Sender {
    pub(super) fn new(host: Host) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            // It is on this machine.
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        Self { host: Arc::new(host), token: None, agent }
    }

    pub(super) async fn greet(&self, within: Duration) -> ClientResult<()> {
        let (status, path) =
            (self.send(Ask::get(paths::livez()), within).await?.status(), paths::LIVEZ);
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let why = format!("it said {status}, as no host does");
        Err(self.no_answer("GET", path.to_owned(), why).into())
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> ClientResult<T> {
        Ok(self.ask_with_headers(ask).await?.0)
    }

    /// As [`ask`](Self::ask), with the answer's headers.
    pub(super) async fn ask_with_headers<T: DeserializeOwned>(
        &self,
        ask: Ask,
    ) -> ClientResult<(T, HeaderMap)> {
        let answer = self.send(ask, PATIENCE).await?;
        let (status, text) = (answer.status(), answer.body());
        if status.is_success() || is_health(&answer) {
            let text = if text.is_empty() { "null" } else { text };
            return Ok((serde_json::from_str(text)?, answer.headers().clone()));
        }
        let problem: Result<Problem, _> = serde_json::from_str(text);
        let (url, status) = (self.host.url.clone(), status.to_string());
        Err(problem.map_or(ClientError::Unexplained { url, status }, ClientError::Refused))
    }

    /// The events of a stream, read on a thread of its own until the stream ends or
    /// the receiver is dropped.
    pub(super) fn events(&self, path: String) -> mpsc::Receiver<Event> {
        let (to, events) = mpsc::channel(UNREAD);
        let request = self.request(Ask::get(path));
        let agent = self.agent.clone();
        tokio::task::spawn_blocking(move || {
            let patient = |request| agent.configure_request(request).timeout_global(None).build();
            let answer = request.map(patient).map(|request| agent.run(request));
            let Ok(Ok(answer)) = answer else { return };
            let events = Events::of(BufReader::new(answer.into_body().into_reader()));
            for event in events.map_while(Result::ok) {
                if to.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        events
    }

    fn request(&self, ask: Ask) -> ureq::http::Result<Request<Vec<u8>>> {
        let Ask { method, path, kind, body } = ask;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.host.url));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.header(header::CONTENT_TYPE, kind).body(body)
    }

    async fn send(&self, ask: Ask, within: Duration) -> ClientResult<Response<String>> {
        let (method, path) = (ask.method, ask.path.clone());
        let request = self.request(ask)?;
        let agent = self.agent.clone();
        let began = Instant::now();
        let sent = tokio::task::spawn_blocking(move || {
            let request = agent.configure_request(request).timeout_global(Some(within)).build();
            let mut answer = agent.run(request)?;
            let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string()?;
            Ok(answer.map(|_| text))
        });
        let sent: Result<_, ureq::Error> = sent.await?;
        let (seconds, bytes) =
            (began.elapsed().as_secs_f64(), sent.as_ref().map_or(0, |answer| answer.body().len()));
        let status = sent.as_ref().map_or(0, |answer| answer.status().as_u16());
        tracing::debug!(method, path, status, bytes, seconds, "the host was asked");
        Ok(sent.map_err(|error| self.no_answer(method, path, why(error)))?)
    }

    fn no_answer(&self, method: &'static str, path: String, why: String) -> NoAnswer {
        NoAnswer { host: Arc::clone(&self.host), method, path, why }
    }
}

/// Whether a host that takes no tasks says how it is: what went wrong would be a
/// problem, of another kind.
fn is_health(answer: &Response<String>) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    answer.status() == StatusCode::SERVICE_UNAVAILABLE
        && kind.is_some_and(|kind| kind.starts_with(JSON))
}

/// The words of the system where it has some.
fn why(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "it closed the connection".into()
        }
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{InState, List};

    #[test]
    fn what_is_left_out_of_a_query_is_not_in_it_and_the_rest_is_encoded() {
        let list = List { agent_type: Some("a b&c=é".into()), limit: Some(7), ..List::default() };
        let state = InState { state: Some(None.into()) };
        let ask = Ask::get(paths::tasks()).query(&state).unwrap().query(&list).unwrap();
        assert_eq!(ask.path, "/v1/tasks?state=all&agent_type=a+b%26c%3D%C3%A9&limit=7");
        let nothing = Ask::get(paths::tasks()).query(&List::default()).unwrap();
        assert_eq!(nothing.path, "/v1/tasks");
    }
}
