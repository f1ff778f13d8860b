//! What a host holds for guests and clients: memory, descriptors and threads stay
//! within the quota and a constant, and the host has enough left to answer.
//!
//! Each test has a host in a process of its own, looked at from outside, through
//! `/proc`.

mod instances;
mod shares;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::{guest_path, program};
use crate::http::service::{Service, declare};

/// Mebibytes that an agent here may hold.
const QUOTA: u64 = 32;
/// What the host may add: 64 MiB, and one for the agent.
const ADDED: u64 = 64 + 1;

/// A host as the system sees it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    resident_mib: u64,
    descriptors: usize,
    threads: u64,
}

fn seen(pid: u32) -> Seen {
    let field = |name: &str| status(pid, name);
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Seen { resident_mib: field("VmRSS:") >> 10, descriptors, threads: field("Threads:") }
}

pub(crate) fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// From now on, the most that the process has resident is counted anew.
pub(crate) fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

fn ask(service: &Service, agent: &str, payload: Value) -> Value {
    ask_within(service, agent, payload, QUOTA)
}

/// A task that may have so many mebibytes.
fn ask_within(service: &Service, agent: &str, payload: Value, memory: u64) -> Value {
    let body = json!({
        "target_agent_type": agent, "payload": payload, "max_attempts": 1,
        "resource_quota": { "max_memory_mb": memory, "max_execution_time_secs": 120 },
    });
    let request = ureq::post(format!("{}/v1/tasks?wait=120s", service.url()));
    let mut answer = request.send_json(&body).unwrap();
    answer.body_mut().read_json::<Value>().unwrap()
}

/// A folder with a large file, a named pipe, and `names` files of long names in `many`.
fn fill(folder: &Path, names: usize) {
    fs::create_dir_all(folder.join("many")).unwrap();
    fs::write(folder.join("large"), vec![b'l'; 256 << 10]).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, mode, 0).unwrap();
    let long = "n".repeat(200);
    (0..names).for_each(|n| drop(File::create(folder.join(format!("many/{n:08}{long}"))).unwrap()));
}

fn host(folder: &Path, descriptors: u32) -> Service {
    let hostile = declare("hostile", &guest_path("hostile"), 1);
    let hostile = format!(
        "{hostile}folders = [{{ host = {folder:?}, guest = \"/data\", access = \"read-only\" }}]\n\
         quota = {{ max_memory_mb = {QUOTA}, max_execution_time_secs = 120 }}\n"
    );
    let config = hostile + &declare("echo", &guest_path("echo"), 1);
    Service::start_within(Chimera::new(), &config, Some(descriptors))
}

/// What came of a task: its output, or the code of its fault and the words.
fn outcome(answer: &Value) -> (String, String) {
    let result = &answer["result"];
    let code = result["fault"].to_string();
    (result["output"].to_string(), format!("{code} {}", result["error"]))
}

/// Each kind of hoard, beside what it was before and is afterwards.
fn hoards(names: usize, amount: u64, descriptors: u32, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), names);
    let service = host(folder.path(), descriptors);
    let pid = service.pid();
    ask(&service, "hostile", json!({"do": "nothing"}));
    let counted = ask(&service, "hostile", json!({"do": "count-entries"}));
    assert_eq!(counted["result"]["output"], json!([names, names]), "{counted}");
    let at_first = seen(pid);
    println!(
        "| hoard | before | peak MiB | kept | after | ended with |\n|---|---|---|---|---|---|"
    );
    let kinds = [
        ("hoard-listings", amount),
        ("hoard-files", 4000),
        ("hoard-reads", amount * 10),
        ("hoard-heads", 4000),
        ("hoard-timers", 1900),
    ];
    for (order, amount) in kinds.into_iter().cycle().take(kinds.len() * rounds) {
        ask(&service, "hostile", json!({"do": "let-go"}));
        let before = seen(pid);
        forget_peak(pid);
        let hoarded = ask(&service, "hostile", json!({"do": order, "amount": amount}));
        let (kept, peak) = (seen(pid), status(pid, "VmHWM:") >> 10);
        let (output, fault) = outcome(&hoarded);
        ask(&service, "hostile", json!({"do": "let-go"}));
        let after = seen(pid);
        println!(
            "| {order} {amount} | {before:?} | {peak} | {kept:?} | {after:?} | {output} {fault}"
        );
        // Against the first look: what one hoard leaves behind, the next one uses.
        let grown = peak.saturating_sub(at_first.resident_mib);
        assert!(grown <= QUOTA + ADDED, "{order}: {at_first:?}, then {peak} MiB");
        assert!(
            kept.descriptors <= before.descriptors + descriptors as usize / 8,
            "{order}: {before:?}, {kept:?}"
        );
        assert!(after.descriptors <= before.descriptors + 4, "{order}: {before:?}, {after:?}");
        assert!(kept.threads <= at_first.threads + 64, "{order}: {before:?}, {kept:?}");
        assert!(fault.contains("over-quota") || output == amount.to_string(), "{order}: {hoarded}");
        assert_eq!(ask(&service, "echo", json!(order))["result"]["output"], order);
    }
}

#[test]
fn what_a_guest_hoards_is_within_its_quota_and_a_constant() {
    hoards(4000, 90, 1024, 1);
}

#[test]
#[ignore = "makes 20,000 files"]
fn long_what_a_guest_hoards_is_within_its_quota_and_a_constant() {
    hoards(20_000, 400, 4096, 3);
}

/// Unbounded, a million writes would hold some 100 MiB.
#[test]
fn empty_writes_leave_nothing_in_the_host() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    let service = host(folder.path(), 1024);
    ask(&service, "hostile", json!({"do": "nothing"}));
    let before = seen(service.pid()).resident_mib;
    let written = ask(&service, "hostile", json!({"do": "empty-writes", "amount": 1_000_000}));
    assert_eq!(written["result"]["success"], true, "{written}");
    let after = seen(service.pid()).resident_mib;
    assert!(after < before + 32, "{before} MiB, then {after} MiB");
}

#[test]
fn files_that_stay_open_between_tasks_are_the_agents_own() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    let service = host(folder.path(), 1024);
    let before = seen(service.pid()).descriptors;
    // 1,024 less a quarter, half of that for agents, a quarter of that for each.
    let open =
        |amount: u64| ask(&service, "hostile", json!({"do": "hoard-files", "amount": amount}));
    assert_eq!(open(60)["result"]["output"], 60);
    assert!(seen(service.pid()).descriptors >= before + 60, "they stay open");
    let refused = open(60);
    let said = refused["result"]["error"].as_str().unwrap();
    assert!(said.contains("went over open file descriptors: the 96 that one agent may"), "{said}");
    assert!(seen(service.pid()).descriptors < before + 10, "the instance is gone, and they too");
    assert_eq!(open(60)["result"]["output"], 60, "the next one begins anew");
}

#[test]
fn a_named_pipe_is_not_opened_and_keeps_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 0);
    let service = host(folder.path(), 1024);
    let tried = ask(&service, "hostile", json!({"do": "open"}));
    assert!(outcome(&tried).1.contains("not-permitted"), "{tried}");
    drop(service);
}

/// The tests' own process holds the clients' ends.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// What a client sends that then says and reads nothing.
const SAYS_NOTHING: &str = "";
const HALF_A_HEAD: &str = "GET /livez HTTP/1.1\r\nhost: local";
const HALF_A_BODY: &str = "POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
/// Large enough to need room, which a few take and the others wait for.
const HALF_A_LARGE_BODY: &str = "POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/json\r\ncontent-length: 16000000\r\n\r\n";
/// They come in one at a time.
const HALF_A_COMPONENT: &str = "POST /v1/genomes HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/wasm\r\ncontent-length: 100000\r\n\r\n\0asm";
const LARGE_ANSWER: &str = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A client that reads nothing, and sends what it has as far as the host takes it.
fn holds(address: &str, sends: &[u8]) -> std::io::Result<TcpStream> {
    let mut held = TcpStream::connect(address)?;
    set_socket_recv_buffer_size(&held, 4096)?;
    held.set_write_timeout(Some(Duration::from_secs(1)))?;
    // The host may have ended it already for another one, or take no more.
    let _ = held.write_all(sends);
    Ok(held)
}

/// Clients that hold every connection, and go on to come while others ask.
fn holding_clients(limit: u32, clients: usize, sends: &[u8]) {
    raise_own_limit();
    let config = declare("echo", &guest_path("echo"), 1);
    let service = Service::start_within(Chimera::new(), &config, Some(limit));
    let address = service.url().trim_start_matches("http://").to_owned();
    let held: Vec<_> = (0..clients).map(|_| holds(&address, sends).unwrap()).collect();
    let asks = |n: usize| {
        let began = Instant::now();
        for path in ["/livez", "/readyz", "/metrics"] {
            answered(began, || ureq::get(format!("{}{path}", service.url())).call().map(drop));
        }
        let body = json!({"target_agent_type": "echo", "payload": n});
        let answer = answered(began, || {
            let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()));
            request.send_json(&body)?.body_mut().read_json::<Value>()
        });
        assert_eq!(answer["result"]["output"], n);
        assert!(began.elapsed() < PROMPT, "round {n}: {:?}", began.elapsed());
    };
    (0..10).for_each(&asks);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pressing = scope.spawn(|| {
            let mut held = VecDeque::from(held);
            let mut came = 0;
            while !over.load(Ordering::Relaxed) {
                held.extend(holds(&address, sends));
                held.pop_front();
                came += 1;
            }
            came
        });
        let asked = panic::catch_unwind(AssertUnwindSafe(|| (10..30).for_each(&asks)));
        over.store(true, Ordering::Relaxed);
        println!(
            "{clients} clients at {limit} descriptors, then {} more",
            pressing.join().unwrap()
        );
        asked.unwrap_or_else(|panic| panic::resume_unwind(panic));
    });
    assert!(seen(service.pid()).descriptors < limit as usize);
}

/// What the host answers to a client that asks again where its connection made
/// way for others before the host had read its request.
fn answered<T>(began: Instant, ask: impl Fn() -> Result<T, ureq::Error>) -> T {
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(ureq::Error::StatusCode(code)) => panic!("status {code}"),
            Err(error) => assert!(began.elapsed() < PROMPT, "{error}"),
        }
    }
}

/// For a few answers of a host that has nothing to do but to shut out clients.
const PROMPT: Duration = Duration::from_secs(10);

#[test]
fn half_sent_requests_do_not_shut_out_others() {
    for sends in [HALF_A_HEAD, HALF_A_BODY, HALF_A_COMPONENT] {
        holding_clients(256, 300, sends.as_bytes());
    }
}

#[test]
fn bodies_that_wait_for_room_do_not_shut_out_others() {
    // All the room that there is, with a little of each beyond.
    let sends = [HALF_A_LARGE_BODY.as_bytes(), &vec![b' '; 1 << 20]].concat();
    holding_clients(256, 300, &sends);
}

#[test]
fn clients_that_do_not_read_do_not_shut_out_others() {
    holding_clients(256, 120, LARGE_ANSWER.repeat(40).as_bytes());
}

#[test]
#[ignore = "opens thousands of connections"]
fn long_clients_that_hold_every_connection_do_not_shut_out_others() {
    for sends in [SAYS_NOTHING, HALF_A_HEAD, HALF_A_BODY, HALF_A_COMPONENT] {
        holding_clients(1024, 1050, sends.as_bytes());
        holding_clients(16_384, 4200, sends.as_bytes());
    }
}

/// A host that may have `limit` descriptors, with as many clients that say nothing.
fn idle_clients(limit: u32, clients: usize) {
    raise_own_limit();
    let mut service = {
        let config = declare("echo", &guest_path("echo"), 1);
        Service::start_within(Chimera::new(), &config, Some(limit))
    };
    let address = service.url().trim_start_matches("http://").to_owned();
    // One that waits for something stays, however many come.
    let later = json!({"target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z"});
    let mut answer = ureq::post(format!("{}/v1/tasks", service.url())).send_json(&later).unwrap();
    let id = answer.body_mut().read_json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    let mut waits = TcpStream::connect(&address).unwrap();
    let head = format!("GET /v1/tasks/{id}?wait=300s HTTP/1.1\r\nhost: localhost\r\n\r\n");
    waits.write_all(head.as_bytes()).unwrap();
    while service.get("/v1/tasks?state=delayed")["tasks"].as_array().is_some_and(Vec::is_empty) {}

    let idle: Vec<_> = (0..clients).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for n in 0..20 {
        let body = json!({"target_agent_type": "echo", "payload": n});
        let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()));
        let mut answer = request.send_json(&body).unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(answer["result"]["output"], n);
    }
    let now = seen(service.pid());
    println!("{clients} idle clients at {limit} descriptors: {now:?}");
    assert!(now.descriptors < limit as usize, "{now:?}");

    // The store, the compiling child and the settings file are still to be had.
    let config =
        declare("echo", &guest_path("echo"), 1) + &declare("new", &guest_path("hostile"), 1);
    service.rewrite(&config);
    service.signal(rustix::process::Signal::HUP);
    service.hears("started");

    let cancel = format!("{}/v1/tasks/{id}/cancel", service.url());
    ureq::post(cancel).send_empty().unwrap();
    waits.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = [0; 15];
    waits.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK", "the one that waited was not cut off");
    drop(idle);
}

/// How clients go away while they wait.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// Closes its connection, of which the host sees no more than the end of what
    /// it sends.
    Closes,
    /// Has its connection reset, as when its process ends with bytes unread.
    Resets,
}

/// A host that may have `limit` descriptors, with as many clients that begin to wait
/// and go away; how long it keeps their descriptors.
fn gone_clients(limit: u32, clients: usize, leaves: Leaves) -> (Service, usize) {
    raise_own_limit();
    let config = declare("echo", &guest_path("echo"), 1);
    let service = Service::start_within(Chimera::new(), &config, Some(limit));
    let address = service.url().trim_start_matches("http://").to_owned();
    let tasks = format!("{}/v1/tasks", service.url());
    let later = json!({"target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z"});
    let mut answer = ureq::post(&tasks).send_json(&later).unwrap();
    let id = answer.body_mut().read_json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    let before = seen(service.pid()).descriptors;
    let (body, host) = (later.to_string(), "host: localhost\r\n");
    let waits = [
        format!("GET /v1/tasks/{id}?wait=300s HTTP/1.1\r\n{host}\r\n"),
        format!("GET /v1/tasks/{id}/events HTTP/1.1\r\n{host}\r\n"),
        format!("GET /v1/events HTTP/1.1\r\n{host}\r\n"),
        format!(
            "POST /v1/tasks?wait=300s HTTP/1.1\r\n{host}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    ];
    // All at once, so that they do not make way for each other.
    let gone: Vec<_> = (0..clients)
        .map(|n| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(waits[n % waits.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    // One that came later is answered, so all of them have been taken.
    ureq::get(format!("{}/livez", service.url())).call().unwrap();
    for stream in gone {
        if matches!(leaves, Leaves::Resets) {
            set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
    }
    let began = Instant::now();
    for n in 0..20 {
        let body = json!({"target_agent_type": "echo", "payload": n});
        let request = ureq::post(format!("{tasks}?wait=30s"));
        let answer = request.send_json(&body).unwrap().body_mut().read_json::<Value>().unwrap();
        assert_eq!(answer["result"]["output"], n, "{leaves:?}: {answer}");
    }
    assert!(began.elapsed() < PROMPT, "{leaves:?}: {:?}", began.elapsed());
    let now = seen(service.pid());
    println!("{clients} clients gone at {limit} descriptors ({leaves:?}): {before}, then {now:?}");
    (service, before)
}

/// Waits until the descriptors of clients that went away are given back.
fn given_back((service, before): (Service, usize), within: Duration) {
    let began = Instant::now();
    loop {
        let now = seen(service.pid()).descriptors;
        // A client of the test's own may be idle yet.
        if now <= before + 4 {
            return println!("given back after {:.1} s", began.elapsed().as_secs_f64());
        }
        assert!(began.elapsed() < within, "{now} descriptors, {before} before");
        thread::yield_now();
    }
}

#[test]
fn clients_that_went_away_while_they_waited_do_not_keep_others_from_it() {
    gone_clients(256, 90, Leaves::Closes);
    given_back(gone_clients(256, 90, Leaves::Resets), PROMPT);
}

/// The system of a client that has closed its side answers for a minute as if it
/// had closed half of it; then the host's next look ends it.
#[test]
#[ignore = "takes more than a minute"]
fn long_clients_that_went_away_while_they_waited_give_back_what_they_had() {
    given_back(gone_clients(1024, 380, Leaves::Closes), Duration::from_secs(100));
    given_back(gone_clients(1024, 380, Leaves::Resets), PROMPT);
}

#[test]
fn idle_clients_do_not_shut_out_others() {
    idle_clients(256, 300);
}

#[test]
#[ignore = "opens 1,050 connections"]
fn long_idle_clients_do_not_shut_out_others() {
    idle_clients(1024, 1050);
}

#[test]
fn the_start_says_how_descriptors_are_shared_and_refuses_too_few() {
    let chimera = Chimera::new();
    fs::create_dir_all(chimera.data()).unwrap();
    // The port is taken, so that a start ends once it has said what it may use.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let shared =
        "of 1024 file descriptors 384 are for connections (`max_connections` is 4096), 384";
    for (limit, code, words) in [
        (100, 3, "may have 100 files and connections open, and a host needs 128"),
        (1024, 7, shared),
    ] {
        let script = format!("ulimit -n {limit} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(program()).args(["serve", "--port", &port]);
        command.args(["--data-dir", "data"]).current_dir(chimera.data());
        let ended = command.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
