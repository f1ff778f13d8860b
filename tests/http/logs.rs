//! What the log of a service says of what happened, for programs that read it.

use std::fs;

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

    let file = fs::read_dir(logs.path()).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(file).unwrap();
    assert!(!text.contains("Some(") && !text.contains("\\\"mine"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = lines.iter().map(|line| &line["fields"]);
    let of = |message: &str| -> Vec<&Value> {
        let found: Vec<&Value> =
            fields.clone().filter(|fields| fields["message"] == message).collect();
        assert!(!found.is_empty(), "no line says {message:?}:\n{text}");
        found
    };
    assert!(of("the host started")[0]["data_dir"].is_string());
    let started = of("an agent started")[0];
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
    assert_eq!(of("an agent ended").len(), 1);
    assert_eq!(lines.last().unwrap()["fields"]["message"], "the host stopped");
}
