//! What a host answers while it drains.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::service::{Service, declare};
use crate::cli::{Chimera, Ended};
use crate::harness::{guest, guest_path};

/// One answer of a host, whatever its status.
fn answer(service: &Service, method: &str, path: &str) -> (u16, String) {
    ask(service, method, path, JSON, Vec::new()).unwrap()
}

const JSON: &str = "application/json";

/// `None`: the host is gone.
fn ask(
    service: &Service,
    method: &str,
    path: &str,
    kind: &str,
    body: Vec<u8>,
) -> Option<(u16, String)> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", service.url()))
        .header("content-type", kind);
    let mut answer = agent.run(request.body(body).unwrap()).ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}

/// Neither an agent that is declared now nor a genome.
fn nothing_new_begins(service: &Service, chimera: &impl Fn(&[&str]) -> Ended) {
    service.rewrite(&declare("echo", &guest_path("echo"), 1));
    let (status, said) = answer(service, "POST", "/v1/reload");
    assert!(status == 503 && said.contains("\"not-running\""), "{said}");
    assert!(said.contains("the host is draining"), "{said}");
    let reload = chimera(&["reload"]);
    assert!(reload.err.contains("the host is draining"), "{}{}", reload.code, reload.err);
    let push = "/v1/genomes?author=test";
    let pushed = ask(service, "POST", push, "application/wasm", guest("echo")).unwrap();
    assert!(pushed.0 == 503 && pushed.1.contains("\"not-running\""), "{}", pushed.1);
    let (_, agents) = answer(service, "GET", "/v1/agents");
    assert!(!agents.contains("\"echo\""), "{agents}");
}

/// A client that asked for a reload gets its answer, and the host does not wait for
/// what the reload was about to start.
#[test]
fn a_reload_that_is_under_way_as_a_host_ends_is_answered() {
    let limits = "drain_timeout_secs = 1\n".to_owned();
    let echo = declare("echo", &guest_path("echo"), 1);
    let sleeps =
        declare("sleeps", &guest_path("hostile"), 1) + "parameters = { in_init = \"sleep\" }\n";
    let mut service = Service::start(Chimera::new(), &(limits.clone() + &echo));
    service.rewrite(&(limits + &echo + &sleeps));
    let data = service.chimera.data().join("data");
    let mut reload = service.chimera.command(&["reload", "--data-dir", data.to_str().unwrap()]);
    let asked = std::thread::spawn(move || Chimera::end(&mut reload));
    // A type is loading from when the reload has begun.
    let body = br#"{"target_agent_type": "sleeps", "payload": 1}"#;
    while ask(&service, "POST", "/v1/tasks", JSON, body.to_vec()).unwrap().0 != 503 {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    service.signal(Signal::TERM);
    let reload = asked.join().unwrap();
    let words = "the host is draining, so what is left of a reload";
    assert!(reload.code == 7 && reload.err.contains(words), "{}{}", reload.code, reload.err);
    assert_eq!(service.ends(), Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// The guest would sleep for an hour, and may ask for a minute of it.
#[test]
fn a_guest_that_sleeps_in_its_shutdown_delays_no_one_and_its_host_still_answers() {
    let sleeps = declare("hostile", &guest_path("hostile"), 1)
        + "parameters = { in_shutdown = \"sleep\" }\n";
    let mut service =
        Service::start(Chimera::new(), &("drain_timeout_secs = 1\n".to_owned() + &sleeps));
    let body = r#"{"target_agent_type": "hostile", "payload": {"do": "nothing"}}"#;
    let (status, done) =
        ask(&service, "POST", "/v1/tasks?wait=30s", JSON, body.as_bytes().to_vec()).unwrap();
    assert_eq!(status, 200, "{done}");
    let done: Value = serde_json::from_str(&done).unwrap();
    let begun = Instant::now();
    service.signal(Signal::TERM);
    // The agents are ending once none is listed.
    while answer(&service, "GET", "/v1/agents").1 != "[]" {
        std::thread::yield_now();
    }
    let task = format!("/v1/tasks/{}", done["id"].as_str().unwrap());
    for path in ["/scheduler/stats", "/v1/tasks?state=all", &task] {
        let (status, said) = answer(&service, "GET", path);
        assert_eq!(status, 200, "{path}: {said}");
    }
    assert!(answer(&service, "GET", "/health").1.contains("\"draining\""));
    // The folder is the host's yet, for its tasks as for its genomes.
    let data = service.chimera.data().join("data");
    let submit = service.chimera.run(&[
        "task",
        "submit",
        "--type",
        "hostile",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert!(submit.err.contains("the host is draining"), "{}{}", submit.code, submit.err);
    assert_eq!(service.ends(), Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_host_that_drains_says_so_and_still_shows_what_it_has() {
    let data = tempfile::tempdir().unwrap();
    let folders = format!(
        "folders = [{{ host = {:?}, guest = \"/data\", access = \"read-write\" }}]\n",
        data.path()
    );
    let agent = declare("hostile", &guest_path("hostile"), 1) + &folders;
    let mut service = Service::start(Chimera::new(), &agent);
    let tasks = format!("{}/v1/tasks", service.url());
    let submit = |payload: &str| {
        let body = format!("{{\"target_agent_type\": \"hostile\", \"payload\": {payload}}}");
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(&tasks).header("content-type", "application/json");
        let mut answer = request.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let id = |said: &str| {
        serde_json::from_str::<Value>(said).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let runs = id(&submit(r#"{"do": "dawdle"}"#).1);
    while !data.path().join("started").exists() {
        std::thread::yield_now();
    }
    let waits = id(&submit("1").1);
    service.signal(Signal::TERM);
    let refused = loop {
        let (status, said) = submit("1");
        if status != 202 {
            assert_eq!(status, 503, "{said}");
            break said;
        }
    };
    assert!(refused.contains("the host is draining") && !refused.contains("`start`"), "{refused}");
    assert!(service.get("/scheduler/stats")["tasks"]["running"].as_u64().unwrap() >= 1);
    let folder = service.chimera.data().join("data");
    let chimera = |command: &[&str]| {
        let folder = ["--data-dir", folder.to_str().unwrap()];
        service.chimera.run(&[command, &folder].concat())
    };
    let stats = chimera(&["task", "stats"]);
    assert!(stats.code == 0 && stats.out.contains("running  "), "{}{}", stats.out, stats.err);
    let list = chimera(&["task", "list", "--state", "all"]);
    assert!(list.code == 0 && list.out.contains("lease until"), "{}{}", list.out, list.err);
    let (status, health) = answer(&service, "GET", "/health");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"]), (503, &json!("draining")), "{health}");
    assert_eq!(health["active_agents"], 1, "{health}");
    assert!(health["uptime_seconds"].is_u64(), "{health}");
    let top = chimera(&["top", "--once"]);
    assert!(top.code == 0 && top.out.starts_with("draining"), "{}{}", top.out, top.err);
    nothing_new_begins(&service, &chimera);
    // Nothing begins by it, and a host that waits for a run is done sooner.
    for (id, was_queued) in [(waits, true), (runs, false)] {
        let (status, said) = answer(&service, "POST", &format!("/v1/tasks/{id}/cancel"));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((status, &said["was_queued"]), (200, &json!(was_queued)), "{said}");
    }
    assert_eq!(service.ends(), Some(0));
}
