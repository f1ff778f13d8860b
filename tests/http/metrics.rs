//! What is counted, and that what operators are given names nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Api;
use crate::genomes::variants::Variant;
use crate::harness::{config_of, root, settings};

/// The specification's names.
const SPECIFIED: [&str; 13] = [
    "layer4_uptime_seconds",
    "layer4_agents_spawned_total",
    "layer4_tasks_processed_total",
    "layer4_tasks_succeeded_total",
    "layer4_tasks_failed_total",
    "layer4_tasks_total",
    "layer4_task_latency_ms",
    "layer4_task_accuracy",
    "layer4_cpu_usage",
    "layer4_memory_usage",
    "layer4_agent_cpu_usage",
    "layer4_agent_memory_mb",
    "layer4_agent_errors_total",
];

/// A host on which everything has happened that is counted.
pub(super) async fn busy() -> Api {
    let plain = ["echo", "hostile", "data-analyzer", "variant"].map(|name| config_of(name, |_| {}));
    let courier = config_of("courier", |config| {
        config.resource_quota.max_network_mbps = Some(1.0);
        config.grants.http.push("http://127.0.0.1:1".parse().unwrap());
    });
    let api = Api::with_agents(settings(), plain.into_iter().chain([courier])).await;
    take_over(&api).await;
    let echo = json!({ "target_agent_type": "echo", "payload": 1 });
    let id = api.post("/v1/tasks?wait=30s", echo).await.json()["id"].clone();
    api.post("/v1/validations", json!({ "task_id": id, "accuracy": 0.5 })).await;
    for payload in [json!({ "do": "trap" }), json!({ "do": "hoard" })] {
        let body = json!({ "target_agent_type": "hostile", "payload": payload, "max_attempts": 1 });
        api.post("/v1/tasks?wait=30s", body).await;
    }
    let csv = json!({ "target_agent_type": "data-analyzer", "payload": "a,b\n1,2\n" });
    api.post("/v1/tasks?wait=30s", csv).await;
    let errand = json!({ "target_agent_type": "courier", "payload": { "to": "127.0.0.1:1" } });
    api.post("/v1/tasks?wait=30s", errand).await;
    api.post("/v1/tasks", json!({ "target_agent_type": "unknown", "payload": 1 })).await;
    let wrong = json!({ "target_agent_type": "echo", "payload": 1, "max_attempts": 0 });
    api.post("/v1/tasks", wrong).await;
    let later =
        json!({ "target_agent_type": "echo", "payload": 1, "not_before": "2999-01-01T00:00:00Z" });
    api.post("/v1/tasks", later).await;
    api
}

/// A genome takes over, another is on trial until it is aborted, a third is rejected.
async fn take_over(api: &Api) {
    let push = async |version, failing| {
        let body = Variant { failing, ..Variant::version(version) }.bytes();
        let url = api.url("/v1/genomes?agent_type=variant");
        let request = ureq::http::Request::post(url).header("content-type", "application/wasm");
        let request = request.body(body).unwrap();
        tokio::task::spawn_blocking(move || super::call(request)).await.unwrap().json()
    };
    let json = [("content-type", "application/json")];
    let genome = json!({ "genome": push(1, 0).await["genome"] }).to_string();
    let put = api.send("PUT", "/v1/agent-types/variant/genome", &json, Some(genome)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let wanted = json!({ "agent_type": "variant", "genome": push(2, 0).await["genome"] });
    assert_eq!(api.post("/v1/rollouts", wanted).await.status, 201);
    assert_eq!(api.post("/v1/rollouts/variant/abort", json!(null)).await.status, 200);
    let ended = async {
        while !api.get("/metrics").await.body.contains("layer4_rollouts_total") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    let state = crate::genomes::variants::BROKEN;
    let broken = Variant { state, ..Variant::version(3) }.bytes();
    let request = ureq::http::Request::post(api.url("/v1/genomes"));
    let request = request.header("content-type", "application/wasm").body(broken).unwrap();
    let refused = tokio::task::spawn_blocking(move || super::call(request)).await.unwrap();
    assert_eq!(refused.status, 422, "{refused:?}");
}

/// The value of a series; labels in the exporter's order.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

/// The families and the samples that are exported.
pub(crate) fn exported(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.filter_map(|line| line.split(['{', ' ']).next());
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    samples.chain(families).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_specified_metric_is_there_with_an_honest_value() {
    let api = busy().await;
    let text = api.get("/metrics").await.body;
    let exported = exported(&text);
    for name in SPECIFIED {
        assert!(exported.contains(name), "{name}\n{text}");
    }
    for (series, expected) in [
        (r#"layer4_tasks_submitted_total{agent_type="echo"}"#, 2.0),
        (r#"layer4_tasks_processed_total{agent_type="hostile"}"#, 2.0),
        (r#"layer4_tasks_succeeded_total{agent_type="echo"}"#, 1.0),
        (r#"layer4_tasks_failed_total{agent_type="hostile"}"#, 2.0),
        (r#"layer4_dead_letters_total{agent_type="hostile",reason="over-quota"}"#, 1.0),
        (r#"layer4_dead_letters_total{agent_type="hostile",reason="attempts-exhausted"}"#, 1.0),
        (r#"layer4_quota_kills_total{agent_type="hostile",quota="over-memory"}"#, 1.0),
        (r#"layer4_submissions_refused_total{code="invalid-request"}"#, 1.0),
        (r#"layer4_task_accuracy{agent_type="echo"}"#, 0.5),
        (r#"layer4_tasks_total{state="delayed"}"#, 1.0),
        (r#"layer4_queue_depth{agent_type="echo"}"#, 1.0),
        (r#"layer4_task_latency_ms_count{agent_type="hostile"}"#, 2.0),
        (r#"layer4_run_duration_ms_count{agent_type="hostile"}"#, 2.0),
        (r#"layer4_agents_spawned_total{agent_type="echo"}"#, 1.0),
        (r#"layer4_agents_active{agent_type="echo"}"#, 1.0),
        (r#"layer4_breaker_state{agent_type="echo"}"#, 0.0),
        (r#"layer4_http_requests_total{method="POST",route="/v1/tasks",status="404"}"#, 1.0),
        (r#"layer4_agent_network_bytes_total{agent_type="courier",direction="sent"}"#, 0.0),
        ("layer4_health_status", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    assert!(value(&text, r#"layer4_agent_cpu_seconds_total{agent_type="echo"}"#) > 0.0);
    assert!((0.0..=1.0).contains(&value(&text, "layer4_cpu_usage")));
    assert!((0.01..=1.0).contains(&value(&text, "layer4_memory_usage")));
    assert!(
        text.contains("layer4_guest_metric_sum{agent_type=\"data-analyzer\",metric="),
        "{text}"
    );
    api.end().await.unwrap();
}

/// What is looked at is as it is; all that is counted has counted nothing.
const NOT_COUNTED: [&str; 3] = ["layer4_uptime_seconds", "layer4_cpu_usage", "layer4_memory_usage"];

/// The samples of a metric, each with its value: of a histogram its buckets too.
fn samples<'a>(text: &'a str, name: &str) -> Vec<(&'a str, f64)> {
    let lines = text.lines().filter(|line| line.starts_with(name));
    let lines = lines.filter_map(|line| line.rsplit_once(' '));
    lines.map(|(series, value)| (series, value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_specified_metric_is_there_from_the_first_scrape_without_an_agent() {
    let api = Api::new(&[]).await;
    let text = api.get("/metrics").await.body;
    for name in SPECIFIED {
        let samples = samples(&text, name);
        assert!(!samples.is_empty(), "{name}\n{text}");
        let is_zero = samples.iter().all(|(_, value)| *value == 0.0);
        assert!(is_zero || NOT_COUNTED.contains(&name), "{samples:?}");
    }
    // What the specification looks for with `grep`.
    for word in ["layer4_memory", "layer4_task_latency", "layer4_agent_error"] {
        assert!(!samples(&text, word).is_empty(), "{word}\n{text}");
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_counts_from_zero_before_its_first_task() {
    let api = Api::new(&["echo"]).await;
    let text = api.get("/metrics").await.body;
    for series in [
        r#"layer4_tasks_processed_total{agent_type="echo"}"#,
        r#"layer4_tasks_succeeded_total{agent_type="echo"}"#,
        r#"layer4_tasks_failed_total{agent_type="echo"}"#,
        r#"layer4_task_latency_ms_count{agent_type="echo"}"#,
    ] {
        assert_eq!(value(&text, series), 0.0, "{series}");
    }
    let spawned = samples(&text, "layer4_agents_spawned_total");
    assert_eq!(spawned, [(r#"layer4_agents_spawned_total{agent_type="echo"}"#, 1.0)]);
    let of_agents = samples(&text, "layer4_agent_errors_total");
    assert!(of_agents.iter().all(|(series, _)| series.contains("agent_id=")), "{of_agents:?}");
    api.end().await.unwrap();
}

/// The names that an expression may mean: words that begin as ours do.
pub(crate) fn named(expression: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let names = expression.split(word).filter(|word| word.starts_with("layer4_"));
    names.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_dashboard_name_only_what_is_exported() {
    let api = busy().await;
    let exported = exported(&api.get("/metrics").await.body);
    let deploy = root().join("host/deploy");
    let rules = std::fs::read_to_string(deploy.join("prometheus/rules.yml")).unwrap();
    // Words of comments and descriptions too: they should not mislead either.
    let rules = rules.replace("instance:layer4", "-").replace("agent_type:layer4", "-");
    let expressions = expressions();
    assert!(expressions.len() > 40, "{expressions:?}");
    let small = ["dashboard", "grafana"].map(|name| {
        let file = deploy.join(format!("kubernetes/configmap-{name}.yaml"));
        std::fs::read_to_string(file).unwrap()
    });
    for text in expressions.iter().chain([&rules]).chain(&small) {
        for name in named(text) {
            assert!(exported.contains(&name), "no exporter has {name}, which is in\n{text}");
        }
    }
    api.end().await.unwrap();
}

#[test]
fn the_specified_alerts_are_among_the_rules() {
    let rules = root().join("host/deploy/prometheus/rules.yml");
    let rules = std::fs::read_to_string(rules).unwrap();
    let failed = "rate(layer4_tasks_failed_total[5m]) / rate(layer4_tasks_processed_total[5m])";
    let latency = "histogram_quantile(0.95, rate(layer4_task_latency_ms_bucket[5m]))";
    for (alert, expression, time, severity) in [
        ("HighTaskFailureRate", format!("{failed} > 0.1"), "2m", "warning"),
        ("HighLatency", format!("{latency} > 1000"), "3m", "warning"),
        ("ResourceExhaustion", "layer4_memory_usage > 0.9".to_owned(), "1m", "critical"),
    ] {
        let rule = format!(
            "      - alert: {alert}\n        expr: {expression}\n        for: {time}\n        \
             labels:\n          severity: {severity}\n"
        );
        assert!(rules.contains(&rule), "{rule}");
    }
}

/// What the dashboard asks.
pub(super) fn expressions() -> Vec<String> {
    let file = root().join("host/deploy/grafana/chimera.json");
    let dashboard = std::fs::read_to_string(file).unwrap();
    let mut expressions = Vec::new();
    collect(&serde_json::from_str(&dashboard).unwrap(), &mut expressions);
    expressions
}

/// Every `expr`, and every `query` that is text.
pub(crate) fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" || key == "query" => {
                        into.push(text.clone())
                    }
                    value => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}
