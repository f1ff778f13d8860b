//! What an agent reaches through the standard's drafts: its settings, its log,
//! and what it keeps by key.

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::genome::lineage::Source;
use chimera_layer4::fabric::telemetry::LogLevel;
use chimera_layer4::fabric::{AgentConfig, Fabric, FabricConfig, KeyValueGrant, NewGenome};
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::{
    config_of, execute, fabric, guest, guest_path, root, settings, settings_with, task,
};
use crate::http::service::Service;

/// A host with an agent of each of these types, which may keep so much.
async fn host(settings: FabricConfig, agents: &[(&str, Option<u32>)]) -> Fabric {
    let fabric = fabric(settings).await;
    for (name, max_mb) in agents {
        fabric.agents().spawn(&guest("keeper"), keeper(name, *max_mb)).await.unwrap();
    }
    fabric
}

fn keeper(name: &str, max_mb: Option<u32>) -> AgentConfig {
    config_of(name, |config| {
        config.grants.keyvalue = max_mb.map(|max_mb| KeyValueGrant { max_mb });
    })
}

/// The answer to one call.
async fn call(fabric: &Fabric, agent: &str, order: Value) -> Value {
    let done = execute(fabric, agent, order).await;
    assert!(done.success, "{done:?}");
    done.output.to_value()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_the_guide_counts_in_its_bucket() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (guide, sample) = (read("agents/LANGUAGES.md"), read("tests/guests/counts/src/sample.rs"));
    let (_, sample) = sample.split_once("\n\n").unwrap();
    assert!(guide.contains(&format!("```rust,ignore\n{sample}```\n")), "they differ");

    let fabric = fabric(settings()).await;
    fabric.agents().spawn(&guest("counts"), keeper("counts", Some(16))).await.unwrap();
    for (word, count) in [("one", 1), ("one", 2), ("other", 1)] {
        assert_eq!(call(&fabric, "counts", json!(word)).await, count);
    }
    let without = keeper("without", None);
    fabric.agents().spawn(&guest("counts"), without).await.unwrap();
    let error = execute(&fabric, "without", json!("one")).await.error.unwrap();
    assert!(error.contains("opening the bucket"), "{error}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_drafts_keep_list_count_and_forget() {
    let fabric = host(settings(), &[("keeper", Some(1))]).await;
    for draft in ["first", "second"] {
        let on = |what: Value| call(&fabric, "keeper", json!({ draft: [draft, what] }));
        assert_eq!(on(json!({ "get": "a" })).await, json!(null));
        assert_eq!(on(json!({ "set": ["a", "one"] })).await, json!(null));
        assert_eq!(on(json!({ "get": "a" })).await, "one");
        assert_eq!(on(json!({ "exists": "a" })).await, true);
        assert_eq!(on(json!({ "increment": ["n", 5] })).await, 5);
        assert_eq!(on(json!({ "increment": ["n", 2] })).await, 7);
        assert_eq!(on(json!({ "get": "n" })).await, "7");
        let uncountable = on(json!({ "increment": ["a", 1] })).await;
        assert!(uncountable["error"].as_str().unwrap().contains("no number"), "{uncountable}");
        let pairs = json!([["b", "two"], ["c", "three"]]);
        assert_eq!(on(json!({ "set-many": pairs })).await, json!(null));
        let many = on(json!({ "get-many": ["c", "z", "b"] })).await;
        match draft {
            "first" => assert_eq!(many, json!([["c", "three"], null, ["b", "two"]])),
            _ => assert_eq!(many, json!([["c", "three"], ["z", null], ["b", "two"]])),
        }
        assert_eq!(on(json!({ "list": null })).await, json!([["a", "n", "b", "c"], null]));
        assert_eq!(on(json!({ "delete-many": ["a", "b", "z"] })).await, json!(null));
        assert_eq!(on(json!({ "delete": "c" })).await, json!(null));
        assert_eq!(on(json!({ "exists": "c" })).await, false);
        assert_eq!(on(json!({ "list": null })).await, json!([["n"], null]));
    }
    // The second draft's own.
    let on = |what: Value| call(&fabric, "keeper", json!({ "second": ["second", what] }));
    assert_eq!(on(json!({ "increment": ["n", -10] })).await, -3);
    assert_eq!(on(json!({ "race": ["r", "mine"] })).await, json!([null, "faster", "mine"]));
    let strange = on(json!({ "list": "not a cursor" })).await;
    assert!(strange["error"].as_str().unwrap().contains("cursor"), "{strange}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages() {
    let fabric = host(settings(), &[("keeper", Some(1))]).await;
    let keys: Vec<String> = (0..1001).map(|number| format!("{number:04}")).collect();
    for part in keys.chunks(500) {
        let pairs: Vec<_> = part.iter().map(|key| (key, "")).collect();
        call(&fabric, "keeper", json!({ "first": ["b", { "set-many": pairs }] })).await;
    }
    for draft in ["first", "second"] {
        let mut all = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let order = json!({ draft: ["b", { "list": cursor }] });
            let mut page = call(&fabric, "keeper", order).await;
            all.extend(serde_json::from_value::<Vec<String>>(page[0].take()).unwrap());
            cursor = page[1].take();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(all, keys, "{draft}");
    }
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_without_a_grant_and_no_more_than_that() {
    let fabric = host(settings(), &[("bare", None), ("keeper", Some(1))]).await;
    let order = json!({ "second": ["b", { "get": "a" }] });
    let denied = call(&fabric, "bare", order).await;
    assert!(denied["error"].as_str().unwrap().contains("AccessDenied"), "{denied}");
    for (bucket, shown) in [("b\u{1b}", "the bucket was \"b\\u{1b}\""), ("", "was \"\"")] {
        let order = json!({ "second": [bucket, { "get": "a" }] });
        let report = Box::pin(fabric.tasks().run_once(&task("bare", order))).await.unwrap();
        let [line] = &report.telemetry.log[..] else { panic!("{:?}", report.telemetry.log) };
        for words in ["`--keyvalue=16`", "`keyvalue = { max_mb = 16 }`", shown] {
            assert!(line.level == LogLevel::Warn && line.message.contains(words), "{line:?}");
        }
    }

    let fill = |key: &'static str, bytes: usize| {
        call(&fabric, "keeper", json!({ "second": ["b", { "fill": [key, bytes] }] }))
    };
    let half = 512 << 10;
    assert_eq!(fill("a", half).await, json!(null));
    let full = fill("b", half).await;
    let words = full["error"].as_str().unwrap();
    assert!(words.contains("1048576 may be") && words.contains("max_mb"), "{words}");
    let metrics = fabric.metrics_text().await.unwrap();
    let kept = format!("layer4_keyvalue_bytes{{agent_type=\"keeper\"}} {}\n", half + 2 + 100);
    assert!(metrics.contains(&kept), "{metrics}");
    // What is there may be replaced by as much, and makes room when it goes.
    assert_eq!(fill("a", half).await, json!(null));
    let forget = json!({ "second": ["b", { "delete": "a" }] });
    assert_eq!(call(&fabric, "keeper", forget).await, json!(null));
    assert_eq!(fill("b", half).await, json!(null));

    let refused = [
        (json!({ "fill": ["big", (1 << 20) + 1] }), "allowed is 1048576"),
        (json!({ "get": "" }), "allowed is 1 to 1024"),
        (json!({ "get": "k".repeat(1025) }), "allowed is 1 to 1024"),
        (json!({ "get-many": vec!["k"; 1001] }), "allowed are 1000"),
    ];
    for (what, expected) in refused {
        let answer = call(&fabric, "keeper", json!({ "second": ["b", what] })).await;
        assert!(answer["error"].as_str().unwrap().contains(expected), "{answer}");
    }
    let mut config = keeper("greedy", Some(0));
    for max_mb in [0, KeyValueGrant::MOST_MB + 1] {
        config.grants.keyvalue = Some(KeyValueGrant { max_mb });
        let error = fabric.agents().spawn(&guest("keeper"), config.clone()).await.unwrap_err();
        assert!(error.to_string().contains("allowed is 1 to 65536"), "{error}");
    }
    let bucket = json!({ "second": ["b\nb", { "get": "a" }] });
    let answer = call(&fabric, "keeper", bucket).await;
    assert!(answer["error"].as_str().unwrap().contains("control character"), "{answer}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_agent_type_has_a_space_of_its_own_that_outlives_the_host() {
    let data = crate::folders::data_folder();
    let durable = || {
        settings_with(|c| {
            c.data_dir = Some(data.path().to_path_buf());
            c.queue.task_store = TaskStoreKind::Embedded;
        })
    };
    let agents = [("one", Some(1)), ("other", Some(1))];
    let fabric = host(durable(), &agents).await;
    call(&fabric, "one", json!({ "second": ["b", { "set": ["k", "mine"] }] })).await;
    let get = json!({ "second": ["b", { "get": "k" }] });
    assert_eq!(call(&fabric, "other", get.clone()).await, json!(null));
    let other_bucket = json!({ "second": ["c", { "get": "k" }] });
    assert_eq!(call(&fabric, "one", other_bucket).await, json!(null));
    fabric.shutdown().await.unwrap();
    drop(fabric);

    let fabric = host(durable(), &agents).await;
    assert_eq!(call(&fabric, "one", get.clone()).await, "mine");

    // A genome that is only tried leaves what is kept alone.
    let samples = vec![json!({ "second": ["b", { "set": ["k", "tried"] }] }).into()];
    let tried = NewGenome {
        agent_type: Some("one".into()),
        source: Source::Api,
        samples,
        ..NewGenome::new(guest("keeper"))
    };
    fabric.genomes().push(tried).await.unwrap();
    assert_eq!(call(&fabric, "one", get).await, "mine");
    fabric.shutdown().await.unwrap();
}

/// Through the host that serves, and in the folder once none does.
#[test]
fn an_operator_sees_what_is_kept_and_removes_it() {
    let component = guest_path("keeper").display().to_string();
    let declared =
        format!("[agents.keeper]\ncomponent = {component:?}\nkeyvalue = {{ max_mb = 1 }}\n");
    let mut service = Service::start(Chimera::new(), &declared);
    let folder = service.chimera.data().join("data").display().to_string();
    let ask = |service: &Service, arguments: &[&str]| {
        let arguments = [&["keyvalue"], arguments, &["--data-dir", folder.as_str()]].concat();
        let ended = service.chimera.run(&arguments);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended
    };
    let order = json!({ "second": ["b", { "set": ["k", "mine"] }] }).to_string();
    let set = |service: &Service| {
        let task = ["task", "submit", "--type", "keeper", "--wait", "--task", &order];
        let done = service.chimera.run(&[&task[..], &["--data-dir", folder.as_str()]].concat());
        assert_eq!(done.out.trim(), "null", "{}", done.err);
    };
    assert!(ask(&service, &["list"]).err.contains("no agent type keeps anything"));
    set(&service);
    // A bucket and a key of one byte each, four of value, and the entry.
    assert_eq!(ask(&service, &["list"]).out, "keeper: 106 bytes\n");
    assert_eq!(service.get("/v1/keyvalue"), json!([{ "agent_type": "keeper", "bytes": 106 }]));
    let mistyped = ["keyvalue", "clear", "keper", "--data-dir", folder.as_str()];
    service.chimera.refuses(
        3,
        &mistyped,
        &["\"keper\" keeps nothing by key; agent types that do: keeper"],
    );
    let cleared = ask(&service, &["clear", "keeper", "--json"]).out;
    let cleared: Value = serde_json::from_str(&cleared).unwrap();
    assert_eq!(cleared, json!({ "agent_type": "keeper", "bytes": 106 }));
    assert_eq!(service.get("/v1/keyvalue"), json!([]));

    set(&service);
    service.kill();
    assert_eq!(ask(&service, &["list"]).out, "keeper: 106 bytes\n");
    assert_eq!(ask(&service, &["clear", "keeper"]).out, "keeper: 106 bytes\n");
    assert_eq!(ask(&service, &["list", "--json"]).out.trim(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_where_the_standard_looks_and_its_log_is_the_agents() {
    let fabric = fabric(settings()).await;
    let config = config_of("keeper", |config| {
        config.parameters.insert("name".into(), json!("Ada"));
        config.parameters.insert("limit".into(), json!({ "most": 3 }));
    });
    fabric.agents().spawn(&guest("keeper"), config).await.unwrap();
    assert_eq!(call(&fabric, "keeper", json!({ "config": "name" })).await, "Ada");
    assert_eq!(call(&fabric, "keeper", json!({ "config": "limit" })).await, r#"{"most":3}"#);
    assert_eq!(call(&fabric, "keeper", json!({ "config": "none" })).await, json!(null));
    let all = json!([["limit", r#"{"most":3}"#], ["name", "Ada"]]);
    assert_eq!(call(&fabric, "keeper", json!("config-all")).await, all);

    let order = task("keeper", json!({ "log": ["disk", "nearly full"] }));
    let report = Box::pin(fabric.tasks().run_once(&order)).await.unwrap();
    let line = &report.telemetry.log[0];
    assert_eq!((line.level, line.message.as_str()), (LogLevel::Error, "disk: nearly full"));
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_opentelemetry_is_the_agents_own_telemetry() {
    let fabric = host(settings(), &[("keeper", None)]).await;
    let run = async |order: Value| {
        let report = Box::pin(fabric.tasks().run_once(&task("keeper", order))).await.unwrap();
        (report.result.unwrap().to_value(), report.telemetry)
    };
    let (outer, told) = run(json!("otel-trace")).await;
    assert_eq!(outer, json!(["0".repeat(32), "0".repeat(16)]));
    let spans: Vec<_> = told.spans.iter().map(|span| (span.name.as_str(), span.parent)).collect();
    assert_eq!(spans, [("GET /users", None), ("SELECT", Some(0)), ("INSERT", Some(0))]);
    let attributes = |span: usize| -> Vec<_> {
        told.spans[span].attributes.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(attributes(1), ["db.system=sq\"lite", "rows=3"]);
    assert_eq!(attributes(2), ["error=locked", "db.system=sq\"lite", "rows=3"]);
    assert!(told.spans[0].duration >= told.spans[1].duration);

    let (_, told) = run(json!("otel-measure")).await;
    let metrics: Vec<_> = told.metrics.iter().map(|one| (one.name.as_str(), one.value)).collect();
    let expected =
        [("http_requests", 7.0), ("http_duration_count", 2.0), ("http_duration_sum", 2.5)];
    assert_eq!(metrics, expected);
    assert_eq!(told.metrics[0].labels, [("http_route".to_owned(), "/users".to_owned())]);

    let (_, told) = run(json!({ "otel-log": "out of \u{1b} milk" })).await;
    assert_eq!(told.log[0].level, LogLevel::Warn);
    assert_eq!(told.log[0].message, "out of \\u{1b} milk user=ada");

    // What is too much is counted, and what a run left open is nothing to the next one.
    let (_, told) = run(json!({ "otel-begin": 1000 })).await;
    assert_eq!((told.spans.len(), told.dropped.spans), (256, 744));
    let (_, told) = run(json!("otel-end-first")).await;
    assert_eq!((told.spans.len(), told.dropped.spans), (0, 0));
    fabric.shutdown().await.unwrap();
}
