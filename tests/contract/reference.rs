//! `wit/README.md` is held against the code: what it says becomes of a task is
//! what becomes of it, and no function of the contract is left out.

use std::collections::BTreeMap;

use chimera_layer4::fabric::queue::retry::LONGEST_ASKED_DELAY;
use chimera_layer4::fabric::queue::settle::{Counts, blames_agent, settle, without_run};
use chimera_layer4::fabric::queue::submission::MOST_TASK_BYTES;
use chimera_layer4::fabric::queue::{
    BreakerPolicy, Moment, Ran, RetryBudget, RetryPolicy, Settlement, Timestamp,
};
use chimera_layer4::fabric::telemetry::LogTail;
use chimera_layer4::fabric::{
    Breach, Call, FabricConfig, Fault, GuestFault, HostFault, InstancePolicy, LimitSource,
    QuotaKind, ResourceQuota, TrapCode, utils,
};
use wit_parser::Resolve;

use crate::harness::root;

fn reference() -> String {
    std::fs::read_to_string(root().join("wit/README.md")).unwrap()
}

/// The table of faults: what becomes of the task and whether the run counts
/// against its type, by code.
fn table() -> BTreeMap<String, (String, String)> {
    let text = reference();
    let lines = text.lines().skip_while(|line| !line.starts_with("| code |")).skip(2);
    let mut rows = BTreeMap::new();
    for line in lines.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [codes, _, becomes, counts] = cells[..] else { panic!("{line}") };
        for code in codes.split(", ") {
            rows.insert(code.trim_matches('`').to_owned(), (becomes.into(), counts.into()));
        }
    }
    rows
}

/// One of each, but for a crash, in which nothing is left to end a run.
fn faults() -> Vec<Fault> {
    let during = Call::ExecuteTask;
    let text = String::new;
    let guest = [
        GuestFault::InvalidInput { during, message: text() },
        GuestFault::Unavailable { during, message: text(), retry_after_ms: None },
        GuestFault::Failed { during, message: text() },
        GuestFault::Trap { during, code: TrapCode::Other, message: text() },
        GuestFault::Exited { during, status: 0, message: String::new() },
        GuestFault::BadOutput { during, reason: text() },
        GuestFault::RefusedOutput { during, reason: text() },
    ];
    let set_by = |quota| match quota {
        QuotaKind::Deadline | QuotaKind::Network => LimitSource::Task,
        _ => LimitSource::Host,
    };
    let breach = |quota| Breach { quota, during, set_by: set_by(quota), detail: text() };
    let host = [
        HostFault::NoRoom { message: text() },
        HostFault::Folder { path: text(), reason: text() },
        HostFault::NoDescriptors { message: text() },
        HostFault::NoAgent { message: text() },
        HostFault::Internal { message: text() },
    ];
    let guest = guest.into_iter().map(Fault::from);
    let breaches = QuotaKind::ALL.into_iter().map(|quota| breach(quota).into());
    let host = host.into_iter().map(Fault::Host);
    guest.chain(breaches).chain(host).chain([Fault::Stopped, Fault::Cancelled]).collect()
}

fn becomes(fault: &Fault) -> String {
    let now = Timestamp(0);
    let result = without_run(utils::generate_task_id(), fault.clone(), now);
    let ran = Ran { result, genome: None, agent_id: None, log: LogTail::default() };
    let first = Counts { attempt: 1, max_attempts: 3, host_faults: 0 };
    let policy = RetryPolicy::default();
    match settle(ran, first, &policy, &mut RetryBudget::new(), now, Moment(0), 0.0) {
        Settlement::Succeeded(_) => "succeeded".into(),
        Settlement::Retry { host: false, .. } => "tried again".into(),
        Settlement::Retry { host: true, .. } => {
            "tried again, and the attempt does not count".into()
        }
        Settlement::GiveBack => "given back".into(),
        Settlement::Dead { reason, .. } => format!("dead letter `{reason}`"),
        Settlement::Cancelled(_) => "cancelled".into(),
    }
}

#[test]
fn what_it_says_becomes_of_a_task_does() {
    let mut table = table();
    for fault in faults() {
        let code = fault.code();
        let (said, counts) = table.remove(code).unwrap_or_else(|| panic!("{code} is not told"));
        let becomes = becomes(&fault);
        // What follows a comma only explains it.
        assert!(said == becomes || said.starts_with(&format!("{becomes},")), "{code}: {becomes}");
        assert_eq!(said.contains("does not count"), becomes.contains("does not count"), "{code}");
        let blames = match blames_agent(Some(&fault)) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not counted",
        };
        assert_eq!(counts, blames, "{code}");
    }
    assert!(table.is_empty(), "there is no such fault: {table:?}");
}

#[test]
fn it_describes_every_function() {
    let mut resolve = Resolve::default();
    resolve.push_dir(root().join("wit")).unwrap();
    let text = reference();
    let mut told = 0;
    for (_, interface) in resolve.interfaces.iter() {
        for function in interface.functions.keys() {
            let name = function.rsplit(['.', ']']).next().unwrap();
            assert!(text.contains(&format!("`{name}`")), "{name}");
            told += 1;
        }
    }
    assert_eq!(told, 12);
}

#[test]
fn its_figures_are_those_of_the_code() {
    let words: Vec<String> = reference().split_whitespace().map(str::to_owned).collect();
    let text = words.join(" ");
    let config = FabricConfig::default();
    let (retry, breaker) = (RetryPolicy::default(), BreakerPolicy::default());
    for figure in [
        format!("`agent_timeout_secs` ({} s)", config.agent_timeout_secs),
        format!("`heartbeat_interval_secs` ({} s)", config.heartbeat_interval_secs),
        format!("of agent and task ({} s)", ResourceQuota::default().max_execution_time_secs),
        format!("`max_component_mb` ({} MiB)", config.components.max_component_mb),
        format!("payload and metadata together | {} MiB", MOST_TASK_BYTES >> 20),
        format!(
            "a random part of {} s, doubled with each attempt up to {} s",
            retry.base().as_secs_f64(),
            retry.cap().as_secs()
        ),
    ] {
        assert!(text.contains(&figure), "it lacks {figure:?}");
    }
    // What it has in words.
    assert_eq!(LONGEST_ASKED_DELAY.as_secs(), 3600);
    assert_eq!(retry.host_faults(), 10);
    assert_eq!(InstancePolicy::default().tasks_per_instance(), 10_000);
    assert_eq!((breaker.window, breaker.least, breaker.failure_share), (20, 10, 0.5));
    assert_eq!((breaker.open_for.as_secs(), breaker.open_cap.as_secs()), (1, 60));
}
