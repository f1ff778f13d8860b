//! What an agent does as it starts and ends, and what of that a host lets others
//! feel: nothing.

use std::fs;
use std::io::{BufRead, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Api;
use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::{config_of, guest_path, settings};

fn hostile(name: &str, parameter: &str, what: &str) -> String {
    declare(name, &guest_path("hostile"), 1)
        + &format!("parameters = {{ {parameter} = {what:?} }}\n")
}

fn echoes(service: &Service) {
    let body = r#"{"target_agent_type": "echo", "payload": "hello"}"#;
    let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()));
    let request = request.header("content-type", "application/json");
    let done: Value = request.send(body).unwrap().body_mut().read_json().unwrap();
    assert_eq!(done["result"]["output"], "hello", "{done}");
}

#[test]
fn a_type_that_does_not_start_is_down_and_the_others_are_served() {
    let echo = declare("echo", &guest_path("echo"), 1);
    // Before and behind it.
    let broken = hostile("broken", "in_init", "trap") + &declare("gone", Path::new("gone.wasm"), 1);
    let mut service = Service::start(Chimera::new(), &(broken + &echo));
    echoes(&service);
    let health = service.get("/health");
    assert_eq!(health["status"], "degraded", "{health}");
    let down = &health["agent_types_down"];
    assert!(down["broken"].as_str().unwrap().contains("`init` trapped"), "{health}");
    assert!(down["gone"].as_str().unwrap().contains("gone.wasm"), "{health}");
    let tasks = |name: &str, wait: &str| {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(format!("{}/v1/tasks{wait}", service.url()));
        let body = format!("{{\"target_agent_type\": {name:?}, \"payload\": 1}}");
        let mut answer = request.header("content-type", "application/json").send(body).unwrap();
        let later = answer.headers().contains_key("retry-after");
        let said: Value = answer.body_mut().read_json().unwrap();
        (answer.status().as_u16(), later, said["code"].clone(), said["detail"].to_string())
    };
    for wait in ["", "?wait=1s"] {
        let (status, later, code, detail) = tasks("broken", wait);
        assert_eq!((status, later, code), (503, true, json!("agent-type-down")), "{detail}");
        assert!(detail.contains("`init` trapped") && detail.contains("reload"), "{detail}");
        let (status, later, code, detail) = tasks("brocken", wait);
        assert_eq!((status, later, code), (404, false, json!("agent-type-not-found")), "{detail}");
    }

    service.rewrite(&(hostile("broken", "in_init", "nothing") + &echo));
    let data = service.chimera.data().join("data");
    let done = service.chimera.run(&["reload", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "broken started\necho unchanged\n"),
        "{}",
        done.err
    );
    let health = service.get("/health");
    assert_eq!((&health["status"], &health["agent_types_down"]), (&json!("healthy"), &json!({})));
    // The answer names what takes a restart, and does not call it unchanged.
    let others = "max_agents = 9\napi_token = \"0123456789abcdef\"\n";
    service.rewrite(&(others.to_owned() + &hostile("broken", "in_init", "nothing") + &echo));
    let done = service.chimera.run(&["reload", "--data-dir", data.to_str().unwrap()]);
    assert_eq!((done.code, done.out.as_str()), (0, "broken unchanged\necho unchanged\n"));
    for setting in ["max_agents", "api_token"] {
        let words = format!("{setting} has changed, which takes effect at a restart\n");
        assert!(done.err.contains(&words), "{}", done.err);
    }
    let (code, said) = service.end();
    assert!(code == 0 && said.contains("ended in good order\n"), "{said}");
}

/// An answer about a type that is declared and down does not call it unknown.
#[test]
fn a_type_that_is_down_differs_from_one_that_is_unknown() {
    let gone = declare("gone", Path::new("gone.wasm"), 1);
    let config = gone + &declare("echo", &guest_path("echo"), 1);
    let mut service = Service::start(Chimera::new(), &config);
    let data = service.chimera.data().join("data").display().to_string();
    let echo = guest_path("echo").display().to_string();
    let run =
        |arguments: &[&str]| service.chimera.run(&[arguments, &["--data-dir", &data]].concat());
    let push = |name: &str| {
        let done = run(&["genome", "push", &echo, "--type", name]);
        assert_eq!(done.code, 0, "{}", done.err);
        done.err
    };
    let said = push("gone");
    assert!(
        said.contains("\"gone\" is declared, but down") && said.contains("gone.wasm"),
        "{said}"
    );
    assert!(!said.contains("is known"), "{said}");
    let said = push("gome");
    assert!(said.contains("no agent type \"gome\" is known"), "{said}");
    assert!(said.contains("known are: echo; declared, but down: gone"), "{said}");

    let refused = run(&["task", "submit", "--type", "gome"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    let words = "known: echo; declared, but down, since they did not start: gone";
    assert!(refused.err.contains(words), "{}", refused.err);

    let top = run(&["top", "--once"]).out;
    let row = top.lines().find(|line| line.contains("gone")).unwrap_or_else(|| panic!("{top}"));
    assert!(row.contains(" down ") && row.contains("gone.wasm"), "{top}");
    assert_eq!(service.end().0, 0);
}

#[test]
fn a_guest_has_no_say_in_how_a_host_ends() {
    let agents = hostile("trap", "in_shutdown", "trap") + &hostile("spin", "in_shutdown", "spin");
    let mut service =
        Service::start(Chimera::new(), &("agent_timeout_secs = 1\n".to_owned() + &agents));
    // One is ended by a client, the other by the host: both have the same line.
    let agents = service.get("/v1/agents");
    let is_first = |agent: &&Value| agent["agent_type"] == "trap";
    let first = agents.as_array().unwrap().iter().find(is_first).unwrap();
    let first = format!("{}/v1/agents/{}", service.url(), first["agent_id"].as_str().unwrap());
    assert_eq!(ureq::delete(first).call().unwrap().status(), 204);
    let (code, said) = service.end();
    assert_eq!(code, 0, "{said}");
    let lines = said.lines().filter(|line| line.contains("an agent did not end in good order"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, agent_type) in lines.iter().zip(["trap", "spin"]) {
        assert!(line.contains(&format!("\"agent_type\":\"{agent_type}\"")), "{line}");
    }
    assert!(said.contains("ended in good order, but for agents"), "{said}");

    let component = guest_path("hostile").display().to_string();
    let mut work = service.chimera.command(&[
        "work",
        "--tasks",
        "-",
        "--param",
        "in_shutdown=trap",
        "--agent",
        &component,
    ]);
    let done = Chimera::end(work.write_stdin("{\"payload\": {\"do\": \"nothing\"}}\n"));
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.err.contains("did not end in good order"), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_traps_as_it_is_ended_is_ended() {
    let traps = config_of("hostile", |config| {
        config.parameters.insert("in_shutdown".into(), json!("trap"));
    });
    let api = Api::with_agents(settings(), [traps]).await;
    let agent = api.get("/v1/agents").await.json()[0]["agent_id"].as_str().unwrap().to_owned();
    assert_eq!(api.delete(&format!("/v1/agents/{agent}")).await.status, 204);
    assert_eq!(api.delete(&format!("/v1/agents/{agent}")).await.status, 404);
    api.end().await.unwrap();
}

/// Each would try to start the agent that sleeps.
#[test]
fn reloads_that_are_asked_for_meanwhile_are_one() {
    let limit = "agent_timeout_secs = 2\n".to_owned();
    let echo = declare("echo", &guest_path("echo"), 1);
    let mut service = Service::start(Chimera::new(), &(limit.clone() + &echo));
    service.rewrite(&(limit + &echo + &hostile("sleeps", "in_init", "sleep")));
    let url = format!("{}/v1/reload", service.url());
    let ask = || {
        let url = url.clone();
        std::thread::spawn(move || -> Value {
            ureq::post(url).send_empty().unwrap().body_mut().read_json().unwrap()
        })
    };
    let asked: Vec<_> = (0..20).map(|_| ask()).collect();
    for one in asked {
        let done = one.join().unwrap();
        assert_eq!(done[0]["outcome"], "unchanged", "{done}");
        let error = done[1]["error"].as_str().unwrap();
        assert!(error.contains("agent_timeout_secs"), "{done}");
    }
    let (_, said) = service.end();
    let tried = said.lines().filter(|line| line.contains("not reloaded")).count();
    // One, and one more for all who came after it had begun; on a slow machine
    // some come later still.
    assert!((1..=5).contains(&tried), "{tried} reloads\n{said}");
}

/// A signal that comes while agents are loaded, or before.
#[test]
fn a_signal_at_the_start_ends_a_host_in_good_order() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let agent = declare("echo", &guest_path("echo"), 1);
    fs::write(folder.join("chimera.toml"), agent).unwrap();
    for steps in 0..20 {
        let (mut child, said) = Service::spawn(&folder, &[]);
        let mut said = said.unwrap();
        let mut told = String::new();
        while !told.contains("file descriptors") {
            assert!(said.read_line(&mut told).unwrap() > 0, "{told}");
        }
        // Each a little later than the one before.
        (0..steps * 20_000).for_each(|_| std::hint::spin_loop());
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        said.read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
        assert!(!told.contains("not started"), "{told}");
    }
}
