//! Every kind of fault, what it leads to and whom it counts against.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::TrapCode;
use crate::scheduler::retry::LONGEST_ASKED_DELAY;
use crate::telemetry::{LogLevel, LogLine};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const MOMENT: Moment = Moment(7);
/// The first of three attempts, no fault of the host before it.
const FIRST: Counts = Counts { attempt: 1, max_attempts: 3, host_faults: 0 };
/// Waits as long as the policy may.
const WHOLE: f64 = 1.0;

/// What a row of the table expects, in words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Succeeded,
    Retry,
    HostRetry,
    GiveBack,
    Dead(DeadReason),
    Cancelled,
}

fn kind<O>(settlement: &Settlement<O>) -> Kind {
    match settlement {
        Settlement::Succeeded(_) => Kind::Succeeded,
        Settlement::Retry { host: false, .. } => Kind::Retry,
        Settlement::Retry { host: true, .. } => Kind::HostRetry,
        Settlement::GiveBack => Kind::GiveBack,
        Settlement::Dead { reason, .. } => Kind::Dead(*reason),
        Settlement::Cancelled(_) => Kind::Cancelled,
    }
}

/// Every kind of fault by a number, so that a new one must be entered here and
/// is then missed in the table.
fn number(fault: &Fault) -> usize {
    match fault {
        Fault::Guest(GuestFault::InvalidInput { .. }) => 0,
        Fault::Guest(GuestFault::Unavailable { .. }) => 1,
        Fault::Guest(GuestFault::Failed { .. }) => 2,
        Fault::Guest(GuestFault::Trap { .. }) => 3,
        Fault::Guest(GuestFault::Exited { .. }) => 4,
        Fault::Guest(GuestFault::BadOutput { .. }) => 5,
        Fault::OverQuota(breach) => match breach.quota {
            QuotaKind::Memory => 6,
            QuotaKind::ExecutionTime => 7,
            QuotaKind::Deadline => 8,
            QuotaKind::AgentTimeout => 9,
            QuotaKind::HostMemory => 10,
            QuotaKind::Handles => 11,
            QuotaKind::Instances => 12,
            QuotaKind::Descriptors => 21,
            QuotaKind::Network => 23,
        },
        Fault::Host(HostFault::NoRoom { .. }) => 13,
        Fault::Host(HostFault::Folder { .. }) => 14,
        Fault::Host(HostFault::Crashed { .. }) => 15,
        Fault::Host(HostFault::NoAgent { .. }) => 16,
        Fault::Host(HostFault::Internal { .. }) => 17,
        Fault::Stopped => 18,
        Fault::Cancelled => 19,
        Fault::Guest(GuestFault::RefusedOutput { .. }) => 20,
        Fault::Host(HostFault::Unreadable { .. }) => 21,
        Fault::Host(HostFault::NoDescriptors { .. }) => 22,
    }
}
const KINDS: usize = 24;

fn text() -> String {
    "m".to_owned()
}

fn breach(quota: QuotaKind) -> Fault {
    let (during, set_by) = (Call::ExecuteTask, LimitSource::Agent);
    Breach { quota, during, set_by, detail: text() }.into()
}

/// A limit that the submitter set.
fn of_the_task(quota: QuotaKind) -> Fault {
    let (during, set_by) = (Call::ExecuteTask, LimitSource::Task);
    Breach { quota, during, set_by, detail: text() }.into()
}

fn unavailable(retry_after_ms: Option<u64>) -> Fault {
    GuestFault::Unavailable { during: Call::Init, message: text(), retry_after_ms }.into()
}

fn trap() -> Fault {
    let code = TrapCode::Unreachable;
    GuestFault::Trap { during: Call::ExecuteTask, code, message: text() }.into()
}

fn host_fault() -> Fault {
    HostFault::Internal { message: text() }.into()
}

/// Each fault, what it leads to in a first attempt of three, and whether it
/// counts against the agent type.
fn table() -> Vec<(Fault, Kind, Option<bool>)> {
    let during = Call::ExecuteTask;
    let over_quota = Kind::Dead(DeadReason::OverQuota);
    vec![
        (
            GuestFault::InvalidInput { during, message: text() }.into(),
            Kind::Dead(DeadReason::InvalidInput),
            Some(false),
        ),
        (
            GuestFault::Failed { during, message: text() }.into(),
            Kind::Dead(DeadReason::Failed),
            Some(true),
        ),
        (unavailable(None), Kind::Retry, Some(true)),
        (unavailable(Some(7)), Kind::Retry, Some(true)),
        (trap(), Kind::Retry, Some(true)),
        (
            GuestFault::Exited { during, status: 0, message: String::new() }.into(),
            Kind::Retry,
            Some(true),
        ),
        (GuestFault::BadOutput { during, reason: text() }.into(), Kind::Retry, Some(true)),
        (
            GuestFault::RefusedOutput { during, reason: text() }.into(),
            Kind::Dead(DeadReason::Failed),
            None,
        ),
        (breach(QuotaKind::Memory), over_quota, Some(true)),
        (breach(QuotaKind::ExecutionTime), over_quota, Some(true)),
        (of_the_task(QuotaKind::Network), over_quota, None),
        (of_the_task(QuotaKind::Memory), over_quota, None),
        (of_the_task(QuotaKind::ExecutionTime), over_quota, None),
        (of_the_task(QuotaKind::Deadline), Kind::Dead(DeadReason::Expired), None),
        (breach(QuotaKind::AgentTimeout), Kind::Retry, Some(true)),
        (breach(QuotaKind::HostMemory), over_quota, None),
        (breach(QuotaKind::Handles), over_quota, Some(true)),
        (breach(QuotaKind::Descriptors), over_quota, Some(true)),
        (breach(QuotaKind::Instances), over_quota, Some(true)),
        (HostFault::NoRoom { message: text() }.into(), Kind::HostRetry, None),
        (HostFault::Folder { path: text(), reason: text() }.into(), Kind::HostRetry, None),
        (HostFault::NoDescriptors { message: text() }.into(), Kind::HostRetry, None),
        (HostFault::Crashed { times: 1 }.into(), Kind::HostRetry, None),
        (HostFault::NoAgent { message: text() }.into(), Kind::HostRetry, None),
        (HostFault::Unreadable { reason: text() }.into(), Kind::HostRetry, None),
        (host_fault(), Kind::HostRetry, None),
        (Fault::Stopped, Kind::GiveBack, None),
        (Fault::Cancelled, Kind::Cancelled, None),
    ]
}

fn id() -> TaskId {
    Uuid::from_u128(1).into()
}

fn ran(fault: Option<Fault>) -> Ran {
    let result = ExecutionResult {
        task_id: id(),
        success: fault.is_none(),
        output: if fault.is_none() { json!({"n": 1}) } else { Value::Null }.into(),
        execution_time_ms: 12,
        resource_usage: ResourceUsage { cpu_seconds: 0.25, ..ResourceUsage::default() },
        error: fault.as_ref().map(Fault::to_string),
        fault,
        completed_at: NOW.to_system_time(),
    };
    let agent_id = Some(Uuid::from_u128(2).into());
    let line = LogLine { level: LogLevel::Warn, message: "no row".into() };
    let log = LogTail { lines: vec![line], bytes_left_out: 0 };
    Ran { result, genome: Some(Digest::of(b"genome")), agent_id, log }
}

fn settled(fault: Fault, counts: Counts, budget: &mut RetryBudget, chance: f64) -> Settlement {
    settle(ran(Some(fault)), counts, &RetryPolicy::default(), budget, NOW, MOMENT, chance)
}

fn first(fault: Fault) -> Settlement {
    settled(fault, FIRST, &mut RetryBudget::new(), WHOLE)
}

/// How long a retried task waits.
fn wait(settlement: &Settlement) -> Duration {
    let Settlement::Retry { at, .. } = settlement else { panic!("{settlement:?}") };
    at.since(NOW)
}

fn empty() -> RetryBudget {
    let mut budget = RetryBudget::new();
    while budget.withdraw(MOMENT) {}
    budget
}

#[test]
fn every_fault_leads_where_the_table_says() {
    for (fault, expected, blames) in table() {
        assert_eq!(kind(&first(fault.clone())), expected, "{fault:?}");
        assert_eq!(blames_agent(Some(&fault)), blames, "{fault:?}");
    }
    let mut numbers: Vec<usize> = table().iter().map(|(fault, ..)| number(fault)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..KINDS).collect::<Vec<_>>(), "every kind of fault is in the table");
}

#[test]
fn beside_others_a_genome_fails_at_what_it_refuses_and_at_answers_that_are_too_large() {
    let during = Call::ExecuteTask;
    let rows = [
        (GuestFault::InvalidInput { during, message: text() }.into(), Some(true)),
        (GuestFault::RefusedOutput { during, reason: text() }.into(), Some(true)),
        (breach(QuotaKind::HostMemory), Some(true)),
        (breach(QuotaKind::Memory), Some(true)),
        (trap(), Some(true)),
        (of_the_task(QuotaKind::Memory), None),
        (of_the_task(QuotaKind::ExecutionTime), None),
        (host_fault(), None),
    ];
    for (fault, fails) in rows {
        assert_eq!(fails_beside_others(Some(&fault)), fails, "{fault:?}");
    }
    assert_eq!(fails_beside_others(None), Some(false));
}

#[test]
fn an_output_is_a_success_and_speaks_for_the_agent() {
    let (run, mut budget) = (ran(None), empty());
    let last = Counts { attempt: 3, ..FIRST };
    let settlement =
        settle(run.clone(), last, &RetryPolicy::default(), &mut budget, NOW, MOMENT, WHOLE);
    assert_eq!(settlement, Settlement::Succeeded(run.result));
    assert_eq!(blames_agent(None), Some(false));
}

#[test]
fn the_last_attempt_is_the_last_of_the_agents_own_faults_only() {
    let last = Counts { attempt: 3, ..FIRST };
    for (fault, expected, _) in table() {
        let mut budget = RetryBudget::new();
        let expected = match expected {
            Kind::Retry => Kind::Dead(DeadReason::AttemptsExhausted),
            other => other,
        };
        assert_eq!(kind(&settled(fault.clone(), last, &mut budget, WHOLE)), expected, "{fault:?}");
    }
}

#[test]
fn a_host_that_fails_a_task_again_and_again_gives_it_up() {
    let after = |host_faults| {
        let counts = Counts { host_faults, ..FIRST };
        kind(&settled(host_fault(), counts, &mut RetryBudget::new(), WHOLE))
    };
    let most = RetryPolicy::default().host_faults();
    assert_eq!(after(most - 1), Kind::HostRetry);
    assert_eq!(after(most), Kind::Dead(DeadReason::HostFault));

    let none = RetryPolicy::new(Duration::from_secs(1), Duration::from_secs(1), 0).unwrap();
    let run = ran(Some(host_fault()));
    let settlement = settle(run, FIRST, &none, &mut RetryBudget::new(), NOW, MOMENT, WHOLE);
    assert_eq!(kind(&settlement), Kind::Dead(DeadReason::HostFault));
}

#[test]
fn a_guest_that_says_when_is_not_run_before() {
    let ask = |ms| wait(&first(unavailable(Some(ms)))).as_millis();
    assert_eq!(ask(0), 500, "the backoff, where that is longer");
    assert_eq!(ask(90_000), 90_000, "beyond the cap");
    assert_eq!(ask(u64::MAX), LONGEST_ASKED_DELAY.as_millis());

    let mut budget = RetryBudget::new();
    let lucky = settled(unavailable(Some(300)), FIRST, &mut budget, 0.0);
    assert_eq!(wait(&lucky).as_millis(), 300, "whatever chance says");
}

#[test]
fn the_wait_grows_with_the_agents_attempts_and_the_hosts_own_with_its_faults() {
    let waits = |fault: Fault, counts: fn(u32) -> Counts| -> Vec<u128> {
        let wait_of = |n| wait(&settled(fault.clone(), counts(n), &mut RetryBudget::new(), WHOLE));
        (0..4).map(|n| wait_of(n).as_millis()).collect()
    };
    let attempts = |n| Counts { attempt: n + 1, max_attempts: 9, host_faults: 9 };
    let host_faults = |n| Counts { attempt: 9, max_attempts: 9, host_faults: n };
    assert_eq!(waits(trap(), attempts), [500, 1000, 2000, 4000]);
    assert_eq!(waits(host_fault(), host_faults), [500, 1000, 2000, 4000]);
}

#[test]
fn over_its_budget_a_retry_waits_for_the_cap() {
    let cap = RetryPolicy::default().cap();
    let mut budget = empty();
    for chance in [0.0, WHOLE] {
        assert_eq!(wait(&settled(trap(), FIRST, &mut budget, chance)), cap);
    }
    let asked = settled(unavailable(Some(120_000)), FIRST, &mut budget, 0.0);
    assert_eq!(wait(&asked), Duration::from_secs(120), "a guest's longer wait is kept");
    let host = settled(host_fault(), FIRST, &mut budget, WHOLE);
    assert_eq!(wait(&host).as_millis(), 500, "the budget is the agent type's, not the host's");
}

#[test]
fn only_a_retry_of_the_agents_own_fault_takes_from_the_budget() {
    for (fault, expected, _) in table() {
        let mut budget = RetryBudget::new();
        let _ = settled(fault.clone(), FIRST, &mut budget, WHOLE);
        let left = std::iter::from_fn(|| budget.withdraw(MOMENT).then_some(())).count();
        assert_eq!(left, if expected == Kind::Retry { 9 } else { 10 }, "{fault:?}");
    }
}

#[test]
fn a_failed_attempt_is_kept_with_all_that_is_known_of_it() {
    let run = ran(Some(trap()));
    let expected = Attempt {
        number: 2,
        ended_at: NOW,
        error: AttemptError::Fault(trap()),
        usage: Some(run.result.resource_usage.clone()),
        genome: run.genome,
        agent_id: run.agent_id,
        log: run.log,
    };
    let second = Counts { attempt: 2, ..FIRST };
    let Settlement::Retry { failed, .. } = settled(trap(), second, &mut RetryBudget::new(), WHOLE)
    else {
        panic!("a trap is retried")
    };
    assert_eq!(failed, expected);

    let only = Counts { attempt: 2, max_attempts: 2, ..FIRST };
    let settlement = settled(trap(), only, &mut RetryBudget::new(), WHOLE);
    let (reason, result) = (DeadReason::AttemptsExhausted, run.result);
    assert_eq!(settlement, Settlement::Dead { reason, failed: expected, result });
}

#[test]
fn a_settlement_in_another_form_is_the_same_settlement() {
    for fault in table().into_iter().map(|(fault, ..)| fault) {
        let settlement = first(fault);
        let before = kind(&settlement);
        assert_eq!(kind(&settlement.map(|result| result.task_id)), before);
    }
    let done = Settlement::Succeeded(2).map(|n| n * 2);
    assert_eq!(done, Settlement::Succeeded(4));
}

#[test]
fn a_task_that_ended_without_a_run_says_why() {
    let results = [
        (cancelled(id(), NOW), "cancelled"),
        (expired(id(), NOW), "past-deadline"),
        (lost(id(), 3, NOW), "host-crashed"),
    ];
    for (result, code) in results {
        let fault = result.fault.as_ref().unwrap();
        assert_eq!(fault.code(), code);
        assert_eq!(result.error, Some(fault.to_string()));
        assert_eq!(
            (result.task_id, result.success, result.output.to_value()),
            (id(), false, Value::Null)
        );
        assert_eq!(result.completed_at, NOW.to_system_time());
        assert_eq!(result.resource_usage, ResourceUsage::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the counts: a retry is within bounds, and no retry follows the
    /// last attempt or the last fault of the host.
    #[test]
    fn a_settlement_stays_within_bounds(
        which: proptest::sample::Index,
        attempt in 1_u32..200,
        max_attempts in 1_u32..200,
        host_faults in 0_u32..20,
        asked in proptest::option::of(any::<u64>()),
        chance: f64,
        spent: bool,
    ) {
        let mut faults: Vec<Fault> = table().into_iter().map(|(fault, ..)| fault).collect();
        faults.push(unavailable(asked));
        let counts = Counts { attempt, max_attempts, host_faults };
        let policy = RetryPolicy::default();
        let mut budget = if spent { empty() } else { RetryBudget::new() };
        let run = ran(Some(which.get(&faults).clone()));
        let settlement = settle(run.clone(), counts, &policy, &mut budget, NOW, MOMENT, chance);
        match settlement {
            Settlement::Retry { at, failed, host } => {
                prop_assert!(at >= NOW);
                prop_assert!(at.since(NOW) <= policy.cap().max(LONGEST_ASKED_DELAY));
                prop_assert_eq!(failed.number, attempt);
                if host {
                    prop_assert!(host_faults < policy.host_faults());
                } else {
                    prop_assert!(attempt < max_attempts);
                    prop_assert!(!spent || at.since(NOW) >= policy.cap());
                }
            }
            Settlement::Dead { failed, result, .. } => {
                prop_assert_eq!(failed.number, attempt);
                prop_assert_eq!(result, run.result);
            }
            Settlement::Cancelled(result) => prop_assert_eq!(result, run.result),
            Settlement::GiveBack => {}
            Settlement::Succeeded(_) => prop_assert!(false, "a fault is no success"),
        }
    }
}
