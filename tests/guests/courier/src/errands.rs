//! The errands themselves; only a guest can run them.

use chimera_agent_sdk::prelude::*;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::{InputStream, StreamError};

/// Bytes of a body handed over at once, which is what WASI allows.
const CHUNK: usize = 4096;

/// Runs errands; keeps what a task asks it to keep until a later task wants the rest.
struct Courier {
    /// The bandwidth that `init` was told.
    told: Option<f64>,
    /// Tasks at once, by the parameter `at_once`.
    instances: u32,
    kept: Vec<(InputStream, IncomingBody, IncomingResponse)>,
}

/// One request, or several alike.
#[derive(Deserialize)]
#[serde(crate = "serde", default)]
struct Errand {
    method: String,
    scheme: String,
    /// Host and port.
    to: String,
    path: String,
    /// Bytes of a header field of its own.
    header: usize,
    /// Bytes of a body to send.
    upload: usize,
    /// Requests to send before any answer is looked at.
    at_once: usize,
    /// Milliseconds to wait for an answer.
    patience: Option<u64>,
    /// Whether to keep the response after its first bytes.
    keep: bool,
    /// Whether to read on in what was kept, and send nothing.
    resume: bool,
    /// Whether to say the bandwidth that the agent and the task were told.
    quota: bool,
    /// Whether a request that fails fails the task.
    must: bool,
}

impl Default for Errand {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            scheme: "http".into(),
            to: String::new(),
            path: "/".into(),
            header: 0,
            upload: 0,
            at_once: 1,
            patience: None,
            keep: false,
            resume: false,
            quota: false,
            must: false,
        }
    }
}

impl TypedAgent for Courier {
    type Output = Value;

    fn init(config: Config) -> Result<Self, AgentError> {
        let instances = config.parameter_or("at_once", 1)?;
        Ok(Self { told: config.resource_quota.max_network_mbps, instances, kept: Vec::new() })
    }

    fn get_capabilities(&self) -> Capabilities {
        Capabilities::new().with_max_concurrent_tasks(self.instances)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let told = task.resource_quota.max_network_mbps;
        let errand: Errand = task.payload()?;
        if errand.quota {
            return Ok(json!([self.told, told]));
        }
        if errand.resume {
            let kept = self.kept.last().ok_or_else(|| AgentError::failed("nothing was kept"))?;
            let (stream, ..) = kept;
            return Ok(json!(read(stream).map(|body| body.len())));
        }
        let sent: Vec<_> = (0..errand.at_once).map(|_| send(&errand)).collect();
        let answers =
            sent.into_iter().map(|sent| sent.and_then(|future| self.answer(&errand, &future)));
        let answers: Vec<Result<Value, ErrorCode>> = answers.collect();
        if errand.must && answers.iter().any(Result::is_err) {
            return Err(AgentError::unavailable("a request failed"));
        }
        let answers: Vec<Value> = answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|error| json!({ "error": said(&error) })))
            .collect();
        Ok(if errand.at_once == 1 {
            answers.into_iter().next().unwrap_or_default()
        } else {
            json!(answers)
        })
    }
}

wasm_agent!(Courier);

impl Courier {
    fn answer(
        &mut self,
        errand: &Errand,
        future: &FutureIncomingResponse,
    ) -> Result<Value, ErrorCode> {
        future.subscribe().block();
        let response =
            future.get().transpose().ok().flatten().unwrap_or(Err(ErrorCode::LoopDetected))?;
        let status = response.status();
        let headers = response.headers();
        let location: Vec<_> = headers
            .get("location")
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        drop(headers);
        let body = response.consume().map_err(|()| ErrorCode::LoopDetected)?;
        let stream = body.stream().map_err(|()| ErrorCode::LoopDetected)?;
        if errand.keep {
            let first = stream.blocking_read(1).map_or(0, |bytes| bytes.len());
            self.kept.push((stream, body, response));
            return Ok(json!({ "status": status, "bytes": first }));
        }
        let read = read(&stream);
        let text = read.as_deref().unwrap_or_default();
        let start = String::from_utf8_lossy(text.get(..64).unwrap_or(text)).into_owned();
        Ok(json!({
            "status": status,
            "location": location,
            "bytes": text.len(),
            "body": start,
            "cut": read.err(),
        }))
    }
}

fn send(errand: &Errand) -> Result<FutureIncomingResponse, ErrorCode> {
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let headers = Fields::new();
    if errand.header > 0 {
        let value = "h".repeat(errand.header).into_bytes();
        headers.append("x-courier", &value).map_err(|_| ErrorCode::LoopDetected)?;
    }
    let request = OutgoingRequest::new(headers);
    request
        .set_method(&method(&errand.method))
        .map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    let scheme = if errand.scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(&errand.to)).map_err(invalid)?;
    request.set_path_with_query(Some(&errand.path)).map_err(invalid)?;
    let options = errand.patience.map(|millis| {
        let options = RequestOptions::new();
        let _ = options.set_first_byte_timeout(Some(millis * 1_000_000));
        let _ = options.set_between_bytes_timeout(Some(millis * 1_000_000));
        options
    });
    let body = request.body().map_err(invalid)?;
    let future = outgoing_handler::handle(request, options)?;
    upload(body, errand.upload)?;
    Ok(future)
}

/// As clients do it: even an empty part is written and flushed, and of several
/// errors that of the stream comes first.
fn upload(body: OutgoingBody, mut bytes: usize) -> Result<(), ErrorCode> {
    if let Ok(stream) = body.write() {
        let chunk = [b'u'; CHUNK];
        let broken = |error| ErrorCode::InternalError(Some(format!("the body broke: {error:?}")));
        stream.blocking_write_and_flush(&[]).map_err(broken)?;
        while bytes > 0 {
            let part = chunk.get(..bytes.min(CHUNK)).unwrap_or(&chunk);
            stream.blocking_write_and_flush(part).map_err(broken)?;
            bytes -= part.len();
        }
    }
    OutgoingBody::finish(body, None)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.into()),
    }
}

/// To the end, or why not.
fn read(stream: &InputStream) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return Ok(all),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(error.to_debug_string());
            }
        }
    }
}

/// `ErrorCode::HttpRequestDenied` without the type.
fn said(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    text.strip_prefix("ErrorCode::").unwrap_or(&text).to_owned()
}
