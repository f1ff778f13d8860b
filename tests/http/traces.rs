//! Traces, as a collector hears them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde_json::json;

use super::Api;
use super::service::Service;
use crate::cli::Chimera;
use crate::harness::{guest_path, settings_with};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Takes OTLP over HTTP, as a collector does.
struct Collector {
    endpoint: String,
    heard: Receiver<ResourceSpans>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (tell, heard) = sync_channel(1024);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let tell = tell.clone();
                thread::spawn(move || serve(stream.unwrap(), &tell));
            }
        });
        Self { endpoint, heard }
    }

    /// All spans up to now, by name; the host has ended, so all were sent.
    fn spans(&self) -> HashMap<String, Span> {
        let mut spans = HashMap::new();
        while let Ok(heard) = self.heard.recv_timeout(Duration::from_millis(100)) {
            let all = heard.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| (span.name.clone(), span)));
        }
        spans
    }
}

/// Answers requests until the connection ends.
fn serve(stream: TcpStream, tell: &SyncSender<ResourceSpans>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut head) = (0, String::new());
        loop {
            let start = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            let line = head[start..].trim().to_ascii_lowercase();
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        request.resource_spans.into_iter().for_each(|spans| tell.send(spans).unwrap());
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key == name);
    format!("{:?}", found.unwrap_or_else(|| panic!("no {name}: {span:?}")).value)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_request_through_a_retry_to_the_guests_own_span() {
    let collector = Collector::start();
    let endpoint = Some(collector.endpoint.clone());
    let api =
        Api::with(settings_with(|c| c.telemetry.otlp_endpoint = endpoint), &["hostile"]).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("content-type", "application/json"), ("traceparent", &traceparent)];
    let submit = async |payload: serde_json::Value| {
        let body = json!({ "target_agent_type": "hostile", "payload": payload, "max_attempts": 1 });
        let path = "/v1/tasks?wait=30s";
        api.send("POST", path, &headers, Some(body.to_string())).await.json()
    };
    let done = submit(json!({ "do": "trace" })).await;
    // The guest is handed the run's place in the trace, not the submitter's.
    let handed = done["result"]["output"]["traceparent"].as_str().unwrap().to_owned();
    let failed = submit(json!({ "do": "fail" })).await;
    assert_eq!(failed["result"]["success"], false, "{failed}");
    api.end().await.unwrap();

    let spans = collector.spans();
    let names = || spans.keys().collect::<Vec<_>>();
    let span = |name: &str| spans.get(name).unwrap_or_else(|| panic!("{name}: {:?}", names()));
    let (request, run) = (span("POST /v1/tasks"), span("run hostile"));
    let (outer, inner) = (span("outer"), span("inner"));
    for span in [request, run, outer, inner] {
        assert_eq!(hex(&span.trace_id), TRACE, "{span:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!((request.kind(), run.kind()), (SpanKind::Server, SpanKind::Consumer));
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert!(attribute(outer, "rows").contains('3'));
    assert!(attribute(request, "http.response.status_code").contains("200"));
    assert!(attribute(run, "chimera.task.id").len() > 30);
    // Of two requests and two runs of the same name the later ones are kept above.
    assert!(handed.starts_with(&format!("00-{TRACE}-")), "{handed}");
    assert_eq!(handed, format!("00-{TRACE}-{}-01", hex(&outer.parent_span_id)));
    assert!(attribute(run, "error.type").contains("failed"), "{run:?}");
    assert!(run.status.as_ref().unwrap().message.contains("as asked"), "{run:?}");
}

/// A collector that is away costs spans and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_delays_no_task() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Some(format!("http://{}", silent.local_addr().unwrap()));
    let api = Api::with(settings_with(|c| c.telemetry.otlp_endpoint = endpoint), &["echo"]).await;
    for n in 0..200 {
        let body = json!({ "target_agent_type": "echo", "payload": n });
        let done = api.post("/v1/tasks?wait=30s", body).await.json();
        assert_eq!(done["result"]["output"], n, "{done}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(30), api.end());
    ended.await.expect("the end does not wait for it for ever").unwrap();
}

#[test]
fn the_variables_for_traces_say_where_to_send_them_and_others_are_named() {
    let collector = Collector::start();
    let own = format!("{}/v1/traces", collector.endpoint);
    let set = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let mut service = Service::start_with(Chimera::new(), "", &set);
    service.get("/health");
    let (code, told) = service.end();
    let told = service.told().to_owned() + &told;
    assert_eq!(code, 0, "{told}");
    let spans = collector.spans();
    assert!(spans.contains_key("GET /health"), "{spans:?}");
    for words in ["OTEL_METRICS_EXPORTER has no effect", "OTEL_EXPORTER_OTLP_PROTOCOL is "] {
        assert!(told.contains(words), "{told}");
    }
    assert!(!told.contains("OTEL_EXPORTER_OTLP_COMPRESSION"), "{told}");
}

/// Whether it is here or OpenTelemetry's library that reads it.
#[test]
fn each_value_that_is_not_allowed_is_named_once_with_what_is() {
    let wrong = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-4", "from 1 to"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "18446744073709551615", "from 1 to 2048"),
        ("OTEL_BSP_SCHEDULE_DELAY", "abc", "milliseconds"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "x", "a number"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush", "NAME=VALUE"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "gzip or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "always_on"),
    ];
    let ratio = [
        ("OTEL_TRACES_SAMPLER", "traceidratio", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "7", "from 0 to 1"),
    ];
    let collector = Collector::start();
    for set in [&wrong[..], &ratio[1..], &ratio] {
        for endpoint in [Some(&*collector.endpoint), None] {
            let mut all: Vec<_> = set.iter().map(|(name, value, _)| (*name, *value)).collect();
            all.extend(endpoint.map(|endpoint| ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)));
            let mut service = Service::start_with(Chimera::new(), "", &all);
            let (code, told) = service.end();
            let told = service.told().to_owned() + &told;
            assert_eq!(code, 0, "{told}");
            for (name, value, allowed) in set.iter().filter(|row| row.1 != "traceidratio") {
                let lines: Vec<_> =
                    told.lines().filter(|line| line.contains(&format!("{name} "))).collect();
                let [line] = lines[..] else { panic!("{name}={value}: {lines:#?}\n{told}") };
                assert!(set.len() == 1 || line.contains(allowed), "{line}");
                assert!(!line.contains("hush"), "{line}");
            }
        }
    }
}

/// Spans would be lost from the first one on, and the log alone would say so.
#[test]
fn an_address_of_a_collector_that_is_none_is_refused_at_the_start() {
    let chimera = Chimera::new();
    let echo = guest_path("echo").display().to_string();
    let commands: [&[&str]; 3] = [&["serve", "--port", "0"], &["run", &echo], &["config", "check"]];
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        for value in ["notaurl", "localhost:4318", "http://", "http://host:99999"] {
            for arguments in commands {
                let ended = Chimera::end(chimera.command(arguments).env(name, value));
                assert_eq!(ended.code, 3, "{name}={value} {arguments:?}\n{}", ended.err);
                let words = format!("{name} is {value:?}; allowed is an address as http://");
                assert!(ended.err.contains(&words), "{words}\n{}", ended.err);
            }
        }
    }
    let mut run = chimera.command(&["run", &echo]);
    let wrong = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "notaurl");
    let off = Chimera::end(run.env(wrong.0, wrong.1).env("OTEL_TRACES_EXPORTER", "none"));
    assert_eq!(off.code, 0, "{}", off.err);
    // Then no other variable counts, not even the one that is a setting.
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        for arguments in [&["run", &echo][..], &["config", "check"]] {
            let mut command = chimera.command(arguments);
            let command = command.env(name, "notaurl").env("OTEL_SDK_DISABLED", "TRUE");
            let off = Chimera::end(command);
            assert_eq!(off.code, 0, "{name} {arguments:?}\n{}", off.err);
        }
    }
}

/// Each of them is named once, and those that act are not.
#[test]
fn variables_for_traces_that_are_not_sent_are_named() {
    let (disabled, none) = ("OTEL_SDK_DISABLED is true", "OTEL_TRACES_EXPORTER is none");
    let nowhere = "traces go to no address";
    let ratio = ("OTEL_BSP_MAX_QUEUE_SIZE", "-4");
    let propagators = ("OTEL_PROPAGATORS", "tracecontext");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let all = |first| [first, ratio, propagators, endpoint, ("OTEL_SERVICE_NAME", "mine")];
    for (set, why, idle) in [
        (&[("OTEL_TRACES_EXPORTER", "otlp")][..], nowhere, &["OTEL_TRACES_EXPORTER"][..]),
        (
            &all(("OTEL_SDK_DISABLED", "true")),
            disabled,
            &["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"],
        ),
        (
            &all(("OTEL_TRACES_EXPORTER", "none")),
            none,
            &["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"],
        ),
    ] {
        let mut service = Service::start_with(Chimera::new(), "", set);
        let (code, told) = service.end();
        let told = service.told().to_owned() + &told;
        assert_eq!(code, 0, "{told}");
        for name in idle {
            let words = format!("{name} has no effect: {why}");
            assert_eq!(told.matches(&words).count(), 1, "{words}\n{told}");
        }
        assert_eq!(told.matches(&format!("has no effect: {why}")).count(), idle.len(), "{told}");
        assert!(!told.contains("OTEL_PROPAGATORS"), "{told}");
    }
}

#[test]
fn a_variable_ends_traces() {
    let collector = Collector::start();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let mut service = Service::start_with(Chimera::new(), "", &[endpoint, off]);
        service.get("/health");
        assert_eq!(service.end().0, 0);
    }
    // What a host has to send, it has sent by its end.
    assert!(collector.heard.try_recv().is_err());
}
