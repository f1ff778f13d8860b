//! Refinements of a host in a process of its own: kept over its end by force, and set by commands.

use std::fs;

use serde_json::{Value, json};

use super::service::{Service, declare};
use super::{Answer, call};
use crate::cli::{Chimera, Ended};
use crate::harness::guest_path;

const FAR_AHEAD: &str = "2999-01-01T00:00:00Z";

fn ask(service: &Service, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = ureq::http::Request::builder().method(method);
    let request = request.uri(format!("{}{path}", service.url()));
    let request = request.header("content-type", "application/json");
    call(request.body(body.map(|body| body.to_string()).unwrap_or_default()).unwrap())
}

/// A task that is taken; what is known of it.
fn taken(service: &Service, target: &str, payload: Value) -> Value {
    let task = json!({ "target_agent_type": target, "payload": payload, "not_before": FAR_AHEAD });
    let answer = ask(service, "POST", "/v1/tasks", Some(task));
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    service.get(&format!("/v1/tasks/{id}"))["task"].clone()
}

fn output(service: &Service, target: &str, payload: Value) -> Value {
    let task = json!({ "target_agent_type": target, "payload": payload });
    let answer = ask(service, "POST", "/v1/tasks?wait=60s", Some(task));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"]["output"].clone()
}

fn refinement(name: &str) -> String {
    format!("/v1/agent-types/{name}/refinement")
}

#[test]
fn what_was_set_counts_after_a_kill_and_is_undone_after_another() {
    let keeper = declare("keeper", &guest_path("keeper"), 1);
    let config =
        keeper + "parameters = { name = \"Ada\" }\n" + &declare("other", &guest_path("echo"), 1);
    let mut service = Service::start(Chimera::new(), &config);
    let name = |service: &Service| output(service, "keeper", json!({ "config": "name" }));
    assert_eq!(name(&service), "Ada");
    let before = taken(&service, "keeper", json!("config-all"));
    let set = json!({ "parameters": { "name": "Bea" }, "priority": "high", "author": "Ada", "reason": "p95" });
    assert_eq!(ask(&service, "PUT", &refinement("keeper"), Some(set)).status, 200);
    let route = ask(&service, "PUT", &refinement("other"), Some(json!({ "route_to": "keeper" })));
    assert_eq!(route.status, 200, "{route:?}");
    let record = service.get(&refinement("keeper"));

    service.kill_and_start();
    assert_eq!(service.get(&refinement("keeper")), record);
    assert_eq!(
        (&record["record"][0]["author"], &record["in_force"]["number"]),
        (&json!("Ada"), &json!(1))
    );
    assert_eq!(name(&service), "Bea");
    let after = taken(&service, "other", json!("config-all"));
    assert_eq!(
        (&after["target_agent_type"], &after["priority"]),
        (&json!("keeper"), &json!("high"))
    );
    assert_eq!(
        after["metadata"],
        json!({ "layer4.refinement": "2,1", "layer4.asked_for": "other" })
    );
    let id = before["id"].as_str().unwrap();
    assert_eq!(service.get(&format!("/v1/tasks/{id}"))["task"], before);
    // A reload leaves them, also where it replaces the agents.
    let more = declare("keeper", &guest_path("keeper"), 2);
    let more = more
        + "parameters = { name = \"Cleo\", limit = 4 }\n"
        + &declare("other", &guest_path("echo"), 1);
    service.rewrite(&more);
    assert_eq!(ask(&service, "POST", "/v1/reload", None).status, 200);
    assert_eq!(name(&service), "Bea");
    assert_eq!(output(&service, "keeper", json!({ "config": "limit" })), "4");

    assert_eq!(ask(&service, "DELETE", &refinement("keeper"), None).status, 200);
    service.kill_and_start();
    assert_eq!(name(&service), "Cleo");
    let after = taken(&service, "keeper", json!("config-all"));
    assert_eq!((&after["priority"], &after["metadata"]), (&json!("normal"), &json!({})));
    let undone = service.get(&refinement("keeper"));
    assert_eq!(
        (&undone["in_force"], &undone["record"][0]["change"]),
        (&Value::Null, &json!("undone"))
    );
    let again = ask(&service, "DELETE", &refinement("keeper"), None);
    assert_eq!((again.status, again.code().as_str()), (409, "refinement-conflict"));
    assert_eq!(service.end().0, 0);
}

#[test]
fn commands_refine_show_and_undo_and_a_retired_type_keeps_its_route() {
    let logs = tempfile::tempdir().unwrap();
    let config =
        format!("log_dir = {:?}\n{}", logs.path(), declare("echo", &guest_path("echo"), 1));
    let mut service = Service::start(Chimera::new(), &config);
    let data = service.chimera.data().join("data").display().to_string();
    let run = |service: &Service, arguments: &[&str]| -> Ended {
        service.chimera.run(&[arguments, &["--data-dir", &data]].concat())
    };
    let component = guest_path("keeper").display().to_string();
    let deployed = run(&service, &["agent", "deploy", "keeper", &component, "--param", "name=Ada"]);
    assert_eq!(deployed.code, 0, "{}", deployed.err);
    let refine = [
        "agent",
        "refine",
        "keeper",
        "--priority",
        "low",
        "--quota",
        "time=9,memory=32",
        "--param",
        "name=Bea",
        "--author",
        "ops",
        "--source-layer",
        "layer5",
        "--reason",
        "p95 is over",
    ];
    let done = run(&service, &refine);
    assert_eq!(done.out, "keeper refined: entry 1 counts; 1 agent replaced\n", "{}", done.err);
    let shown = run(&service, &["agent", "refinement", "keeper", "--limit", "1"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let now = json!({ "priority": "low", "parameters": { "name": "Bea" },
        "resource_quota": { "max_memory_mb": 32, "max_execution_time_secs": 9 } });
    assert_eq!(shown["in_force"]["refinement"], now);
    assert_eq!(
        (&shown["in_force"]["source_layer"], &shown["in_force"]["reason"]),
        (&json!("layer5"), &json!("p95 is over"))
    );
    assert_eq!(output(&service, "keeper", json!({ "config": "name" })), "Bea");
    let done = run(&service, &["agent", "unrefine", "keeper", "--json"]);
    let undone: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&undone["entry"]["before"], &undone["entry"]["number"]), (&json!(1), &json!(2)));
    assert_eq!(output(&service, "keeper", json!({ "config": "name" })), "Ada");
    for (arguments, words) in [
        (vec!["agent", "unrefine", "keeper"], "none to undo"),
        (vec!["agent", "refine", "keeper", "--route-to", "keeper"], "would come back"),
        (vec!["agent", "refine", "keeper", "--quota", "network=none"], "takes no network away"),
        (
            vec!["agent", "refine", "keeper", "--quota", "memory=0"],
            "resource_quota.max_memory_mb is 0",
        ),
        (vec!["agent", "refinement", "none"], "\"none\""),
    ] {
        let done = run(&service, &arguments);
        assert!(
            done.code == 3 && done.err.contains(words),
            "{arguments:?} {} {}",
            done.code,
            done.err
        );
    }

    // Retired, its tasks go on to where they are sent, also after a restart.
    let done = run(&service, &["agent", "refine", "keeper", "--route-to", "echo"]);
    assert_eq!(done.out, "keeper refined: entry 3 counts\n", "{}", done.err);
    assert_eq!(run(&service, &["agent", "retire", "keeper"]).code, 0);
    for _ in 0..2 {
        assert_eq!(output(&service, "keeper", json!("hello")), "hello");
        let types = service.get("/v1/agent-types");
        let keeper = types.as_array().unwrap().iter().find(|one| one["name"] == "keeper").unwrap();
        assert_eq!(keeper["refinement"], json!({ "number": 3, "route_to": "echo" }));
        service.kill_and_start();
    }
    let done = run(&service, &["agent", "unrefine", "keeper"]);
    assert_eq!(done.out, "keeper: entry 3 undone, no refinement counts\n", "{}", done.err);
    let unknown = json!({ "target_agent_type": "keeper", "payload": 1 });
    assert_eq!(ask(&service, "POST", "/v1/tasks", Some(unknown)).code(), "agent-type-not-found");
    assert_eq!(service.end().0, 0);

    let own = fs::read_to_string(logs.path().join("executor.log")).unwrap();
    let lines: Vec<Value> = own.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = |code: &str| -> Vec<&Value> {
        let all = lines.iter().map(|line| &line["fields"]);
        all.filter(|fields| fields["code"] == code).collect()
    };
    let refined = fields("agent-type-refined");
    let done: Vec<&str> = refined.iter().map(|one| one["done"].as_str().unwrap()).collect();
    assert_eq!(done, ["set", "undone", "set", "undone"], "{own}");
    assert_eq!(
        (&refined[0]["author"], &refined[0]["source_layer"]),
        (&json!("ops"), &json!("layer5"))
    );
    assert!(refined[2]["route_to"] == "echo" && refined[0]["number"] == 1, "{own}");
    assert!(!own.contains("Bea"), "values of parameters may be secrets");
    assert_eq!(fields("refinement-refused").len(), 2, "{own}");
}
