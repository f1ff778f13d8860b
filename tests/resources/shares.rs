//! What agents share: sockets and files are counted as descriptors, and the host
//! has enough left to answer. Open buckets are the agent's own memory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use super::{ask, fill, outcome, seen};
use crate::cli::Chimera;
use crate::harness::guest_path;
use crate::http::service::{Service, declare};

/// Requests that one call may have open.
const REQUESTS: usize = 32;

fn granted(name: &str, guest: &str, lines: &str) -> String {
    declare(name, &guest_path(guest), 1) + lines + "\n"
}

/// Takes the next connections and answers none of them.
fn accept(server: &TcpListener, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| server.accept().unwrap().0).collect()
}

#[test]
fn connections_of_a_guest_are_counted_and_the_host_still_answers() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap().to_string();
    let lines = format!("http = [\"http://{to}\"]\nparameters = {{ at_once = 6 }}");
    let config = granted("courier", "courier", &lines) + &declare("echo", &guest_path("echo"), 1);
    let service = Service::start_within(Chimera::new(), &config, Some(1024));
    let errand = || json!({"to": to, "at_once": REQUESTS});
    assert_eq!(ask(&service, "echo", json!(0))["result"]["output"], 0);
    let before = seen(service.pid());
    thread::scope(|scope| {
        // 1,024 less a quarter, half of that for agents, a quarter of that for each.
        let held: Vec<_> =
            (0..3).map(|_| scope.spawn(|| ask(&service, "courier", errand()))).collect();
        let open = accept(&server, 3 * REQUESTS);
        let now = seen(service.pid());
        println!("96 connections: {before:?}, {now:?}");
        assert!(now.descriptors >= before.descriptors + 3 * REQUESTS, "{before:?}, {now:?}");
        assert!(now.descriptors <= before.descriptors + 3 * REQUESTS + 8, "{before:?}, {now:?}");

        let refused = ask(&service, "courier", errand());
        let answers = refused["result"]["output"].as_array().unwrap();
        assert_eq!(answers.len(), REQUESTS);
        for answer in answers {
            assert_eq!(answer["error"], "ConnectionLimitReached", "{refused}");
        }
        for n in 0..20 {
            assert_eq!(ask(&service, "echo", json!(n))["result"]["output"], n);
        }
        drop(open);
        held.into_iter().for_each(|held| {
            let answer = held.join().unwrap();
            assert!(answer["result"]["output"][0]["error"].is_string(), "{answer}");
        });
        let again = scope.spawn(|| ask(&service, "courier", errand()));
        for mut stream in accept(&server, REQUESTS) {
            let mut head = [0; 1024];
            assert!(stream.read(&mut head).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        }
        let answer = again.join().unwrap();
        assert_eq!(answer["result"]["output"][REQUESTS - 1]["status"], 204, "{answer}");
    });
}

#[test]
fn a_task_that_finds_no_descriptor_is_tried_again_when_another_agent_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 0);
    let lines = format!(
        "folders = [{{ host = {:?}, guest = \"/data\", access = \"read-only\" }}]",
        folder.path()
    );
    let names = ["one", "two", "three", "four", "five"];
    let config: String = names.iter().map(|name| granted(name, "hostile", &lines)).collect();
    let config = config + &declare("echo", &guest_path("echo"), 1);
    // 128 less 64 that are kept, half of that for agents, a quarter of that for each.
    let service = Service::start_within(Chimera::new(), &config, Some(128));
    let hoard = |name: &str, amount: u64| {
        let answer = ask(&service, name, json!({"do": "hoard-files", "amount": amount}));
        assert_eq!(answer["result"]["output"], amount, "{answer}");
    };
    // Each has the folder open that it was granted.
    ["one", "two", "three"].into_iter().for_each(|name| hoard(name, 7));
    hoard("four", 6);

    let body = json!({
        "target_agent_type": "five", "payload": {"do": "hoard-files", "amount": 1},
        "max_attempts": 1,
    });
    let tasks = format!("{}/v1/tasks", service.url());
    let mut submitted = ureq::post(&tasks).send_json(&body).unwrap();
    let submitted: Value = submitted.body_mut().read_json().unwrap();
    let id = submitted["id"].as_str().unwrap().to_owned();
    let shown = loop {
        let shown = service.get(&format!("/v1/tasks/{id}"));
        if shown.to_string().contains("no-descriptors") {
            break shown;
        }
        assert!(shown["result"].is_null(), "{shown}");
    };
    assert!(shown.to_string().contains("the 32 that all agents may have are open"), "{shown}");
    assert_eq!(ask(&service, "echo", json!("here"))["result"]["output"], "here");
    let over = ask(&service, "one", json!({"do": "hoard-files", "amount": 1}));
    assert!(outcome(&over).1.contains("the 8 that one agent may have are open"), "{over}");
    let ended = service.get(&format!("/v1/tasks/{id}?wait=60s"));
    assert_eq!(ended["result"]["output"], 1, "the instance of the other is gone: {ended}");
}

#[test]
fn open_buckets_are_charged_to_the_agents_memory() {
    let lines = "keyvalue = { max_mb = 4 }\nquota = { max_memory_mb = 3 }";
    let service = Service::start(Chimera::new(), &granted("keeper", "keeper", lines));
    let peak =
        |answer: &Value| answer["result"]["resource_usage"]["memory_peak_mb"].as_f64().unwrap();
    let open = |count: u64| ask(&service, "keeper", json!({"open": count}));
    let one = open(1);
    assert_eq!(one["result"]["output"], 1, "{one}");
    let many = open(2000);
    assert_eq!(many["result"]["output"], 2001, "{many}");
    // 512 bytes each.
    assert!(peak(&many) >= peak(&one) + 0.97, "{one} {many}");
    ask(&service, "keeper", json!("let-go"));
    let few = open(1);
    assert_eq!(few["result"]["output"], 1);
    assert!(peak(&few) <= peak(&many) - 0.9, "they were given back: {many} {few}");

    let refused = open(4000);
    let (_, fault) = outcome(&refused);
    assert!(fault.contains("over-quota") && fault.contains("of 3.0 MiB"), "{refused}");
    assert_eq!(open(1)["result"]["output"], 1, "a new instance begins anew");
}
