//! What the log of a service says of what happened, for programs that read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::guest_path;

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
