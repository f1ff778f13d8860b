//! What JSON of others costs in memory: a host that reads it takes no more than
//! eight times its bytes and a mebibyte, and gives that back within five seconds.
//!
//! The host is a process of its own, looked at from outside through `/proc`.

use std::time::{Duration, Instant};

use crate::cli::Chimera;
use crate::handmade::{Parts, agent};
use crate::http::service::{Service, declare};
use crate::resources::{forget_peak, status};

/// What the process may keep, five seconds after an answer.
const KEPT: u64 = 32 << 20;
/// What a guest may hold; room for the largest payload, which is kept for its next run.
const GUEST_MIB: u64 = 24;
/// What its agent may hold: the guest, and the host's copy of the largest payload.
const QUOTA_MIB: u64 = GUEST_MIB + 16;

/// A host with an agent that takes any payload and returns `null`.
fn host() -> Service {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("taker.wasm");
    let init = format!("(drop (memory.grow (i32.const {})))", GUEST_MIB << 4);
    std::fs::write(&component, agent(&Parts { init: &init, ..Parts::default() })).unwrap();
    let quota =
        format!("quota = {{ max_memory_mb = {QUOTA_MIB}, max_execution_time_secs = 60 }}\n");
    let service = Service::start(Chimera::new(), &(declare("taker", &component, 1) + &quota));
    // The program's own pages, the guest's, and the 36 MiB that SQLite may keep.
    let body = body(&format!("\"{}\"", "a".repeat(15 << 20)));
    for _ in 0..3 {
        ask(&service, "POST", "/v1/tasks?wait=60s", &body);
    }
    service
}

/// `bytes` of JSON that a tree of values would take forty times as much for.
fn small_values(bytes: usize) -> String {
    format!("[{}0]", "{\"\":0},".repeat(bytes / 7 - 1))
}

/// `bytes` of records as a data set has them.
fn records(bytes: usize) -> String {
    let record = "{\"date\":\"2001/01/01 00:10\",\"delay\":14,\"distance\":405},";
    format!("[{}0]", record.repeat(bytes / record.len()))
}

fn body(payload: &str) -> String {
    format!("{{\"target_agent_type\":\"taker\",\"payload\":{payload}}}")
}

fn ask(service: &Service, method: &str, path: &str, body: &str) -> String {
    let request = ureq::http::Request::builder().method(method);
    let request = request.uri(format!("{}{path}", service.url()));
    let request = request.header("content-type", "application/json").body(body.to_owned()).unwrap();
    let mut answer = ureq::run(request).unwrap();
    answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap()
}

/// Bytes of a field of the host's status.
fn bytes(service: &Service, field: &str) -> u64 {
    status(service.pid(), field) << 10
}

/// Waits until the host holds no less than two seconds ago.
fn settled(service: &Service) {
    let mut least = (bytes(service, "VmRSS:"), Instant::now());
    while least.1.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(50)); // tidy: nothing tells that memory is given back
        let now = bytes(service, "VmRSS:");
        if now < least.0 {
            least = (now, Instant::now());
        }
    }
}

/// Holds both bounds for what is done, which has the host read `read` bytes.
fn bounded(service: &Service, name: &str, read: usize, done: impl FnOnce()) {
    settled(service);
    let before = bytes(service, "VmRSS:");
    forget_peak(service.pid());
    done();
    let peak = bytes(service, "VmHWM:");
    let most = before + 8 * read as u64 + (1 << 20);
    let ended = Instant::now();
    let mut kept = bytes(service, "VmRSS:");
    while kept > before + KEPT && ended.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50)); // tidy: nothing tells that memory is given back
        kept = bytes(service, "VmRSS:");
    }
    let [before_mib, peak_mib, kept_mib] = [before, peak, kept].map(|bytes| bytes >> 20);
    println!(
        "{name}: {} bytes, {before_mib} MiB, {peak_mib} MiB at the peak, {kept_mib} MiB after {} ms",
        read,
        ended.elapsed().as_millis()
    );
    assert!(peak <= most, "{name}: {before_mib} MiB, then {peak_mib} MiB of {}", most >> 20);
    assert!(kept <= before + KEPT, "{name}: {before_mib} MiB, and {kept_mib} MiB are kept");
}

#[test]
fn a_payload_takes_eight_times_its_bytes_and_gives_them_back() {
    let service = host();
    for (name, payload) in [
        ("15 MiB of small values", small_values(15 << 20)),
        ("10 MiB of records", records(10 << 20)),
    ] {
        let body = body(&payload);
        let mut answer = String::new();
        bounded(&service, name, body.len(), || {
            answer = ask(&service, "POST", "/v1/tasks?wait=60s", &body);
        });
        assert!(answer.contains("\"success\":true"), "{answer}");
        let id = answer.split('"').nth(3).unwrap();
        bounded(&service, &format!("{name}, shown"), body.len(), || {
            let shown = ask(&service, "GET", &format!("/v1/tasks/{id}"), "");
            assert!(shown.contains(&payload), "the payload is shown as it was sent");
        });
    }
}

#[test]
fn four_payloads_at_once_take_eight_times_their_bytes_and_give_them_back() {
    let service = host();
    let body = body(&small_values(8 << 20));
    bounded(&service, "four of 8 MiB at once", 4 * body.len(), || {
        std::thread::scope(|scope| {
            let ask = || ask(&service, "POST", "/v1/tasks?wait=60s", &body);
            let answers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            for answer in answers {
                let answer = answer.join().unwrap();
                assert!(answer.contains("\"success\":true"), "{answer}");
            }
        });
    });
}
