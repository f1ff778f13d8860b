//! Inputs with a private key that a host before this one could not read again:
//! as a payload that stayed running for ever, as an output, and as one that
//! passed its bound.

use std::fs;
use std::io::Read;

use chimera_layer4::fabric::json::tree;
use serde_json::{Value, json};

use super::mirror;
use crate::cli::Chimera;
use crate::handmade::{Parts, agent};
use crate::harness::root;
use crate::http::service::{Service, declare};
use crate::resources::{forget_peak, status};

/// Of one of the deep payloads the queue of a type took this many, and was full.
const FILLED: usize = 45;

fn input(name: &str) -> String {
    let text = fs::read_to_string(root().join("tests/data/json").join(name)).unwrap();
    text.trim_end().to_owned()
}

/// A host that serves, with `components` as its agents.
fn host(components: &[(&str, Vec<u8>)]) -> Service {
    let chimera = Chimera::new();
    let mut declared = String::new();
    for (name, component) in components {
        let path = chimera.data().with_file_name(format!("{name}.wasm"));
        fs::write(&path, component).unwrap();
        declared += &declare(name, &path, 1);
    }
    Service::start(chimera, &declared)
}

/// The status of an answer, and what it says.
fn send(service: &Service, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = ureq::http::Request::builder().method(method);
    let request = request.uri(format!("{}{path}", service.url()));
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let answer = agent.run(request).unwrap();
    let status = answer.status().as_u16();
    let mut text = String::new();
    answer.into_body().into_reader().read_to_string(&mut text).unwrap();
    (status, if text.is_empty() { Value::Null } else { tree(&text).unwrap() })
}

fn command(service: &Service, arguments: &[&str]) -> (i32, String) {
    let data = service.chimera.data().join("data");
    let ended = service.chimera.run(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat());
    (ended.code, ended.out + &ended.err)
}

/// Shown, refused to be cancelled as it has ended, and forgotten: by HTTP.
fn is_like_any_other(service: &Service, id: &str, output: &Value) {
    let path = format!("/v1/tasks/{id}");
    let (status, shown) = send(service, "GET", &path, "");
    assert_eq!((status, &shown["state"]), (200, &json!("succeeded")), "{shown}");
    assert_eq!(&shown["result"]["output"], output);
    let (status, refused) = send(service, "POST", &format!("{path}/cancel"), "");
    assert_eq!((status, &refused["code"]), (409, &json!("task-ended")), "{refused}");
    assert_eq!(send(service, "DELETE", &path, "").0, 204);
    assert_eq!(send(service, "GET", &path, "").0, 404);
}

#[test]
fn a_deep_payload_with_a_private_key_is_run_shown_cancelled_and_forgotten() {
    let mut service = host(&[("nb", mirror())]);
    let body = input("rawvalue-deep-payload.json");
    let payload = tree(&body).unwrap()["payload"].clone();

    let (status, ended) = send(&service, "POST", "/v1/tasks?wait=30s", &body);
    assert_eq!((status, &ended["result"]["output"]), (200, &payload), "{ended}");
    is_like_any_other(&service, ended["id"].as_str().unwrap(), &payload);

    let later = format!("{},\"not_before\":\"2099-01-01T00:00:00Z\"}}", &body[..body.len() - 1]);
    let (status, taken) = send(&service, "POST", "/v1/tasks", &later);
    assert_eq!(status, 202, "{taken}");
    let path = format!("/v1/tasks/{}", taken["id"].as_str().unwrap());
    assert_eq!(send(&service, "GET", &path, "").1["task"]["payload"], payload);
    assert_eq!(send(&service, "POST", &format!("{path}/cancel"), "").0, 200);
    assert_eq!(send(&service, "GET", &path, "").1["state"], "cancelled");
    assert_eq!(send(&service, "DELETE", &path, "").0, 204);

    // As many as once filled the queue, over the death of the host.
    let batch = format!("[{}]", vec![&*body; FILLED].join(","));
    let (status, taken) = send(&service, "POST", "/v1/tasks", &batch);
    assert_eq!((status, taken.as_array().unwrap().len()), (200, FILLED), "{taken}");
    service.kill_and_start();
    for one in taken.as_array().unwrap() {
        let path = format!("/v1/tasks/{}?wait=30s", one["id"].as_str().unwrap());
        assert_eq!(send(&service, "GET", &path, "").1["state"], "succeeded");
    }
    assert_eq!(service.get("/scheduler/stats")["queued_by_type"], json!({}));
}

#[test]
fn a_deep_payload_with_a_private_key_goes_through_every_command() {
    let service = host(&[("nb", mirror())]);
    let payload = tree(&input("rawvalue-deep-payload.json")).unwrap()["payload"].clone();
    let typed = payload.to_string();
    let submit = ["task", "submit", "--type", "nb", "--task", &typed];

    let (code, out) = command(&service, &[&submit[..], &["--wait", "--json"]].concat());
    assert_eq!(code, 0, "{out}");
    let result = tree(&out).unwrap();
    assert_eq!(result["output"], payload);
    let id = result["task_id"].as_str().unwrap();
    let (code, out) = command(&service, &["task", "show", id, "--json"]);
    assert_eq!((code, &tree(&out).unwrap()["task"]["payload"]), (0, &payload), "{out}");
    let (code, out) = command(&service, &["task", "show", id]);
    assert!(code == 0 && out.replace([' ', '\n'], "").contains(&typed), "{out}");
    let (code, out) = command(&service, &["task", "cancel", id]);
    assert!(
        code != 0 && out.contains("is succeeded; only tasks that have not ended are cancelled"),
        "{out}"
    );
    assert_eq!(command(&service, &["task", "purge", id]).0, 0);
    assert_ne!(command(&service, &["task", "show", id]).0, 0);

    let (code, id) = command(&service, &[&submit[..], &["--delay", "3600"]].concat());
    assert_eq!(code, 0, "{id}");
    let (code, out) = command(&service, &["task", "cancel", id.trim()]);
    assert_eq!(code, 0, "{out}");
    let (_, out) = command(&service, &["task", "show", id.trim(), "--json"]);
    assert_eq!(tree(&out).unwrap()["state"], "cancelled");
    assert_eq!(command(&service, &["task", "purge", id.trim()]).0, 0);
}

/// Answers what a file asks for: its `text`, or that many times between two others.
fn answering(name: &str) -> (Vec<u8>, String) {
    let order = tree(&input(name)).unwrap();
    let part = |name: &str| order[name].as_str().unwrap_or_default();
    let (before, text, after) = (part("pre"), part("text"), part("post"));
    let count = order["count"].as_u64().unwrap_or(1) as usize;
    let answer = [before, &text.repeat(count), after].concat();
    let (pages, total) = (answer.len() / 65_536 + 1, answer.len());
    let (first, each, last) = (before.len(), text.len(), after.len());
    let (middle, end) = (65_536 + first, 65_536 + first + each * count);
    let execute = format!(
        "(local $at i32)
        (drop (memory.grow (i32.const {pages})))
        (memory.copy (i32.const 65536) (i32.const 2048) (i32.const {first}))
        (local.set $at (i32.const {middle}))
        (loop $next
          (memory.copy (local.get $at) (i32.const {}) (i32.const {each}))
          (local.set $at (i32.add (local.get $at) (i32.const {each})))
          (br_if $next (i32.lt_u (local.get $at) (i32.const {end}))))
        (memory.copy (i32.const {end}) (i32.const {}) (i32.const {last}))
        (i32.store (i32.const 1032) (i32.const 65536))
        (i32.store (i32.const 1036) (i32.const {total}))",
        2048 + first,
        2048 + first + each,
    );
    let parts = [before, text, after].concat();
    (agent(&Parts { execute: &execute, output: &parts, ..Parts::default() }), answer)
}

#[test]
fn an_output_with_a_private_key_is_kept_shown_and_bounded() {
    let (deep, deep_answer) = answering("rawvalue-deep-output.json");
    let (bomb, bomb_answer) = answering("rawvalue-output-bomb.json");
    assert_eq!(bomb_answer.len(), 36 + 340_000 * 9 + 4, "some 3 MB of text");
    let service = host(&[("deep", deep), ("bomb", bomb)]);
    for (name, answer) in [("deep", &deep_answer), ("bomb", &bomb_answer)] {
        let expected = tree(answer).unwrap();
        let body = json!({ "target_agent_type": name, "payload": null }).to_string();
        send(&service, "POST", "/v1/tasks?wait=30s", &body);
        let before = status(service.pid(), "VmRSS:");
        forget_peak(service.pid());
        let (status_code, ended) = send(&service, "POST", "/v1/tasks?wait=30s", &body);
        assert_eq!(
            (status_code, &ended["result"]["success"]),
            (200, &json!(true)),
            "{}",
            ended["result"]["error"]
        );
        assert_eq!(ended["result"]["output"], expected, "{name}");
        let id = ended["id"].as_str().unwrap();
        let (code, out) = command(&service, &["task", "show", id, "--json"]);
        assert_eq!((code, &tree(&out).unwrap()["result"]["output"]), (0, &expected));
        is_like_any_other(&service, id, &expected);
        // Of a text, and of what asked for it: no tree of 340,000 maps.
        let grown = status(service.pid(), "VmHWM:").saturating_sub(before) >> 10;
        println!("{name}: {} bytes, {grown} MiB more at the peak", answer.len());
        let most = ((answer.len() as u64 * 8) >> 20) + 32;
        assert!(grown <= most, "{name}: {grown} MiB more, {most} are allowed");
    }
}
