//! A host that serves, seen from another process on its machine.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chimera_layer4_core::scheduler::record::TaskRecord;
use chimera_layer4_core::{Layer4Config, json};
use chimera_layer4_folders::OwnFolder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use ureq::http::{HeaderMap, Request, Response, StatusCode, header};

use super::exit::BadInput;
use chimera_layer4_fabric::fabric::{KeptByKey, visit_data_folder};
use chimera_layer4_server::Stats;

/// In the data folder, beside the lock: who serves it, and where.
const FILE: &str = "chimera.address";
const LOCK: &str = "chimera.lock";
/// A number and an address.
const LONGEST_NOTICE: u64 = 1024;
/// For one answer. A reload waits for tasks in hand, which have minutes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// For the host to say that it is there.
const GREETING: Duration = Duration::from_secs(10);

/// Says where this process serves the data folder, as long as it lives.
#[derive(Debug)]
pub(super) struct AddressFile(Option<PathBuf>);

impl AddressFile {
    /// `folder`: the data folder; `None`: there is nothing to serve from it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put(folder: Option<&OwnFolder>, url: &str) -> std::io::Result<Self> {
        let Some(folder) = folder else { return Ok(Self(None)) };
        // Whole or not at all, and nobody else's business.
        folder.write_whole(FILE, format!("{} {url}\n", std::process::id()).as_bytes())?;
        Ok(Self(Some(folder.path().join(FILE))))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // One that is left behind names a process that is gone.
        self.0.take().map(std::fs::remove_file);
    }
}

/// What bodies mostly are.
pub(super) const JSON: &str = "application/json";

/// One event of a stream: its name and what it says.
pub(super) type Event = (String, Value);

/// Events that have come and were not looked at yet.
const UNREAD: usize = 64;

/// The codes of `Refusal`, and of a genome that was not admitted.
const REFUSALS: [&str; 9] = [
    "genome-rejected",
    "component-too-large",
    "not-a-component",
    "malformed-component",
    "wrong-contract",
    "import-not-granted",
    "does-not-compile",
    "component-over-limits",
    "missing-environment",
];

/// What a host refused, in its own words.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) status: u16,
    pub(super) code: String,
    detail: String,
}

impl ApiError {
    /// Whether a component was refused before it ran.
    pub(super) fn is_of_a_component(&self) -> bool {
        REFUSALS.contains(&self.code.as_str())
    }

    /// Whether another question may be answered.
    pub(super) fn is_askers(&self) -> bool {
        (400..500).contains(&self.status)
    }
}

/// A host that serves the data folder did not answer.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host at {url} (process {pid}), which serves the data folder, did not answer {method} {path}: \
     {why}. It may be overloaded, starting or shutting down: {next}; if it goes on, look at its log, \
     or end process {pid}"
)]
pub(super) struct NoAnswer {
    url: String,
    pid: String,
    method: &'static str,
    path: String,
    why: String,
    next: &'static str,
}

/// What an answer of the host is read as. serde_json alone would give some keys
/// of a `Value` a private meaning, so each type says that it holds none.
pub(super) trait Answer: Sized {
    /// # Errors
    /// It is of another shape.
    fn read(text: &str) -> serde_json::Result<Self>;
}

/// A type of which serde knows every field: no `Value` is in it.
pub(super) trait Typed: DeserializeOwned {}

impl Typed for () {}
impl Typed for KeptByKey {}
impl Typed for Stats {}
impl Typed for TaskRecord {}
impl<T: Typed> Typed for Vec<T> {}

impl<T: Typed> Answer for T {
    fn read(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

impl Answer for Value {
    fn read(text: &str) -> serde_json::Result<Self> {
        json::tree(text)
    }
}

/// The API of a host.
#[derive(Clone)]
pub(super) struct Client {
    url: String,
    pid: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// The host that has the data folder open and serves, if there is one.
    ///
    /// # Errors
    /// [`NoAnswer`]; or another user could change the folder: what it says of a host
    /// may be theirs, and would be told the token.
    pub(super) async fn of(config: &Layer4Config) -> anyhow::Result<Option<Self>> {
        let Some(folder) = visit_data_folder(config)? else { return Ok(None) };
        let Some((pid, url)) = serving(&folder) else { return Ok(None) };
        match Self::at(url, pid, config).await {
            // It may have ended in between, and the folder is free.
            Err(_) if serving(&folder).is_none() => Ok(None),
            client => client.map(Some),
        }
    }

    /// As [`of`](Self::of), for what takes a host.
    ///
    /// # Errors
    /// There is none, or as [`of`](Self::of).
    pub(super) async fn required(config: &Layer4Config) -> anyhow::Result<Self> {
        Self::of(config).await?.ok_or_else(|| {
            BadInput("no host serves this data folder; start `chimera serve`".into()).into()
        })
    }

    /// The host at an address.
    ///
    /// # Errors
    /// [`NoAnswer`].
    async fn at(url: String, pid: String, config: &Layer4Config) -> anyhow::Result<Self> {
        let token = config.api_token.as_ref().map(|token| token.reveal().to_owned());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            // It is on this machine.
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        // First without the token: whoever has the port may be another.
        let mut client = Self { url, pid, token: None, agent };
        let (method, path) = ("GET", "/livez");
        let answer = client.send_within(GREETING, method, path, JSON, Vec::new()).await?;
        client.token = token;
        let status = answer.status();
        tracing::debug!(url = client.url, %status, "a host says that it serves the data folder");
        if status == StatusCode::NO_CONTENT {
            return Ok(client);
        }
        Err(client.no_answer(method, path, format!("it said {status}, as no host does")).into())
    }

    fn no_answer(&self, method: &'static str, path: &str, why: String) -> NoAnswer {
        let next = if method == "GET" {
            "ask again in a moment"
        } else {
            "it may have done what was asked or not, so look first, and ask again in a moment"
        };
        let (url, pid, path) = (self.url.clone(), self.pid.clone(), path.to_owned());
        NoAnswer { url, pid, method, path, why, next }
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// [`ApiError`] with the host's words; otherwise the connection failed.
    pub(super) async fn ask<T: Answer>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.ask_with(method, path, JSON, body).await
    }

    /// As [`ask`](Self::ask), with a body of any kind.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn ask_with<T: Answer>(
        &self,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> anyhow::Result<T> {
        Ok(self.answer(method, path, kind, body).await?.0)
    }

    /// As [`ask`](Self::ask), with the answer's headers.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn ask_with_headers<T: Answer>(
        &self,
        method: &'static str,
        path: &str,
    ) -> anyhow::Result<(T, HeaderMap)> {
        self.answer(method, path, JSON, Vec::new()).await
    }

    async fn answer<T: Answer>(
        &self,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> anyhow::Result<(T, HeaderMap)> {
        let answer = self.send(method, path, kind, body).await?;
        let (status, text) = (answer.status(), answer.body());
        if status.is_success() || is_health(&answer) {
            let text = if text.is_empty() { "null" } else { text };
            return Ok((T::read(text)?, answer.headers().clone()));
        }
        let refused: Result<ApiError, _> = serde_json::from_str(text);
        Err(refused.map_or_else(
            |_| anyhow::anyhow!("the host at {} answered {status}", self.url),
            anyhow::Error::from,
        ))
    }

    /// The events of a stream, read on a thread of its own until the stream ends
    /// or nobody wants them any more.
    pub(super) fn events(&self, path: &str) -> mpsc::Receiver<Event> {
        let (tell, events) = mpsc::channel(UNREAD);
        let request = self.request("GET", path, JSON, Vec::new());
        let agent = self.agent.clone();
        tokio::task::spawn_blocking(move || {
            let patient = |request| agent.configure_request(request).timeout_global(None).build();
            let answer = request.map(patient).map(|request| agent.run(request));
            let Ok(Ok(answer)) = answer else { return };
            let mut name = String::new();
            for line in
                BufReader::new(answer.into_body().into_reader()).lines().map_while(Result::ok)
            {
                if let Some(event) = line.strip_prefix("event: ") {
                    name = event.to_owned();
                } else if let Some(Ok(data)) = line.strip_prefix("data: ").map(json::tree)
                    && tell.blocking_send((std::mem::take(&mut name), data)).is_err()
                {
                    return;
                }
            }
        });
        events
    }

    fn request(
        &self,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> ureq::http::Result<Request<Vec<u8>>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.header(header::CONTENT_TYPE, kind).body(body)
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> anyhow::Result<Response<String>> {
        self.send_within(PATIENCE, method, path, kind, body).await
    }

    async fn send_within(
        &self,
        patience: Duration,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> anyhow::Result<Response<String>> {
        let request = self.request(method, path, kind, body)?;
        let agent = self.agent.clone();
        let began = Instant::now();
        let sent = tokio::task::spawn_blocking(move || {
            let request = agent.configure_request(request).timeout_global(Some(patience)).build();
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

/// The process that has the folder's lock, and where it serves, if it said so.
fn serving(folder: &OwnFolder) -> Option<(String, String)> {
    let notice = folder.open_file(FILE).ok()?;
    let mut text = String::new();
    notice.take(LONGEST_NOTICE).read_to_string(&mut text).ok()?;
    let (pid, url) = text.trim().split_once(' ')?;
    let lock = folder.open_file(LOCK).ok()?;
    // What nobody holds says nothing: its process is gone.
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    let mut holder = String::new();
    lock.take(LONGEST_NOTICE).read_to_string(&mut holder).ok()?;
    (holder.trim() == pid).then(|| (pid.to_owned(), url.to_owned()))
}
