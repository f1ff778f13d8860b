//! `wasi:http` outgoing: granted by origin, counted, paced, ended with its call.

mod https;
mod server;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::{
    AgentConfig, Fabric, HttpGrant, ResourceQuota, RunReport, Task, utils,
};
use serde_json::{Value, json};

use self::server::Server;
use crate::cli::Chimera;
use crate::harness::{config_of, execute, fabric, guest, guest_path, settings, small_quota, task};

fn quota(mbps: Option<f64>) -> ResourceQuota {
    ResourceQuota { max_network_mbps: mbps, ..small_quota() }
}

/// More than a test sends.
fn wide() -> ResourceQuota {
    quota(Some(10_000.0))
}

fn granted(name: &str, origins: &[&str]) -> AgentConfig {
    config_of(name, |config| {
        config.resource_quota = wide();
        let grant = |origin: &&str| origin.parse::<HttpGrant>().unwrap();
        config.grants.http = origins.iter().map(grant).collect();
    })
}

/// A host with one courier that may reach `origins`.
async fn host(origins: &[&str]) -> Fabric {
    let fabric = fabric(settings()).await;
    fabric.agents().spawn(&guest("courier"), granted("courier", origins)).await.unwrap();
    fabric
}

fn errand(name: &str, payload: Value) -> Task {
    Task { resource_quota: wide(), ..task(name, payload) }
}

async fn run(fabric: &Fabric, payload: Value) -> RunReport {
    Box::pin(fabric.tasks().run_once(&errand("courier", payload))).await.unwrap()
}

async fn error(fabric: &Fabric, payload: Value) -> (Value, String) {
    let report = run(fabric, payload).await;
    let log: Vec<_> = report.telemetry.log.into_iter().map(|line| line.message).collect();
    (report.result.unwrap().to_value()["error"].clone(), log.join("\n"))
}

#[tokio::test]
async fn a_granted_request_is_answered_and_its_bytes_are_counted() {
    let server = Server::start().await;
    let fabric = host(&[&server.origin()]).await;
    let order = json!({ "method": "POST", "to": server.to(), "path": "/echo", "upload": 100_000 });
    let report = run(&fabric, order).await;
    let output = report.result.unwrap().to_value();
    assert_eq!((&output["status"], &output["bytes"]), (&json!(200), &json!(100_000)), "{output}");
    assert!(output["body"].as_str().unwrap().starts_with("uuuu"));
    let (received, sent) = server.bytes();
    assert!(received > 100_000 && sent > 100_000);
    let (tx, rx) = (report.usage.network_tx_bytes, report.usage.network_rx_bytes);
    assert_eq!((tx, rx), (Some(received), Some(sent)), "to the byte, as the server counts");
    let agent = &fabric.agents().active()[0];
    assert_eq!((agent.network_tx_bytes, agent.network_rx_bytes), (tx, rx));

    // `upload` on a GET breaks nothing.
    let small = json!({ "to": server.to(), "path": "/bytes/10", "upload": 100_000 });
    let small = run(&fabric, small).await;
    assert_eq!(small.result.unwrap().to_value()["bytes"], 10);
    let (received_then, sent_then) = server.bytes();
    assert_eq!(small.usage.network_tx_bytes, Some(received_then - received), "each run its own");
    assert_eq!(small.usage.network_rx_bytes, Some(sent_then - sent));
    let agent = &fabric.agents().active()[0];
    assert_eq!(agent.network_tx_bytes, Some(received_then));
    assert_eq!(server.opened(), 2, "no connection serves two requests");
}

#[tokio::test]
async fn without_a_grant_every_request_is_denied_and_the_log_says_why() {
    let server = Server::start().await;
    let fabric = host(&[]).await;
    // Whatever the request carries, the guest gets the denial.
    let order = json!({ "method": "POST", "to": server.to(), "upload": 100_000 });
    let report = run(&fabric, order).await;
    assert_eq!(report.result.unwrap().to_value(), json!({ "error": "HttpRequestDenied" }));
    assert_eq!(report.usage.network_tx_bytes, None, "nothing measures it");
    assert_eq!(fabric.agents().active()[0].network_tx_bytes, None);
    let line = &report.telemetry.log[0].message;
    let target = server.origin();
    assert!(
        line.contains(&format!("denied a request to {target}: this agent has no grant")),
        "{line}"
    );
    let secret = run(&fabric, json!({ "to": format!("me:hush@{}", server.to()) })).await;
    assert!(!format!("{:?}", secret.telemetry.log).contains("hush"), "it may be a password");
    assert_eq!(server.opened(), 0);
}

#[tokio::test]
async fn any_other_origin_is_denied_and_so_is_where_a_redirect_leads() {
    let (server, other) = (Server::start().await, Server::start().await);
    let fabric = host(&[&server.origin()]).await;
    let port = server.port();
    for (scheme, to) in [
        ("http", other.to()),
        ("https", server.to()),
        ("http", format!("localhost:{port}")),
        ("http", format!("[::ffff:127.0.0.1]:{port}")),
        ("http", "127.0.0.1".to_owned()),
    ] {
        let (error, log) = error(&fabric, json!({ "scheme": scheme, "to": to })).await;
        assert_eq!(error, "HttpRequestDenied", "{scheme} {to}");
        assert!(log.contains(&format!("may reach {}", server.origin())), "{log}");
        assert!(log.contains(&format!("`--http {scheme}://{to}` grants it")), "{log}");
    }
    let (tunnel, _) = error(&fabric, json!({ "method": "CONNECT", "to": server.to() })).await;
    assert_eq!(tunnel, "HttpRequestDenied");
    let (secret, _) = error(&fabric, json!({ "to": format!("me:pw@{}", server.to()) })).await;
    assert_eq!(secret, "HttpRequestUriInvalid");

    let path = format!("/redirect/{}", other.to());
    let answer =
        run(&fabric, json!({ "to": server.to(), "path": path })).await.result.unwrap().to_value();
    assert_eq!(answer["status"], 302, "it is handed to the guest, and not followed");
    assert_eq!(answer["location"], json!([other.origin()]));
    assert_eq!((server.opened(), other.opened()), (1, 0));
}

/// Which names lead inside depends on the machine; the rule itself is tested
/// beside its code.
#[tokio::test]
async fn a_name_that_leads_inside_is_denied_though_it_was_granted() {
    let server = Server::start().await;
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let local = hosts.lines().filter(|line| line.starts_with("127."));
    let mut names = local.flat_map(|line| line.split_whitespace().skip(1));
    let Some(name) = names.find(|name| *name != "localhost") else {
        println!("NOT TESTED: /etc/hosts has no other name for this machine");
        return;
    };
    let to = format!("{name}:{}", server.port());
    let fabric = host(&[&format!("http://{to}")]).await;
    let (error, log) = error(&fabric, json!({ "to": to })).await;
    assert_eq!(error, "DestinationIpProhibited");
    assert!(log.contains("it leads to 127.") && log.contains("is not public"), "{log}");
    assert_eq!(server.opened(), 0);
}

#[tokio::test]
async fn this_machine_is_reached_by_the_name_that_means_it() {
    let server = Server::start().await;
    let to = format!("localhost:{}", server.port());
    let fabric = host(&[&format!("http://{to}")]).await;
    let answer =
        run(&fabric, json!({ "to": to, "path": "/bytes/3" })).await.result.unwrap().to_value();
    assert_eq!(answer["bytes"], 3);
}

#[tokio::test]
async fn over_its_bandwidth_a_run_waits_each_way() {
    const BYTES: u64 = 150_000;
    let server = Server::start().await;
    let fabric = host(&[&server.origin()]).await;
    // 100,000 bytes a second, of which two blocks of 16 KiB are free: one is
    // saved up, and one overdrawn.
    let slow = quota(Some(0.8));
    let least = Duration::from_secs_f64((BYTES - 2 * 16_384) as f64 / 100_000.0);
    let down = json!({ "to": server.to(), "path": format!("/bytes/{BYTES}") });
    let up = json!({ "method": "POST", "to": server.to(), "path": "/count", "upload": BYTES });
    for payload in [down, up] {
        let order = Task { resource_quota: slow.clone(), ..errand("courier", payload.clone()) };
        let report = Box::pin(fabric.tasks().run_once(&order)).await.unwrap();
        assert_eq!(report.result.unwrap().to_value()["status"], 200);
        assert!(report.wall >= least, "{payload}: {:?} of {least:?}", report.wall);
    }

    // Wall time ends what is slow.
    let id = fabric.agents().active()[0].id;
    let tight = ResourceQuota { max_execution_time_secs: 1, ..quota(Some(0.1)) };
    let change = chimera_layer4::fabric::ResourceAllocation {
        target: chimera_layer4::fabric::AllocationTarget::Agent(id),
        resource_quota: tight,
    };
    fabric.agents().allocate(change).unwrap();
    let report = run(&fabric, json!({ "to": server.to(), "path": "/bytes/1000000" })).await;
    assert_eq!(report.result.unwrap_err().code(), "over-execution-time");
    assert!(report.usage.network_rx_bytes.unwrap() < 500_000, "{:?}", report.usage);
    let why = &report.telemetry.log[0].message;
    assert!(why.starts_with("max_network_mbps held back"), "{why}");
}

#[tokio::test]
async fn the_runs_of_an_agent_share_its_bandwidth() {
    const BYTES: u64 = 100_000;
    let server = Server::start().await;
    let fabric = fabric(settings()).await;
    let mut twin = granted("courier", &[&server.origin()]);
    twin.resource_quota = quota(Some(0.8));
    twin.parameters.insert("at_once".into(), json!(2));
    fabric.agents().spawn(&guest("courier"), twin).await.unwrap();
    let order = json!({ "to": server.to(), "path": format!("/bytes/{BYTES}") });
    let (one, other) = tokio::join!(run(&fabric, order.clone()), run(&fabric, order));
    assert_eq!(one.result.unwrap().to_value()["bytes"], BYTES);
    assert_eq!(other.result.unwrap().to_value()["bytes"], BYTES);
    // One block saved up, and one overdrawn by each.
    let least = Duration::from_secs_f64((2 * BYTES - 3 * 16_384) as f64 / 100_000.0);
    assert!(one.wall.max(other.wall) >= least, "{:?} and {:?}", one.wall, other.wall);
}

#[tokio::test]
async fn a_guest_gets_the_bandwidth_in_force_and_none_without_a_grant() {
    let fabric = host(&["https://example.com"]).await;
    fabric.agents().spawn(&guest("courier"), granted("bare", &[])).await.unwrap();
    let told = async |name: &str, mbps| {
        let order = Task { resource_quota: quota(mbps), ..task(name, json!({ "quota": true })) };
        Box::pin(fabric.tasks().run_once(&order)).await.unwrap().result.unwrap().to_value()
    };
    assert_eq!(told("courier", Some(2.5)).await, json!([10_000.0, 2.5]));
    assert_eq!(told("courier", None).await, json!([10_000.0, null]));
    assert_eq!(told("bare", Some(2.5)).await, json!([null, null]));

    let order = json!({ "scheme": "https", "to": "example.com" });
    let order = Task { resource_quota: quota(None), ..task("courier", order) };
    let report = Box::pin(fabric.tasks().run_once(&order)).await.unwrap();
    assert_eq!(report.result.unwrap().to_value()["error"], "HttpRequestDenied");
    assert_eq!(report.usage.network_tx_bytes, Some(0), "measured, and nothing passed");
    assert!(report.telemetry.log[0].message.contains("max_network_mbps"));
}

#[tokio::test]
async fn only_so_many_requests_are_open_at_once() {
    let server = Server::start().await;
    let fabric = host(&[&server.origin()]).await;
    let order = json!({ "to": server.to(), "path": "/gather/32", "at_once": 34 });
    let answers = run(&fabric, order).await.result.unwrap().to_value();
    let answers = answers.as_array().unwrap();
    assert!(answers[..32].iter().all(|answer| answer["status"] == 200), "{answers:?}");
    assert!(answers[32..].iter().all(|a| a["error"] == "ConnectionLimitReached"), "{answers:?}");
    let again = run(&fabric, json!({ "to": server.to(), "path": "/bytes/1" })).await;
    assert_eq!(again.result.unwrap().to_value()["status"], 200, "a place is given back");
    let flood = run(&fabric, json!({ "to": "nowhere.example.com", "at_once": 5000 })).await;
    assert_eq!(flood.result.unwrap_err().code(), "over-handles", "denied ones are not free");
    assert!(flood.telemetry.log.len() <= 16, "and not told one by one");
}

#[tokio::test]
async fn connections_end_with_the_call_that_opened_them() {
    let server = Server::start().await;
    let fabric = Arc::new(host(&[&server.origin()]).await);
    // Kept by the guest beyond its task.
    let kept = run(&fabric, json!({ "to": server.to(), "path": "/drip", "keep": true })).await;
    assert_eq!(kept.result.unwrap().to_value()["bytes"], 1);
    server.until_closed(1).await;
    let rest = run(&fabric, json!({ "resume": true })).await;
    assert!(rest.result.unwrap().to_value()["Err"].is_string(), "it is cut");
    assert_eq!((rest.usage.network_tx_bytes, rest.usage.network_rx_bytes), (Some(0), Some(0)));

    // More than one call may have open; what is left of those before takes no place.
    for _ in 0..40 {
        let kept = run(&fabric, json!({ "to": server.to(), "path": "/bytes/2", "keep": true }));
        assert_eq!(kept.await.result.unwrap().to_value()["bytes"], 1);
    }
    server.until_closed(41).await;

    // Dropped half-way.
    let hang = errand("courier", json!({ "to": server.to(), "path": "/hang" }));
    let one = Arc::clone(&fabric);
    let running = tokio::spawn(async move { one.tasks().run_once(&hang).await });
    server.until_opened(42).await;
    running.abort();
    server.until_closed(42).await;

    // Ended for its time.
    let mut order = errand("courier", json!({ "to": server.to(), "path": "/hang" }));
    order.resource_quota.max_execution_time_secs = 1;
    let report = Box::pin(fabric.tasks().run_once(&order)).await.unwrap();
    assert_eq!(report.result.unwrap_err().code(), "over-execution-time");
    server.until_closed(43).await;
}

#[tokio::test]
async fn a_failure_reaches_the_guest_and_ends_nothing() {
    let server = Server::start().await;
    let closed = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let fabric = host(&[
        &server.origin(),
        &format!("http://{closed}"),
        &format!("https://{}", server.to()),
        "http://name.invalid",
    ])
    .await;
    for (order, code) in [
        (json!({ "to": closed }), "ConnectionRefused"),
        (json!({ "to": "name.invalid" }), "DnsError"),
        (json!({ "scheme": "https", "to": server.to() }), "TlsProtocolError"),
        (json!({ "to": server.to(), "path": "/garbage" }), "HttpProtocolError"),
        (json!({ "to": server.to(), "path": "/close" }), "HttpResponseIncomplete"),
        (json!({ "to": server.to(), "path": "/head/100000" }), "HttpResponseHeaderSectionSize"),
        (json!({ "to": server.to(), "path": "/hang", "patience": 50 }), "ConnectionReadTimeout"),
    ] {
        let (error, _) = error(&fabric, order.clone()).await;
        assert!(error.as_str().unwrap().starts_with(code), "{order}: {error}");
    }
    for path in ["/drip", "/short"] {
        let order = json!({ "to": server.to(), "path": path, "patience": 1000 });
        let answer = run(&fabric, order).await.result.unwrap().to_value();
        assert!(answer["cut"].is_string(), "{answer}");
    }
    let long = "a".repeat(8 * 1024 + 1);
    for (order, code) in [
        (json!({ "to": server.to(), "method": long }), "HttpRequestMethodInvalid"),
        (json!({ "to": server.to(), "path": format!("/{long}") }), "HttpRequestUriInvalid"),
        (json!({ "to": long }), "HttpRequestUriInvalid"),
    ] {
        let (error, _) = error(&fabric, order).await;
        assert_eq!(
            error, code,
            "a guest may hold thousands of requests, so their words are bounded"
        );
    }
    let wide_head = json!({ "to": server.to(), "header": 20_000 });
    let fault = run(&fabric, wide_head).await.result.unwrap_err();
    assert_eq!(fault.code(), "over-host-memory", "{fault}");
    let well = execute_wide(&fabric, json!({ "to": server.to(), "path": "/bytes/1" })).await;
    assert_eq!(well["status"], 200);
}

async fn execute_wide(fabric: &Fabric, payload: Value) -> Value {
    let order = errand("courier", payload);
    Box::pin(fabric.tasks().execute(order)).await.unwrap().output.to_value()
}

#[tokio::test]
async fn agents_share_neither_grants_nor_connections_nor_counts() {
    let server = Server::start().await;
    let fabric = host(&[&server.origin()]).await;
    fabric.agents().spawn(&guest("courier"), granted("bare", &[])).await.unwrap();
    let twin = granted("twin", &[&server.origin()]);
    fabric.agents().spawn(&guest("courier"), twin).await.unwrap();
    let order = json!({ "to": server.to(), "path": "/bytes/1" });
    for (name, status) in [("courier", json!(200)), ("bare", json!(null)), ("twin", json!(200))] {
        let report = Box::pin(fabric.tasks().run_once(&errand(name, order.clone()))).await.unwrap();
        assert_eq!(report.result.unwrap().to_value()["status"], status, "{name}");
    }
    assert_eq!(server.opened(), 2);
    let agents = fabric.agents().active();
    let tx: Vec<_> = agents.iter().map(|agent| agent.network_tx_bytes).collect();
    let half = server.bytes().0 / 2;
    assert_eq!(tx, [Some(half), None, Some(half)]);
    let text = fabric.metrics_text().await.unwrap();
    let counted = |name| {
        text.contains(&format!(
            "layer4_agent_network_bytes_total{{agent_type=\"{name}\",direction=\"sent\"}} {half}\n"
        ))
    };
    assert!(
        counted("courier") && counted("twin") && !text.contains("agent_type=\"bare\",direction")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_grants_an_origin_and_shows_what_passed() {
    let server = Server::start().await;
    let (chimera, courier) = (Chimera::new(), guest_path("courier").display().to_string());
    let order = json!({ "to": server.to(), "path": "/bytes/5" }).to_string();
    let run = |more: &[&str]| {
        let arguments = ["run", &courier, "--task", &order];
        let ended = chimera.run(&[&arguments[..], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended
    };
    let granted = run(&["--http", &server.origin()]);
    assert!(granted.out.contains("\"bytes\": 5"), "{}", granted.out);
    let (received, sent) = server.bytes();
    let passed = format!("sent {received} B, received {sent} B");
    assert!(granted.err.contains(&passed), "{passed}\n{}", granted.err);
    let denied = run(&[]);
    assert!(denied.out.contains("HttpRequestDenied"), "{}", denied.out);
    assert!(denied.err.contains("this agent has no grant for HTTP; `--http`"), "{}", denied.err);
    assert!(!denied.err.contains("received"), "nothing measures it: {}", denied.err);
    let none = run(&["--http", &server.origin(), "--quota", "network=none"]);
    assert!(none.out.contains("HttpRequestDenied"), "{}", none.out);

    for (more, words) in [
        (&["--http", "example.com"][..], &["\"example.com\" is no origin", "give one like"][..]),
        (&["--http", "http://a.org", "--http", "HTTP://A.org:80"], &["is given twice"]),
        (&["--quota", "network=0"], &["max_network_mbps is 0; allowed is 0.001 to 1000000"]),
        (&["--quota", "network=fast"], &["is not a number, or `none`"]),
    ] {
        chimera.refuses(3, &[&["run", courier.as_str()][..], more].concat(), words);
    }
    let inspected = chimera.run(&["agent", "inspect", &courier]);
    assert!(inspected.out.contains("inert without an origin (`--http`)"), "{}", inspected.out);
}

#[tokio::test]
async fn what_asks_for_http_says_that_it_is_inert_without_a_grant() {
    let fabric = Fabric::new(settings()).unwrap();
    let genome = fabric.agents().load(&guest("courier")).await.unwrap();
    let http =
        genome.inspection().imports.iter().filter(|import| import.name.starts_with("wasi:http/"));
    let grants: Vec<_> = http.map(|import| import.grant.as_deref().unwrap_or_default()).collect();
    assert!(
        !grants.is_empty() && grants.iter().all(|grant| grant.contains("`--http`")),
        "{grants:?}"
    );
    let echo = utils::agent_config("echo", small_quota());
    fabric.start().await.unwrap();
    fabric.agents().spawn(&guest("echo"), echo).await.unwrap();
    let usage = execute(&fabric, "echo", json!(1)).await.resource_usage;
    assert_eq!(usage.network_rx_bytes, None);
}
