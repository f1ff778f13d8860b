//! Genomes over the API, and by the commands that go through it.

use std::fs;

use chimera_layer4::fabric::Digest;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Api;
use super::bounds::raw;
use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::genomes::variants::Variant;
use crate::harness::guest;

/// A host that serves the variant, and the files of two more.
fn served() -> (Service, [String; 2], Digest) {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    let file = |version| {
        let path = folder.join(format!("v{version}.wasm"));
        fs::write(&path, Variant::version(version).bytes()).unwrap();
        path
    };
    let files = [2, 3].map(|version| file(version).to_str().unwrap().to_owned());
    let config = declare("variant", &file(1), 2);
    let first = Digest::of(&Variant::version(1).bytes());
    (Service::start(chimera, &config), files, first)
}

fn chimera(service: &Service, arguments: &[&str]) -> (i32, String, String) {
    let data = service.chimera.data().join("data");
    let ended = service.chimera.run(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat());
    (ended.code, ended.out.trim().to_owned(), ended.err)
}

#[track_caller]
fn well(service: &Service, arguments: &[&str]) -> String {
    let (code, out, err) = chimera(service, arguments);
    assert_eq!(code, 0, "{arguments:?}\n{out}{err}");
    out
}

fn version(service: &Service) -> u64 {
    let output = well(service, &["task", "submit", "--type", "variant", "--task", "1", "--wait"]);
    serde_json::from_str::<Value>(&output).unwrap()["version"].as_u64().unwrap()
}

#[test]
fn what_was_promoted_is_in_charge_after_a_crash_too_until_the_file_changes() {
    let (mut service, [second, third], first) = served();
    assert_eq!(version(&service), 1);
    // Tried with the task that was recorded just now.
    let push = ["genome", "push", &second, "--type", "variant", "--samples", "1"];
    let (code, pushed, said) = chimera(&service, &push);
    assert!(code == 0 && !said.contains("0 of 1 samples"), "{said}");
    let promoted = well(&service, &["genome", "promote", "variant", &pushed[7..15]]);
    assert!(promoted.contains("2 agents of variant run") && promoted.contains(&pushed));
    assert_eq!(version(&service), 2);
    let compiled = |service: &Service| {
        let mut answer = ureq::get(format!("{}/metrics", service.url())).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        text.lines().any(|line| line.starts_with("layer4_genome_loads_total{from=\"compiled\"}"))
    };
    assert!(compiled(&service), "each was compiled once");

    service.kill_and_start();
    assert_eq!(version(&service), 2, "the lineage says so");
    assert!(!compiled(&service), "and nothing is compiled again");
    // The same file, however often it is read, is no new decision.
    service.signal(Signal::HUP);
    service.hears("reloaded");
    assert_eq!(version(&service), 2);
    service.rewrite(&declare("variant", third.as_ref(), 1));
    service.signal(Signal::HUP);
    service.hears("replaced");
    assert_eq!(version(&service), 3);

    let back = well(&service, &["genome", "rollback", "variant"]);
    assert!(back.contains(&pushed), "{back}");
    assert_eq!(version(&service), 2);
    let history = well(&service, &["genome", "history", "variant"]);
    assert!(history.contains("● active") && history.contains(&first.hex()[..12]), "{history}");
    assert!(well(&service, &["genome", "list"]).contains("  variant"));
    well(&service, &["genome", "pin", &first.hex()[..10]]);
    let collected = ["genome", "gc", "--ancestors", "0", "--quiet-days", "0"];
    assert!(well(&service, &collected).starts_with("1 genomes removed"));
    assert!(well(&service, &["genome", "verify"]).starts_with("2 genomes"));
    let diff = well(&service, &["genome", "diff", &first.to_string(), &pushed, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&diff).unwrap()["bytes"], 0);
}

#[test]
fn mistakes_are_reported_and_a_trial_is_begun_and_ended_by_command() {
    let (service, [second, _], first) = served();
    let wrong = |arguments: &[&str], code: i32, words: &str| {
        let (got, out, err) = chimera(&service, arguments);
        assert!(got == code && err.contains(words), "{arguments:?}: {got}\n{out}{err}");
    };
    wrong(&["genome", "show", "nothing"], 3, "is no genome");
    wrong(&["genome", "show", &"ab".repeat(8)], 3, "no stored genome starts with");
    wrong(&["genome", "rollback", "variant"], 3, "no other genome was in charge");
    wrong(&["genome", "promote", "unknown", &first.to_string()], 3, "known: variant");
    wrong(
        &["genome", "promote", "variant", &first.to_string()],
        3,
        "in charge of \"variant\" already",
    );
    wrong(&["rollout", "show", "variant"], 3, "no rollout");
    let text = service.chimera.data().join("text.wasm");
    fs::write(&text, "no component").unwrap();
    wrong(&["genome", "push", text.to_str().unwrap()], 4, "not a component");

    let pushed =
        well(&service, &["genome", "push", &second, "--type", "variant", "--author", "ada"]);
    let shown = well(&service, &["genome", "show", &pushed]);
    assert!(shown.contains("\"ada\""), "{shown}");
    let started = ["rollout", "start", "variant", &pushed, "--steps", "0.5"];
    assert!(well(&service, &started).contains("variant: running, 50 % of tasks"));
    wrong(&started, 3, "on trial");
    assert!(well(&service, &["rollout", "show"]).contains(&pushed));
    let agents = service.get("/v1/agents");
    assert_eq!(
        agents.as_array().unwrap().len(),
        4,
        "two in charge, one on trial and one that it is held against"
    );
    assert!(well(&service, &["rollout", "abort", "variant"]).contains("aborted"));
    assert!(well(&service, &["genome", "history", "variant"]).contains("aborted by the API"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_comes_in_as_bytes_and_within_bounds() {
    let api = Api::new(&["variant"]).await;
    let push = async |kind: &str, body: Vec<u8>, query: &str| {
        let url = api.url(&format!("/v1/genomes{query}"));
        let request = ureq::http::Request::post(url).header("content-type", kind).body(body);
        tokio::task::spawn_blocking(move || super::call(request.unwrap())).await.unwrap()
    };
    let wasm = "application/wasm";
    let bytes = Variant::version(7).bytes();
    assert_eq!(push("text/plain", bytes.clone(), "").await.code(), "not-wasm");
    let announced = "POST /v1/genomes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n\
                     content-length: 99999999999\r\n\r\n";
    let answer = raw(api.address, announced.into()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("max_component_mb"), "{answer}");
    assert_eq!(push(wasm, Vec::new(), "").await.code(), "not-a-component");
    assert_eq!(push(wasm, bytes.clone(), "?parent=7").await.status, 400);
    let analyzer = push(wasm, guest("data-analyzer"), "?agent_type=variant").await;
    assert_eq!(analyzer.code(), "genome-rejected");
    let first = push(wasm, bytes.clone(), "?agent_type=variant").await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = push(wasm, bytes.clone(), "?agent_type=variant").await;
    assert_eq!((again.status, &again.json()["new"]), (200, &json!(false)));

    let genome = first.json()["genome"].clone();
    let put = api
        .send(
            "PUT",
            "/v1/agent-types/variant/genome",
            &[("content-type", "application/json")],
            Some(json!({ "genome": genome }).to_string()),
        )
        .await;
    assert_eq!((put.status, &put.json()["to"]), (200, &genome), "{put:?}");
    let body = json!({ "target_agent_type": "variant", "payload": 2 });
    let done = api.post("/v1/tasks?wait=30s", body).await.json();
    assert_eq!(done["result"]["output"], json!({ "version": 7, "double": 4 }));
    let tasks: Vec<Value> = (0..20)
        .map(|n| json!({ "payload": n, "expected": { "version": 7, "double": n * 2 } }))
        .collect();
    let worse = Variant { rounds: 300_000, wrong: 500, ..Variant::version(7) }.bytes();
    let worse = push(wasm, worse, "?agent_type=variant").await.json()["genome"].clone();
    let asked = json!({ "agent_type": "variant", "genome": worse, "tasks": tasks });
    let compared = api.post("/v1/benchmarks", asked).await.json();
    assert_eq!(compared["comparison"]["latency"]["answer"], "worse", "{compared}");
    assert_eq!(compared["comparison"]["agreement"]["answer"], "worse", "{compared}");
    assert!(compared["fitness"]["disqualified"].is_string(), "{compared}");
    api.end().await.unwrap();
}
