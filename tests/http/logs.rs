//! What the log of a service says of what happened, for programs that read it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::genomes::variants::Variant;
use crate::harness::{guest_path, root};

const FAR_AHEAD: &str = "2999-01-01T00:00:00Z";

fn post(service: &Service, path: &str, body: &Value) -> Value {
    let request = ureq::post(format!("{}{path}", service.url()));
    let request = request.config().http_status_as_error(false).build();
    let request = request.header("content-type", "application/json").header("x-request-id", "mine");
    request.send(body.to_string()).unwrap().body_mut().read_json().unwrap()
}

/// What the file of a log folder has that has all lines.
fn written(folder: &Path) -> String {
    fs::read_to_string(folder.join("layer4.log")).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn starts_stops_breakers_dead_letters_cancels_purges_and_refusals_have_a_line() {
    let logs = tempfile::tempdir().unwrap();
    let config = format!("log_dir = {:?}\n", logs.path());
    let config = config + &declare("hostile", &guest_path("hostile"), 1);
    let mut service = Service::start(Chimera::new(), &config);

    let refused = post(&service, "/v1/tasks?wait=soon", &json!({}));
    assert_eq!(refused["code"], "invalid-request");
    let trap =
        json!({ "target_agent_type": "hostile", "payload": { "do": "trap" }, "max_attempts": 1 });
    let dead = post(&service, "/v1/tasks?wait=120s", &json!(vec![trap.clone(); 12]));
    let dead: Vec<&str> =
        dead.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let mut ahead = trap;
    ahead["not_before"] = FAR_AHEAD.into();
    let ahead = post(&service, "/v1/tasks", &ahead)["id"].as_str().unwrap().to_owned();
    post(&service, &format!("/v1/tasks/{ahead}/cancel"), &json!(null));
    post(&service, "/v1/dead-letters/purge", &json!({ "ids": [dead[0]] }));
    post(&service, "/v1/dead-letters/requeue", &json!({ "ids": [dead[1]] }));
    assert_eq!(service.end().0, 0);

    let text = written(logs.path());
    assert!(!text.contains("Some(") && !text.contains("\\\"mine"), "{text}");
    let lines = lines(&text);
    let fields = lines.iter().map(|line| &line["fields"]);
    let of = |message: &str| -> Vec<&Value> {
        let found: Vec<&Value> =
            fields.clone().filter(|fields| fields["message"] == message).collect();
        assert!(!found.is_empty(), "no line says {message:?}:\n{text}");
        found
    };
    assert!(of("the host started")[0]["data_dir"].is_string());
    let started = of("an agent spawned")[0];
    assert_eq!(started["agent_type"], "hostile");
    assert!(started["genome"].as_str().unwrap().starts_with("sha256:"));
    let refused = of("a request was refused")[0];
    let words = ["code", "request", "route"].map(|name| refused[name].as_str().unwrap());
    assert_eq!(words, ["invalid-request", "mine", "/v1/tasks"]);
    let letters = of("a task is a dead letter");
    let letter = letters.iter().find(|letter| letter["task"] == dead[0]).unwrap();
    assert_eq!(letter["reason"], "attempts-exhausted");
    assert!(letter["error"].as_str().unwrap().contains("trapped"), "{letter}");
    assert_eq!((&letter["agent"], &letter["genome"]), (&started["agent"], &started["genome"]));
    assert_eq!(of("a circuit breaker opened; runs wait")[0]["genome"], started["genome"]);
    assert_eq!(of("a task was cancelled")[0]["task"], ahead);
    assert_eq!(of("tasks were purged")[0]["ids"], dead[0]);
    assert_eq!(of("dead letters were put back in the queue")[0]["ids"], dead[1]);
    assert_eq!(of("the host stops: no task is begun any more").len(), 1);
    assert_eq!(of("an agent terminated").len(), 1);
    assert_eq!(lines.last().unwrap()["fields"]["message"], "the host stopped");
    // A line that names its task or agent type is not told it again by its run.
    for line in &lines {
        let twice = |name| line["fields"][name].is_string() && line["span"][name].is_string();
        assert!(!twice("task") && !twice("agent_type") && !twice("genome"), "{line}");
    }
}

/// The file that an operator follows: `tail -f executor.log`. Its lines are in the other file too.
#[test]
fn what_becomes_of_agents_has_a_file_of_its_own_and_codes() {
    let logs = tempfile::tempdir().unwrap();
    let config = format!("log_dir = {:?}\n", logs.path());
    let hostile = declare("hostile", &guest_path("hostile"), 1);
    let fails =
        declare("fails", &guest_path("hostile"), 1) + "parameters = { in_init = \"trap\" }\n";
    let mut service = Service::start(Chimera::new(), &(config.clone() + &hostile));
    service.rewrite(&(config.clone() + &hostile + &fails));
    post(&service, "/v1/reload", &json!(null));
    service.rewrite("wrong");
    post(&service, "/v1/reload", &json!(null));
    let trap =
        json!({ "target_agent_type": "hostile", "payload": { "do": "trap" }, "max_attempts": 1 });
    let dead = post(&service, "/v1/tasks?wait=120s", &json!(vec![trap.clone(); 12]));
    let mut ahead = trap;
    ahead["not_before"] = FAR_AHEAD.into();
    let ahead = post(&service, "/v1/tasks", &ahead)["id"].as_str().unwrap().to_owned();
    post(&service, &format!("/v1/tasks/{ahead}/cancel"), &json!(null));
    post(&service, "/v1/dead-letters/purge", &json!({ "ids": [dead[0]["id"]] }));
    let agents = service.get("/v1/agents");
    let agent = agents[0]["agent_id"].as_str().unwrap();
    ureq::post(format!("{}/v1/agents/{agent}/restart", service.url())).send_empty().unwrap();
    assert_eq!(service.end().0, 0);

    let own = fs::read_to_string(logs.path().join("executor.log")).unwrap();
    let all = written(logs.path());
    let codes: Vec<Value> = lines(&own).iter().map(|line| line["fields"]["code"].clone()).collect();
    for code in [
        "host-started",
        "agent-spawned",
        "agent-failed",
        "agent-type-changed",
        "reload",
        "reload-refused",
        "dead-letter",
        "breaker-opened",
        "task-cancelled",
        "tasks-purged",
        "agent-restarted",
        "host-draining",
        "agent-terminated",
        "host-stopped",
    ] {
        assert!(codes.contains(&json!(code)), "no line has {code}:\n{own}");
    }
    assert!(codes.iter().all(Value::is_string), "{own}");
    for line in lines(&own) {
        let same = lines(&all).into_iter().any(|other| other["fields"] == line["fields"]);
        assert!(same && line["target"] == "executor", "{line}\n{all}");
    }
    // As the specification has it.
    for word in ["spawned", "terminated", "failed"] {
        assert!(own.lines().any(|line| line.contains(word)), "{word}\n{own}");
    }
}

/// Each place that changes agent types has words of its own; the codes are the same.
#[test]
fn each_change_of_an_agent_type_has_one_line() {
    let badly = declare("badly", &guest_path("hostile"), 1);
    let config = badly + "parameters = { in_shutdown = \"trap\" }\n";
    let mut service = Service::start(Chimera::new(), &config);
    let data = service.chimera.data().join("data");
    let echo = guest_path("echo").display().to_string();
    let agent = |service: &Service, words: &[&str]| {
        let data = ["--data-dir", data.to_str().unwrap()];
        service.chimera.run(&[&["agent"][..], words, &data].concat()).code == 0
    };
    assert!(agent(&service, &["deploy", "deployed", &echo]));
    service.hears("a deployment changed");
    service.kill_and_start();
    assert!(!agent(&service, &["deploy", "badly", &echo]), "the settings have it");
    assert!(agent(&service, &["retire", "deployed"]));

    let dropped = data.join("agents/dropped.wasm");
    for version in [1, 2] {
        fs::write(&dropped, Variant::version(version).bytes()).unwrap();
        service.hears("the agents folder changed");
    }
    fs::write(&dropped, "none").unwrap();
    service.hears("an agent of the agents folder was refused");
    fs::remove_file(&dropped).unwrap();
    service.hears("the agents folder changed");

    let agents = service.get("/v1/agents");
    let of_type = |agent: &&Value| agent["agent_type"] == "badly";
    let id = agents.as_array().unwrap().iter().find(of_type).unwrap()["agent_id"].as_str().unwrap();
    ureq::delete(format!("{}/v1/agents/{id}", service.url())).call().unwrap();
    let (code, rest) = service.end();
    assert_eq!(code, 0, "{rest}");

    let said = service.told().to_owned() + &rest;
    let json: String =
        said.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n");
    let mut written: Vec<String> = lines(&json)
        .iter()
        .filter(|line| line["target"] == "executor")
        .map(|line| &line["fields"])
        .filter(|fields| {
            ["agent-type-changed", "agent-failed"].contains(&fields["code"].as_str().unwrap())
        })
        .map(|fields| {
            let words = ["code", "message", "done", "agent_type"];
            words.map(|name| fields[name].as_str().unwrap_or("-")).join(" | ")
        })
        .collect();
    // At the second start both load at the same time.
    written[2..4].sort_unstable();
    assert_eq!(
        written,
        [
            "agent-type-changed | started | started | badly",
            "agent-type-changed | a deployment changed | started | deployed",
            "agent-type-changed | deployed | started | deployed",
            "agent-type-changed | started | started | badly",
            "agent-failed | a deployment was refused | - | badly",
            "agent-type-changed | a deployment changed | retired | deployed",
            "agent-type-changed | the agents folder changed | started | dropped",
            "agent-type-changed | the agents folder changed | replaced | dropped",
            "agent-failed | an agent of the agents folder was refused | - | dropped",
            "agent-type-changed | the agents folder changed | removed | dropped",
            "agent-failed | an agent did not end in good order | - | badly",
        ],
        "{said}"
    );
}

/// The page for operators lists them, and scripts search for them.
#[test]
fn the_codes_of_the_page_are_those_of_the_code() {
    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, texts);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    sources(&root().join("host"), &mut texts);
    let after = texts.iter().flat_map(|text| text.split("target: EXECUTOR_LOG, code = \"").skip(1));
    let used: BTreeSet<&str> = after.map(|rest| rest.split('"').next().unwrap()).collect();

    let page = fs::read_to_string(root().join("docs/src/operators.md")).unwrap();
    let (_, list) = page.split_once("Each of the latter has a `code`:").unwrap();
    let list = list.split_once('.').unwrap().0;
    let listed: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(used, listed);
}

#[test]
fn what_is_logged_while_a_task_runs_names_the_run() {
    let logs = tempfile::tempdir().unwrap();
    let declared = declare("keeper", &guest_path("keeper"), 1);
    let config = format!("log_dir = {:?}\n{declared}keyvalue = {{ max_mb = 1 }}\n", logs.path());
    let mut service = Service::start(Chimera::new(), &config);
    let broken = service.chimera.data().join("data/keyvalue.db");
    fs::write(&broken, "this is not a database").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o600)).unwrap();
    let get =
        json!({ "target_agent_type": "keeper", "payload": { "second": ["b", { "get": "k" }] } });
    let task = post(&service, "/v1/tasks?wait=120s", &get);
    assert_eq!(service.end().0, 0);

    let lines = lines(&written(logs.path()));
    let of = |message| lines.iter().find(|line| line["fields"]["message"] == message);
    let run = &of("an agent's key-value store failed").unwrap()["span"];
    assert_eq!((&run["name"], &run["task"]), (&json!("run"), &task["id"]), "{run}");
    assert_eq!((&run["agent_type"], &run["attempt"]), (&json!("keeper"), &json!(1)));
    let started = &of("an agent spawned").unwrap()["fields"];
    assert_eq!((&run["agent"], &run["genome"]), (&started["agent"], &started["genome"]));
}
