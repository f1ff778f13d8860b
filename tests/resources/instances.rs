//! What the host holds for the instances of one agent, each of which fills all
//! that it may.

use std::thread;

use serde_json::{Value, json};

use super::{ADDED, ask_within, forget_peak, seen, status};
use crate::cli::Chimera;
use crate::harness::guest_path;
use crate::http::service::{Service, declare};

/// What a process takes besides for so many clients at once.
const NOISE: u64 = 8;

/// An agent of so many mebibytes fills what the host keeps for each of so many
/// instances. The answers' outputs or the codes of their faults.
fn filled(quota: u64, instances: usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let hostile = declare("hostile", &guest_path("hostile"), 1);
    let config = format!(
        "{hostile}folders = [{{ host = {:?}, guest = \"/data\", access = \"read-write\" }}]\n\
         parameters = {{ at_once = {instances} }}\n\
         quota = {{ max_memory_mb = {quota}, max_cpu_cores = 4.0, max_execution_time_secs = 120 }}\n",
        folder.path()
    ) + &declare("echo", &guest_path("echo"), 1);
    let service = Service::start(Chimera::new(), &config);
    let pid = service.pid();
    ask_within(&service, "hostile", json!({"do": "nothing"}), quota);
    let charged = || {
        let agents = service.get("/v1/agents");
        let agents = agents.as_array().unwrap().iter();
        agents.map(|agent| agent["memory_mb"].as_f64().unwrap()).sum::<f64>()
    };
    let (before, charged_before) = (seen(pid), charged());
    forget_peak(pid);
    let answers = thread::scope(|scope| {
        let service = &service;
        let fill = |n: usize| {
            let order = json!({"do": "fill", "amount": 1900, "then": n.to_string()});
            scope.spawn(move || ask_within(service, "hostile", order, quota))
        };
        let asked: Vec<_> = (0..instances).map(fill).collect();
        let full = |n: usize| folder.path().join(format!("full-{n}")).exists();
        while !asked.iter().enumerate().all(|(n, asked)| full(n) || asked.is_finished()) {
            thread::yield_now();
        }
        let (then, charged) = (seen(pid), charged() - charged_before);
        let echoed = ask_within(service, "echo", json!(1), quota);
        // Before anything can fail, so that no task is waited for in vain.
        std::fs::write(folder.path().join("go"), "").unwrap();
        assert_eq!(echoed["result"]["output"], 1, "{echoed}");
        let grown = then.resident_mib.saturating_sub(before.resident_mib);
        println!("{instances} instances, {quota} MiB: {before:?}, {then:?}, {charged:.1} charged");
        assert!(grown <= quota + ADDED, "{before:?}, {then:?}");
        assert!(grown as f64 <= charged + 1.0 + NOISE as f64, "{grown} of {charged} charged");
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<Value>>()
    });
    let peak = status(pid, "VmHWM:") >> 10;
    assert!(peak <= before.resident_mib + quota + ADDED, "{before:?}, then {peak} MiB");
    let told = |answer: &Value| match &answer["result"]["fault"] {
        Value::Null => answer["result"]["output"].to_string(),
        fault => fault["kind"].to_string() + " " + &fault["detail"]["quota"].to_string(),
    };
    answers.iter().map(told).collect()
}

#[test]
fn what_the_instances_of_an_agent_fill_is_charged_to_its_quota() {
    assert_eq!(filled(128, 32), ["32"; 32]);
}

#[test]
fn instances_that_do_not_fit_the_quota_are_refused() {
    // So few that the breaker, which opens at ten outcomes, lets all begin.
    let told = filled(16, 10);
    let (full, refused): (Vec<_>, Vec<_>) = told.iter().partition(|told| *told == "32");
    println!("{} were full, {} refused", full.len(), refused.len());
    assert!(!full.is_empty() && !refused.is_empty(), "{told:?}");
    assert!(refused.iter().all(|told| *told == r#""over-quota" "memory""#), "{refused:?}");
}

#[test]
fn handles_are_charged_to_the_quota() {
    let config = declare("hostile", &guest_path("hostile"), 1) + "quota = { max_memory_mb = 2 }\n";
    let service = Service::start(Chimera::new(), &config);
    let hoard = |amount: u64| {
        ask_within(&service, "hostile", json!({"do": "hoard-timers", "amount": amount}), 2)
    };
    assert_eq!(hoard(1000)["result"]["output"], 1000);
    let refused = hoard(1000);
    assert_eq!(refused["result"]["fault"]["detail"]["quota"], "memory", "{refused}");
    assert_eq!(hoard(1000)["result"]["output"], 1000, "a new instance begins anew");
}

/// The memory that `order` takes of an agent of so many mebibytes, or the quota
/// that its fault names.
fn taken(quota: u64, order: &Value) -> Result<u64, Value> {
    let config = declare("hostile", &guest_path("hostile"), 1)
        + &format!("quota = {{ max_memory_mb = {quota} }}\n");
    let service = Service::start(Chimera::new(), &config);
    let mut answer = ask_within(&service, "hostile", order.clone(), quota);
    let after = ask_within(&service, "hostile", json!({"do": "nothing"}), quota);
    assert_eq!(after["result"]["success"], true, "the next task is done: {after}");
    match answer["result"]["fault"]["detail"]["quota"].take() {
        Value::Null => {
            Ok(answer["result"]["resource_usage"]["memory_peak_mb"].as_f64().unwrap() as u64)
        }
        quota => Err(quota),
    }
}

#[test]
fn the_hosts_copies_of_payload_and_output_are_charged_to_the_quota() {
    let output = json!({"do": "return-giant", "amount": 3});
    let payload = json!({"do": "nothing", "padding": "x".repeat(8 << 20)});
    for order in [output, payload] {
        let alone = taken(128, &order).unwrap();
        println!("the guest takes {alone} MiB itself");
        // Enough for the guest, too little for the host's copy beside it.
        assert_eq!(taken(alone + 2, &order), Err(json!("memory")));
        assert!(taken(alone + 16, &order).is_ok());
    }
}
