//! JSON of others, from the request to the guest and back to every reader.

mod documents;
mod inputs;

use chimera_layer4::fabric::{FabricConfig, utils};
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::handmade::{Parts, agent};
use crate::harness::{guest_path, settings, small_quota};
use crate::http::Api;
use crate::http::service::{Service, declare};

/// A component that returns its payload, byte for byte: no library of its own
/// reads it.
fn mirror() -> Vec<u8> {
    // The payload's place and length are the third and fourth words behind the
    // id and the priority; the output's are at 1032.
    let execute = "
    (i32.store (i32.const 1032) (i32.load offset=12 (local.get 0)))
    (i32.store (i32.const 1036) (i32.load offset=16 (local.get 0)))";
    agent(&Parts { execute, ..Parts::default() })
}

/// A host that serves with the mirror as its one agent.
async fn api() -> Api {
    let api = Api::with(FabricConfig { max_agents: 16, ..settings() }, &[]).await;
    api.fabric
        .agents()
        .spawn(&mirror(), utils::agent_config("mirror", small_quota()))
        .await
        .unwrap();
    api
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn body(payload: &str) -> String {
    format!("{{\"target_agent_type\":\"mirror\",\"payload\":{payload}}}")
}

async fn submit(api: &Api, path: &str, payload: &str) -> crate::http::Answer {
    api.send("POST", path, &[("content-type", "application/json")], Some(body(payload))).await
}

/// A private key of the library that reads JSON here: an object like any other.
fn private(text: &str) -> String {
    json!({ "$serde_json::private::RawValue": text }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_a_private_meaning_are_keys() {
    let api = api().await;
    let inner = nested(100);
    for payload in
        [private("[1,2,3]"), format!("[{}{}{}]", "[".repeat(80), private(&inner), "]".repeat(80))]
    {
        let answer = submit(&api, "/v1/tasks?wait=30s", &payload).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let expected: Value = chimera_layer4::fabric::json::tree(&payload).unwrap();
        let told = chimera_layer4::fabric::json::tree(&answer.body).unwrap();
        assert_eq!(told["result"]["output"], expected);
        let shown = api.get(&format!("/v1/tasks/{}", told["id"].as_str().unwrap())).await;
        let shown = chimera_layer4::fabric::json::tree(&shown.body).unwrap();
        assert_eq!((&shown["task"]["payload"], &shown["result"]["output"]), (&expected, &expected));
    }
    let numbers = "[12345678901234567890123,-0,1E5]";
    let answer = submit(&api, "/v1/tasks?wait=30s", numbers).await;
    assert!(answer.body.contains(&format!("\"output\":{numbers}")), "{answer:?}");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_too_deep_is_refused_when_submitted_and_the_rest_is_shown() {
    let api = api().await;
    let answer = submit(&api, "/v1/tasks?wait=30s", &nested(120)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["output"].to_string(), nested(120), "any reader reads it");
    for depth in [121, 126, 127, 128, 100_000] {
        let answer = submit(&api, "/v1/tasks", &nested(depth)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-request"), "{depth}");
        assert!(answer.body.contains("allowed are 120"), "{answer:?}");
    }
    api.end().await.unwrap();
}

/// What the program accepts, each of its commands shows.
#[test]
fn every_command_shows_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("mirror.wasm");
    std::fs::write(&component, mirror()).unwrap();
    let mirror = declare("mirror", &component, 1);
    let hostile = declare("hostile", &guest_path("hostile"), 1);
    let service = Service::start(Chimera::new(), &format!("{mirror}{hostile}"));
    let data = service.chimera.data().join("data");
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &["--data-dir", data.to_str().unwrap()]].concat();
        let ended = service.chimera.run(&arguments);
        (ended.code, ended.out, ended.err)
    };
    let deepest = nested(120);
    let submit = ["task", "submit", "--type", "mirror", "--task"];
    let (code, out, err) = run(&[&submit[..], &[&deepest, "--wait", "--json"]].concat());
    assert_eq!(code, 0, "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["output"].to_string(), deepest);
    let id = result["task_id"].as_str().unwrap();
    for arguments in [vec!["task", "show", id], vec!["task", "show", id, "--json"]] {
        let (code, out, err) = run(&arguments);
        assert_eq!(code, 0, "{err}");
        assert!(out.replace([' ', '\n'], "").contains(&deepest), "{out}");
    }
    let (code, _, err) = run(&[&submit[..], &[&nested(121)]].concat());
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("allowed are 120"), "{err}");

    // What is run without the queue comes in by the same rules.
    let (code, _, err) = run(&["run", component.to_str().unwrap(), "--task", &nested(121)]);
    assert!(code == 3 && err.contains("allowed are 120"), "{code} {err}");
    let stored = service.get("/v1/genomes");
    let serves = |genome: &&Value| genome["active_for"].to_string().contains("mirror");
    let genome = &stored.as_array().unwrap().iter().find(serves).unwrap()["genome"];
    let deep = nested(121);
    let body = format!(
        r#"{{"agent_type":"mirror","genome":{genome},"tasks":[{{"payload":1}},{{"payload":{deep}}}]}}"#
    );
    let asked = ureq::post(format!("{}/v1/benchmarks", service.url()));
    let asked = asked.config().http_status_as_error(false).build();
    let mut refused = asked.header("content-type", "application/json").send(body).unwrap();
    let said = refused.body_mut().read_to_string().unwrap();
    assert!(refused.status() == 400 && said.contains("tasks[1].payload is nested 121"), "{said}");

    // The agent takes no array, so this one is a dead letter.
    let (_, id, err) =
        run(&["task", "submit", "--type", "hostile", "--task", &deepest, "--wait", "--json"]);
    let result: Value = serde_json::from_str(&id).unwrap_or_else(|_| panic!("{id}{err}"));
    let (code, out, err) = run(&["dead-letters", "show", result["task_id"].as_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&deepest), "{out}");
}

/// Every reader sees the digits that the agent gave.
#[test]
fn every_command_shows_numbers_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("mirror.wasm");
    std::fs::write(&component, mirror()).unwrap();
    let numbers = "[12345678901234567890123,-0,1E5,0.10]";
    let shows = |out: &str| out.replace([' ', '\n'], "").contains(numbers);
    let chimera = Chimera::new();
    for component in [component.to_str().unwrap(), guest_path("echo").to_str().unwrap()] {
        for json in [&[][..], &["--json"]] {
            let ended = chimera.run(&[&["run", component, "--task", numbers], json].concat());
            assert!(ended.code == 0 && shows(&ended.out), "{}{}", ended.out, ended.err);
        }
    }
    let tasks = folder.path().join("tasks");
    std::fs::write(&tasks, format!("{{\"payload\":{numbers}}}\n")).unwrap();
    let agent = format!("mirror={}", component.display());
    for json in [&[][..], &["--json"]] {
        let work = ["work", "--agent", &agent, "--tasks", tasks.to_str().unwrap()];
        let ended = chimera.run(&[&work[..], json].concat());
        assert!(ended.code == 0 && shows(&ended.out), "{}{}", ended.out, ended.err);
    }

    let service = Service::start(Chimera::new(), &declare("mirror", &component, 1));
    let data = service.chimera.data().join("data");
    let run = |arguments: &[&str]| {
        let ended =
            service.chimera.run(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat());
        assert!(ended.code == 0 && shows(&ended.out), "{}{}", ended.out, ended.err);
        ended.out
    };
    let submit = ["task", "submit", "--type", "mirror", "--task", numbers, "--wait"];
    run(&submit);
    let out = run(&[&submit[..], &["--json"]].concat());
    let result: Value = serde_json::from_str(&out).unwrap();
    let id = result["task_id"].as_str().unwrap();
    run(&["task", "show", id]);
    assert_eq!(run(&["task", "show", id, "--json"]).matches("1E5").count(), 2, "in and out");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_surrogate_pair_ends_no_task() {
    let api = api().await;
    let answer = submit(&api, "/v1/tasks?wait=30s", r#"{"a\ud800":"\udc00\ud83d\ude00"}"#).await;
    assert_eq!(answer.json()["result"]["output"], json!({ "a\u{fffd}": "\u{fffd}😀" }));

    // What JavaScript answers for a text that was cut inside a character.
    let cut = agent(&Parts { output: r#"{"text":"half \ud83d"}"#, ..Parts::default() });
    api.fabric.agents().spawn(&cut, utils::agent_config("cut", small_quota())).await.unwrap();
    let task = json!({ "target_agent_type": "cut", "payload": 1 });
    let answer = api.post("/v1/tasks?wait=30s", task).await;
    assert_eq!(answer.json()["result"]["output"], json!({ "text": "half \u{fffd}" }));
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&format!("/v1/tasks/{id}")).await.json()["attempts"], 1);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_no_attempt_would_mend_is_refused_once() {
    let api = api().await;
    for output in [nested(121), private(&nested(100)), "1e400".into()] {
        let name = format!("deep-{}", output.len());
        let component = agent(&Parts { output: &output, ..Parts::default() });
        api.fabric
            .agents()
            .spawn(&component, utils::agent_config(&name, small_quota()))
            .await
            .unwrap();
        let task = json!({ "target_agent_type": name, "payload": 1 });
        let answer = api.post("/v1/tasks?wait=30s", task).await.json();
        let id = answer["id"].as_str().unwrap().to_owned();
        let shown = api.get(&format!("/v1/tasks/{id}")).await.json();
        assert_eq!(shown["attempts"], 1, "{output}");
        if output.contains("private") {
            assert_eq!(shown["state"], "succeeded", "it is an object like any other");
        } else {
            assert_eq!((&shown["state"], &shown["reason"]), (&json!("dead"), &json!("failed")));
            assert_eq!(shown["result"]["fault"]["detail"]["fault"], "refused-output", "{shown}");
        }
    }
    api.end().await.unwrap();
}

/// A row that was damaged while no process had the store open.
#[test]
fn a_damaged_task_is_a_dead_letter_that_is_shown_as_it_is_stored() {
    let echo = declare("echo", &guest_path("echo"), 0);
    let mut service = Service::start(Chimera::new(), &echo);
    let data = service.chimera.data().join("data");
    let later = ["task", "submit", "--type", "echo", "--delay", "1", "--task", "[1]", "--data-dir"];
    let ended = service.chimera.run(&[&later[..], &[data.to_str().unwrap()]].concat());
    let id = ended.out.trim().to_owned();
    assert_eq!(ended.code, 0, "{}", ended.err);
    service.kill();
    let database = rusqlite::Connection::open(data.join("chimera.db")).unwrap();
    let deep = nested(5000);
    database.execute("UPDATE bodies SET payload = ?1", [&deep]).unwrap();
    drop(database);
    service.kill_and_start();

    let ended = service.get(&format!("/v1/tasks/{id}?wait=30s"));
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("dead"), &json!("unreadable")));
    assert_eq!(ended["unreadable"]["stored"]["payload"], deep);
    assert_eq!(ended["result"]["fault"]["detail"]["fault"], "unreadable");
    let queued = service.get("/scheduler/stats");
    assert_eq!(queued["queued_by_type"], json!({}), "it takes no slot of the queue");
    let run = |arguments: &[&str]| {
        let ended =
            service.chimera.run(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        ended.out
    };
    let shown = run(&["dead-letters", "show", &id]);
    assert!(shown.contains("(unreadable)") && shown.contains(&deep), "{shown}");
    assert!(run(&["dead-letters", "list"]).contains(&id));
    run(&["dead-letters", "requeue", &id]);
    assert_eq!(service.get(&format!("/v1/tasks/{id}?wait=30s"))["state"], "dead");
    run(&["dead-letters", "purge", &id]);
}
