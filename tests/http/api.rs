//! The rest of the API, and what it says of mistakes.

use std::time::UNIX_EPOCH;

use chimera_layer4::fabric::config::Secret;
use serde_json::{Value, json};

use super::Api;
use crate::harness::settings_with;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_reported_with_its_place() {
    let api = Api::new(&["echo"]).await;
    let good = r#""target_agent_type": "echo", "payload": 1"#;
    let cases = [
        (format!("{{{good}, \"priorty\": \"high\"}}"), 400, "priorty: unknown field"),
        (
            format!("{{{good}, \"priority\": \"urgent\"}}"),
            400,
            "priority: unknown variant `urgent`",
        ),
        (format!("{{{good}, \"deadline\": \"soon\"}}"), 400, "deadline: "),
        (format!("{{{good}, \"max_attempts\": 101}}"), 400, "allowed is 1 to 100"),
        (format!("[{{{good}, \"id\": 7}}]"), 400, "[0].id: "),
        (format!("{{{good}}} {{}}"), 400, "trailing characters"),
        ("{".into(), 400, "EOF"),
        ("[]".into(), 400, "invalid length 0, expected an array of 1 to 10000 objects"),
        ("[1]".into(), 400, "[0]: invalid type: integer `1`, expected a JSON object"),
        ("[[1,\"echo\"]]".into(), 400, "invalid type: sequence, expected a JSON object"),
        ("\"text\"".into(), 400, "expected a JSON object"),
        (good.replace("echo", "unknown").to_string(), 400, "the body is not what it should be"),
        (format!("{{{}}}", good.replace("echo", "unknown")), 404, "known: echo"),
        (format!("{{\"payload\": {}", "[".repeat(100_000)), 400, "recursion limit"),
    ];
    for (body, status, words) in cases {
        let refused = api.send("POST", "/v1/tasks", &[JSON], Some(body)).await;
        assert_eq!(refused.status, status, "{refused:?}");
        let _ = refused.code();
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    let text = api.send("POST", "/v1/tasks", &[("content-type", "text/plain")], Some("{}".into()));
    let text = text.await;
    assert_eq!((text.status, text.code().as_str()), (415, "not-json"));
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "no-such-route"),
        ("PUT", "/v1/tasks", 405, "no-such-method"),
        ("GET", "/v1/tasks/x", 400, "invalid-request"),
        ("GET", "/v1/agents/00000000-0000-7000-8000-000000000000", 404, "agent-not-found"),
        ("GET", "/v1/tasks/00000000-0000-7000-8000-000000000000?wait=1h", 400, "invalid-request"),
        ("GET", "/v1/tasks/00000000-0000-7000-8000-000000000000", 404, "task-not-found"),
    ] {
        let refused = api.send(method, path, &[], None).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{method} {path}");
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_reported_in_the_words_of_http() {
    let api = Api::new(&[]).await;
    let none = "00000000-0000-7000-8000-000000000000";
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/restart"), ("POST", "/check")] {
        let path = format!("/v1/agents/{none}{path}");
        let refused = api.send(method, &path, &[], None).await;
        assert_eq!(refused.code(), "agent-not-found");
        assert!(refused.body.contains("GET /v1/agents lists"), "{refused:?}");
        assert!(!refused.body.contains("get_active"), "{refused:?}");
    }
    for (query, words) in [
        ("limit=many", "limit: invalid digit found in string (\\\"many\\\")"),
        ("state=wating", "state: unknown variant `wating`, expected one of `waiting`"),
        ("limit=1&limit=2", "duplicate field `limit`"),
        ("limit=0", "limit is 0; allowed is 1 to 1000"),
        (
            "stat=dead",
            "the query names \\\"stat\\\", which is unknown; allowed are state, agent_type",
        ),
    ] {
        let refused = api.get(&format!("/v1/tasks?{query}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid-request"));
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
        assert!(!refused.body.contains("deserialize"), "{}", refused.body);
    }
    api.end().await.unwrap();
}

/// Each route that the document has, and the document's own.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_what_its_query_does_not_know() {
    let api = Api::new(&[]).await;
    let document = api.get("/openapi.json").await.json();
    let mut routes = vec![("get".to_owned(), "/openapi.json".to_owned())];
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = operations.as_object().unwrap().keys();
        routes.extend(methods.map(|method| (method.clone(), path.clone())));
    }
    assert!(routes.len() > 40, "{routes:?}");
    for (method, path) in routes {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = format!("{}?windov=1", parts.collect::<Vec<_>>().join("/"));
        let refused = api.send(&method.to_uppercase(), &path, &[JSON], Some("{}".into())).await;
        if ["/livez?", "/readyz?", "/health?", "/metrics?"]
            .iter()
            .any(|probe| path.starts_with(probe))
        {
            assert_ne!(refused.status, 400, "{path}: probes bring parameters of their own");
            continue;
        }
        let said = (refused.status, refused.code());
        assert_eq!(said, (400, "invalid-request".into()), "{method} {path}");
        assert!(
            refused.body.contains("the query names \\\"windov\\\""),
            "{path}: {}",
            refused.body
        );
    }
    let head = api.send("HEAD", "/v1/kpis?windov=1", &[], None).await;
    assert_eq!(head.status, 400);
    assert_eq!(api.get("/v1/kpis?").await.status, 200);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_packed_is_refused_by_its_encoding() {
    let api = Api::new(&["echo"]).await;
    let body = r#"{"target_agent_type": "echo", "payload": 1}"#;
    for path in ["/v1/tasks", "/v1/validations", "/v1/genomes"] {
        for encoding in ["gzip", "identity, br"] {
            let headers = [JSON, ("content-encoding", encoding)];
            let refused = api.send("POST", path, &headers, Some(body.into())).await;
            let said = (refused.status, refused.code());
            assert_eq!(said, (415, "unsupported-encoding".into()), "{path}");
            let words = format!("the content encoding is \\\"{encoding}\\\"; allowed is identity");
            assert!(refused.body.contains(&words), "{}", refused.body);
        }
    }
    let headers = [JSON, ("content-encoding", "Identity")];
    assert_eq!(api.send("POST", "/v1/tasks", &headers, Some(body.into())).await.status, 202);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_restarted_asked_and_ended() {
    let api = Api::new(&["echo"]).await;
    let agents = api.get("/v1/agents").await.json();
    assert_eq!(agents, api.get("/agents/status").await.json());
    let id = agents[0]["agent_id"].as_str().unwrap().to_owned();
    assert_eq!(agents[0]["health"]["status"], "healthy");
    assert!(agents[0]["memory_mb"].as_f64().unwrap() > 0.5, "{agents}");
    let types = api.get("/v1/agent-types").await.json();
    assert_eq!(types, json!([{ "name": "echo", "agents": [id] }]));
    let path = format!("/v1/agents/{id}");
    assert_eq!(api.post(&format!("{path}/restart"), json!(null)).await.status, 204);
    assert_eq!(api.get(&path).await.json()["restarts"], 1);
    assert_eq!(api.post(&format!("{path}/check"), json!(null)).await.json()["agent_id"], id);
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(api.get("/v1/agents").await.json(), json!([]));
    assert_eq!(api.get("/v1/agent-types").await.json(), json!([]));
    assert_eq!(api.delete(&path).await.code(), "agent-not-found");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_layers_read_figures_judge_outputs_and_set_quotas() {
    let api = Api::new(&["echo", "hostile"]).await;
    let echo = json!({ "target_agent_type": "echo", "payload": 1 });
    let id = api.post("/v1/tasks?wait=30s", echo).await.json()["id"].clone();
    let trap =
        json!({ "target_agent_type": "hostile", "payload": { "do": "trap" }, "max_attempts": 1 });
    let dead = api.post("/v1/tasks?wait=30s", trap).await.json()["id"].clone();
    let judge = async |id: &Value, accuracy: f64| {
        api.post("/v1/validations", json!({ "task_id": id, "accuracy": accuracy })).await
    };
    assert_eq!(judge(&id, 0.25).await.status, 204);
    for wrong in [judge(&id, 1.5).await, judge(&dead, 1.0).await] {
        assert_eq!((wrong.status, wrong.code().as_str()), (400, "invalid-request"));
    }
    let kpis = api.get("/v1/kpis").await.json();
    let of = |name: &str| {
        kpis.as_array().unwrap().iter().find(|kpi| kpi["agent_type"] == name).unwrap().clone()
    };
    let (echo, hostile) = (of("echo"), of("hostile"));
    assert_eq!((&echo["accuracy"], &echo["success_rate"]), (&json!(0.25), &json!(1.0)));
    assert_eq!((hostile.get("accuracy"), &hostile["success_rate"]), (None, &json!(0.0)));
    assert!(echo["latency_ms"].as_f64().unwrap() > 0.0);

    let quota = json!({ "max_memory_mb": 48 });
    let target = json!({ "agent-type": "echo" });
    let allocation = json!({ "target": target, "resource_quota": quota });
    let given = api.post("/v1/resource-allocations", allocation).await;
    assert_eq!((given.status, given.json()), (200, json!({ "agents": 1 })));
    let unknown = json!({ "target": { "agent-type": "unknown" }, "resource_quota": quota });
    assert_eq!(api.post("/v1/resource-allocations", unknown).await.code(), "agent-type-not-found");
    let list = json!([target, quota]);
    assert!(api.post("/v1/resource-allocations", list).await.body.contains("a JSON object"));
    let wrong = json!({ "target": target, "resource_quota": { "max_memory_mb": 0 } });
    assert_eq!(api.post("/v1/resource-allocations", wrong).await.code(), "invalid-request");
    api.end().await.unwrap();
}

/// The form that the specification shows: its five keys, and times in whole seconds.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_in_whole_seconds() {
    let seconds = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (before, api) = (seconds(), Api::new(&["echo"]).await);
    let health = api.get("/health").await.json();
    let said = health["timestamp"].as_u64().unwrap();
    assert!((before..=seconds()).contains(&said), "{health}");
    assert!(health["uptime_seconds"].as_u64().unwrap() <= said - before, "{health}");
    let rest = ["status", "active_agents", "pending_tasks"].map(|key| health[key].clone());
    assert_eq!(rest, [json!("healthy"), json!(1), json!(0)]);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_by_all_but_the_probes() {
    let token = "0123456789abcdef".to_owned();
    let api_token = Some(Secret::new(token.clone()));
    let mut api = Api::with(settings_with(|c| c.http.api_token = api_token), &[]).await;
    assert_eq!(api.get("/health").await.status, 200);
    for shown in [None, Some("0123456789abcdeX".to_owned()), Some("0123456789abcde".to_owned())] {
        api.token = shown;
        let refused = api.get("/metrics").await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        assert_eq!(
            api.get("/v1/nothing").await.status,
            401,
            "the answer says nothing about routes"
        );
        assert_eq!(api.get("/livez").await.status, 204);
        assert_eq!(api.get("/readyz").await.status, 204);
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_this_machine_is_meant() {
    let api = Api::new(&[]).await;
    let port = api.address.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        ("LOCALHOST".into(), 200),
        (format!("[::1]:{port}"), 200),
        ("127.0.0.1".into(), 200),
        ("example.com".into(), 403),
        (format!("localhost.example.com:{port}"), 403),
        ("[::2]".into(), 403),
        ("".into(), 403),
    ] {
        let answer = api.send("GET", "/health", &[("host", &host)], None).await;
        assert_eq!(answer.status, status, "{host}");
    }
    // What a browser says of the page that sends it.
    let ours = format!("http://localhost:{port}");
    for (name, said, status) in [
        ("sec-fetch-site", "same-origin", 404),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", ours.as_str(), 404),
        ("origin", "https://example.com", 403),
        ("origin", "null", 403),
    ] {
        let path = "/v1/agents/00000000-0000-7000-8000-000000000000/restart";
        let answer = api.send("POST", path, &[(name, said)], None).await;
        assert_eq!(answer.status, status, "{name}: {said}");
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_an_id_and_a_large_one_is_compressed() {
    let api = Api::new(&[]).await;
    let own = api.send("GET", "/livez", &[("x-request-id", "mine-7")], None).await;
    assert_eq!(own.headers["x-request-id"], "mine-7");
    let made = api.send("GET", "/livez", &[("x-request-id", "not one")], None).await;
    assert_ne!(made.headers["x-request-id"], "not one");
    assert!(!made.headers["x-request-id"].is_empty());
    // No client of the tests unpacks it, which would hide it.
    let packed = tokio::task::spawn_blocking({
        let url = api.url("/openapi.json");
        move || {
            ureq::get(url)
                .header("accept-encoding", "gzip")
                .call()
                .unwrap()
                .into_body()
                .read_to_vec()
        }
    });
    let packed = packed.await.unwrap().unwrap();
    assert_eq!(packed[..2], [0x1f, 0x8b], "gzip's first bytes");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_route_and_what_it_answers() {
    let api = Api::new(&[]).await;
    let document = api.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
        "/scheduler/stats",
        "/agents/status",
        "/v1/tasks",
        "/v1/tasks/{id}",
        "/v1/tasks/{id}/cancel",
        "/v1/tasks/{id}/events",
        "/v1/events",
        "/v1/agents",
        "/v1/agents/{id}",
        "/v1/agent-types",
        "/v1/dead-letters",
        "/v1/dead-letters/{id}",
        "/v1/keyvalue",
        "/v1/keyvalue/{agent_type}",
        "/v1/kpis",
        "/v1/validations",
        "/v1/resource-allocations",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} says what it does");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
        }
    }
    // What it refers to is there.
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    api.end().await.unwrap();
}
