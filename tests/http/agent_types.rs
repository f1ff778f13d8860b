//! Agent types that are deployed to a host that serves, kept, replaced and retired.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::service::{Service, declare};
use super::{Answer, Api, call};
use crate::cli::{Chimera, Ended};
use crate::genomes::variants::{BROKEN, Variant};
use crate::harness::guest_path;

fn ask(service: &Service, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = ureq::http::Request::builder().method(method);
    let request = request.uri(format!("{}{path}", service.url()));
    let request = request.header("content-type", "application/json");
    call(request.body(body.map(|body| body.to_string()).unwrap_or_default()).unwrap())
}

/// A type as the host shows it.
fn shown(service: &Service, name: &str) -> Value {
    let types = service.get("/v1/agent-types");
    let found = types.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.cloned().unwrap_or_default()
}

fn version(service: &Service, target: &str) -> Value {
    let task = json!({ "target_agent_type": target, "payload": 1 });
    let done = ask(service, "POST", "/v1/tasks?wait=30s", Some(task));
    assert_eq!(done.status, 200, "{done:?}");
    done.json()["result"]["output"]["version"].clone()
}

#[test]
fn a_type_is_deployed_kept_over_a_restart_replaced_and_retired() {
    let echo = declare("echo", &guest_path("echo"), 1);
    let mut service = Service::start(Chimera::new(), &echo);
    let data = service.chimera.data().join("data").display().to_string();
    let component = service.chimera.data().join("variant.wasm");
    let put = |variant: Variant| fs::write(&component, variant.bytes()).unwrap();
    let run = |service: &Service, arguments: &[&str]| -> Ended {
        service.chimera.run(&[arguments, &["--data-dir", &data]].concat())
    };
    let path = component.display().to_string();
    let deploy = ["agent", "deploy", "variant", &path, "--instances", "2", "--quota", "memory=64"];
    put(Variant::version(1));
    let done = run(&service, &deploy);
    assert!(
        done.code == 0 && done.out.starts_with("variant started: sha256:"),
        "{}{}",
        done.out,
        done.err
    );
    assert_eq!(version(&service, "variant"), 1);
    let of_type = shown(&service, "variant");
    assert_eq!(
        (&of_type["source"], of_type["agents"].as_array().unwrap().len()),
        (&json!("deployed"), 2)
    );
    assert_eq!(shown(&service, "echo")["source"], "settings");

    service.kill_and_start();
    assert_eq!(version(&service, "variant"), 1);
    assert_eq!(shown(&service, "variant")["agents"].as_array().unwrap().len(), 2);
    assert_eq!(run(&service, &deploy).out.split(':').next(), Some("variant unchanged"));
    put(Variant::version(2));
    assert_eq!(run(&service, &deploy).out.split(':').next(), Some("variant replaced"));
    assert_eq!(version(&service, "variant"), 2);

    // What does not start changes nothing, nor do wrong settings.
    put(Variant { state: BROKEN, ..Variant::version(3) });
    let done = run(&service, &deploy);
    assert!(done.code != 0 && done.err.contains("error"), "{}{}", done.out, done.err);
    fs::write(&component, "no component").unwrap();
    assert_eq!(run(&service, &deploy).code, 4, "it is refused");
    assert_eq!(version(&service, "variant"), 2);
    assert_eq!(shown(&service, "variant")["refused"], Value::Null);
    let genome = service.get("/v1/agents")[0]["genome"].clone();
    let post = |service: &Service, name: &str, genome: &Value, settings: Value| {
        let body = json!({ "name": name, "component": genome, "settings": settings });
        ask(service, "POST", "/v1/agent-types", Some(body))
    };
    let none = json!(format!("sha256:{}", "0".repeat(64)));
    for (answer, status, code, words) in [
        (post(&service, "other", &none, json!({})), 404, "genome-not-found", "sha256:000"),
        (
            post(&service, "other", &genome, json!({ "memory": 1 })),
            400,
            "invalid-request",
            "unknown field `memory`",
        ),
        (
            post(&service, "other", &genome, json!({ "folders": [] })),
            400,
            "invalid-request",
            "`api_token`",
        ),
        (
            post(&service, "other", &genome, json!({ "http": ["https://a.example"] })),
            400,
            "invalid-request",
            "settings.http",
        ),
        (
            post(&service, "other", &genome, json!({ "keyvalue": { "max_mb": 1 } })),
            400,
            "invalid-request",
            "settings.keyvalue",
        ),
        (post(&service, "", &genome, json!({})), 400, "invalid-request", "the name has 0 bytes"),
        (
            post(&service, "echo", &genome, json!({})),
            409,
            "agent-type-declared",
            "the settings file",
        ),
        (
            ask(&service, "DELETE", "/v1/agent-types/echo", None),
            409,
            "agent-type-declared",
            "the settings file",
        ),
        (
            ask(&service, "DELETE", "/v1/agent-types/other", None),
            404,
            "agent-type-not-found",
            "known: echo, variant",
        ),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        assert!(answer.body.contains(words), "{words}: {answer:?}");
    }
    assert_eq!(shown(&service, "other"), Value::Null);

    // Retired: tasks wait and are counted, also over a restart, and go on with the type.
    let later = json!({ "target_agent_type": "variant", "payload": 1, "not_before": "2999-01-01T00:00:00Z" });
    assert_eq!(ask(&service, "POST", "/v1/tasks", Some(later)).status, 202);
    let done = run(&service, &["agent", "retire", "variant"]);
    assert_eq!(
        done.out, "variant retired; 1 task waits for it, until it is deployed again\n",
        "{}",
        done.err
    );
    assert_eq!(
        shown(&service, "variant"),
        json!({ "name": "variant", "agents": [], "waiting": 1 })
    );
    service.kill_and_start();
    assert_eq!(
        shown(&service, "variant"),
        json!({ "name": "variant", "agents": [], "waiting": 1 })
    );
    put(Variant::version(4));
    assert_eq!(run(&service, &deploy).out.split(':').next(), Some("variant started"));
    assert_eq!(version(&service, "variant"), 4);
    assert_eq!(service.end().0, 0);
}

/// The folder is watched by the program, too.
#[test]
fn a_host_without_settings_serves_what_is_in_its_agents_folder() {
    let chimera = Chimera::new();
    let folder = chimera.data().join("data/agents");
    let mut service = Service::start(chimera, "");
    assert_eq!(shown(&service, "echo")["source"], "built-in");
    let done = ask(
        &service,
        "POST",
        "/v1/tasks?wait=30s",
        Some(json!({ "target_agent_type": "echo", "payload": "hello" })),
    );
    assert_eq!(done.json()["result"]["output"], "hello");
    fs::write(folder.join("variant.wasm"), Variant::version(7).bytes()).unwrap();
    service.hears("the agents folder changed");
    assert_eq!(version(&service, "variant"), 7);
    assert_eq!(shown(&service, "variant")["source"], "folder");
    fs::write(folder.join("variant.wasm"), "none").unwrap();
    assert!(service.hears("was refused").contains("variant"));
    assert_eq!(version(&service, "variant"), 7);
    assert!(shown(&service, "variant")["refused"].as_str().unwrap().contains("component"));
    assert_eq!(service.end().0, 0);
}

/// Commands for a host that serves, and a component's file.
struct Operator {
    service: Service,
    data: String,
    component: PathBuf,
}

impl Operator {
    fn new() -> Self {
        Self::with("")
    }

    fn with(config: &str) -> Self {
        let service = Service::start(Chimera::new(), config);
        let data = service.chimera.data().join("data").display().to_string();
        let component = service.chimera.data().join("variant.wasm");
        Self { service, data, component }
    }

    #[track_caller]
    fn well(&self, arguments: &[&str]) -> String {
        let done = self.service.chimera.run(&[arguments, &["--data-dir", &self.data]].concat());
        assert_eq!(done.code, 0, "{arguments:?}\n{}{}", done.out, done.err);
        done.out
    }

    fn file(&self, variant: Variant) -> &str {
        fs::write(&self.component, variant.bytes()).unwrap();
        self.component.to_str().unwrap()
    }

    /// The genome that was deployed.
    #[track_caller]
    fn deploy(&self, name: &str, variant: Variant) -> String {
        let said = self.well(&["agent", "deploy", name, self.file(variant)]);
        said.trim().split_once(": ").unwrap().1.to_owned()
    }
}

#[test]
fn a_type_that_is_retired_is_as_the_next_place_has_it() {
    let mut operator = Operator::new();
    let folder = Path::new(&operator.data).join("agents");
    // Every host has it.
    operator.deploy("echo", Variant::version(5));
    assert_eq!(version(&operator.service, "echo"), 5);
    assert_eq!(shown(&operator.service, "echo")["source"], "deployed");
    let said = operator.well(&["agent", "retire", "echo"]);
    assert_eq!(said, "echo retired; every host has it, and serves its own now\n");
    assert_eq!(shown(&operator.service, "echo")["source"], "built-in");
    let task = json!({ "target_agent_type": "echo", "payload": "hello" });
    let done = ask(&operator.service, "POST", "/v1/tasks?wait=30s", Some(task));
    assert_eq!(done.json()["result"]["output"], "hello");

    // The agents folder has it, and what is there does not start.
    fs::write(folder.join("variant.wasm"), "none").unwrap();
    operator.service.hears("was refused");
    operator.deploy("variant", Variant::version(6));
    assert_eq!(version(&operator.service, "variant"), 6);
    let done = ask(&operator.service, "DELETE", "/v1/agent-types/variant", None);
    assert_eq!((done.status, done.json()), (200, json!({ "waiting": 0 })));
    let of_type = shown(&operator.service, "variant");
    assert_eq!((&of_type["agents"], &of_type["source"]), (&json!([]), &json!("folder")));
    assert!(of_type["down"].is_string(), "{of_type}");
    let task = json!({ "target_agent_type": "variant", "payload": 1 });
    let refused = ask(&operator.service, "POST", "/v1/tasks", Some(task));
    assert_eq!((refused.status, refused.code().as_str()), (503, "agent-type-down"));

    // And it does.
    fs::write(folder.join("variant.wasm"), Variant::version(7).bytes()).unwrap();
    operator.service.hears("the agents folder changed");
    operator.deploy("variant", Variant::version(8));
    assert_eq!(version(&operator.service, "variant"), 8);
    let done = ask(&operator.service, "DELETE", "/v1/agent-types/variant", None);
    assert_eq!(done.json(), json!({ "waiting": 0, "served_by": "folder" }));
    assert_eq!(version(&operator.service, "variant"), 7);
    assert_eq!(operator.service.end().0, 0);
}

/// What an operator pins and unpins is the operator's, and what is deployed stays.
#[test]
fn what_is_deployed_is_kept_whatever_is_unpinned_and_collected() {
    let mut operator = Operator::new();
    let first = operator.deploy("variant", Variant::version(1));
    let second = operator.file(Variant::version(2)).to_owned();
    let second = operator.well(&["genome", "push", &second, "--type", "variant"]);
    operator.well(&["genome", "promote", "variant", second.trim()]);
    operator.well(&["genome", "unpin", &first]);
    let collect = ["genome", "gc", "--ancestors", "0", "--quiet-days", "0"];
    operator.well(&collect);
    operator.service.kill_and_start();
    assert_eq!(version(&operator.service, "variant"), 2);
    assert_eq!(shown(&operator.service, "variant")["refused"], Value::Null);

    operator.well(&["genome", "pin", &first]);
    operator.well(&["agent", "retire", "variant"]);
    operator.well(&collect);
    let stored = || operator.service.get("/v1/genomes").to_string();
    assert!(stored().contains(&first), "an operator pinned it: {}", stored());
    operator.well(&["genome", "unpin", &first]);
    operator.well(&collect);
    assert!(!stored().contains(&first), "{}", stored());
    assert_eq!(operator.service.end().0, 0);
}

/// Also one that takes over under the same id, and those of a trial.
#[test]
fn the_executors_log_has_the_beginning_of_each_agent_that_it_has_the_end_of() {
    let logs = tempfile::tempdir().unwrap();
    let mut operator = Operator::with(&format!("log_dir = {:?}\n", logs.path()));
    operator.deploy("variant", Variant::version(1));
    for (version, command) in [(2, ["genome", "promote"]), (3, ["rollout", "start"])] {
        let file = operator.file(Variant::version(version)).to_owned();
        let genome = operator.well(&["genome", "push", &file, "--type", "variant"]);
        operator.well(&[&command[..], &["variant", genome.trim()]].concat());
    }
    operator.well(&["rollout", "abort", "variant"]);
    operator.well(&["agent", "retire", "variant"]);
    assert_eq!(operator.service.end().0, 0);
    let text = fs::read_to_string(logs.path().join("executor.log")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.map(|line| line["fields"].clone()).collect();
    let all = |code: &str, of: &dyn Fn(&Value) -> String| -> Vec<String> {
        let mut all: Vec<_> = lines.iter().filter(|line| line["code"] == code).map(of).collect();
        all.sort();
        all
    };
    let agent = |line: &Value| format!("{} {}", line["agent"], line["genome"]);
    let spawned = all("agent-spawned", &agent);
    assert_eq!((spawned.len(), &spawned), (4, &all("agent-terminated", &agent)), "{text}");
    let done = all("agent-type-changed", &|line: &Value| line["done"].to_string());
    assert_eq!(done, ["\"retired\"", "\"started\""], "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_keeps_nothing_has_nothing_to_retire() {
    let api = Api::new(&["echo"]).await;
    for (name, status, code) in
        [("other", 404, "agent-type-not-found"), ("echo", 409, "agent-type-declared")]
    {
        let answer = api.delete(&format!("/v1/agent-types/{name}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    }
    api.end().await.unwrap();
}
