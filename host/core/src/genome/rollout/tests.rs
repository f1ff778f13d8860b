//! Every edge of a rollout, and what its hash promises.

use std::time::Duration;

use proptest::prelude::*;

use super::super::trial::{Margins, Measure};
use super::*;

fn genome(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn plan() -> Plan {
    let policy = Policy { least_samples: 10, most_samples: 5000, ..Policy::default() };
    Plan { least_per_step: 10, policy, ..Plan::default() }
}

fn start(plan: Plan) -> Rollout {
    Rollout::start(plan, genome("old"), genome("new")).unwrap()
}

fn run(failed: bool) -> Observation {
    Observation { failed, latency: Some(Duration::from_millis(10)), memory_mb: Some(1.0) }
}

/// Both sides run well until something changes.
fn until_it_changes(rollout: &mut Rollout) -> Change {
    for _ in 0..20_000 {
        for side in [Side::Champion, Side::Candidate] {
            let change = rollout.observe(side, &run(false));
            if change != Change::None {
                return change;
            }
        }
    }
    Change::None
}

/// A rollout in each of its ends.
fn ended() -> Vec<Rollout> {
    let (mut promoted, mut aborted, mut worse) = (start(plan()), start(plan()), start(plan()));
    promoted.promote("ada").unwrap();
    aborted.abort("ada").unwrap();
    for _ in 0..100 {
        worse.observe(Side::Champion, &run(false));
        worse.observe(Side::Candidate, &run(true));
    }
    let mut unsure = start(tiny(WhenUnsure::KeepChampion));
    until_it_changes(&mut unsure);
    vec![promoted, aborted, worse, unsure]
}

/// A plan that ends before anything can be shown.
fn tiny(when_unsure: WhenUnsure) -> Plan {
    let policy = Policy { least_samples: 20, most_samples: 20, ..Policy::default() };
    Plan { steps: vec![0.1], least_per_step: 20, policy, when_unsure, ..Plan::default() }
}

#[test]
fn a_sound_candidate_takes_every_step_and_is_promoted() {
    let mut rollout = start(plan());
    assert_eq!((rollout.state(), rollout.share()), (&RolloutState::Running { step: 0 }, 0.05));
    assert_eq!(until_it_changes(&mut rollout), Change::Step { share: 0.25 });
    assert_eq!(until_it_changes(&mut rollout), Change::Step { share: 0.5 });
    assert_eq!(rollout.trial().tasks(Side::Candidate), 20);
    assert_eq!(until_it_changes(&mut rollout), Change::Ended);
    assert_eq!(rollout.state(), &RolloutState::Promoted { how: How::Passed });
    assert_eq!((rollout.share(), rollout.lane("anyone")), (1.0, TrafficArm::Candidate));
    assert!(rollout.trial().tasks(Side::Candidate) < 5000);
}

/// With margins so wide that a few runs show that it is no worse.
#[test]
fn the_last_step_takes_as_many_runs_as_each_other() {
    let margins = Margins { errors: 0.9, latency: 10.0, memory: 10.0, accuracy: 0.9 };
    let policy = Policy { margins, ..plan().policy };
    let steps = vec![0.1, 0.5];
    let mut rollout = start(Plan { steps, least_per_step: 100, policy, ..plan() });
    assert_eq!(until_it_changes(&mut rollout), Change::Step { share: 0.5 });
    assert_eq!(rollout.trial().tasks(Side::Candidate), 100);
    assert_eq!(until_it_changes(&mut rollout), Change::Ended);
    assert_eq!(rollout.trial().tasks(Side::Candidate), 200);
}

#[test]
fn a_candidate_that_fails_is_rolled_back_within_its_first_step() {
    let mut rollout = start(plan());
    for _ in 0..50 {
        rollout.observe(Side::Champion, &run(false));
    }
    let failures = (1..10).find(|_| rollout.observe(Side::Candidate, &run(true)) == Change::Ended);
    assert!(failures.is_some_and(|failures| failures < 10), "{failures:?}");
    let RolloutState::RolledBack { findings } = rollout.state() else {
        panic!("{}", rollout.state());
    };
    assert!(findings[0].to_string().starts_with("errors: 100.00 % of tasks, the champion 0.00 %"));
    assert!(rollout.state().to_string().starts_with("rolled back: errors"));
    assert_eq!((rollout.share(), rollout.lane("anyone")), (0.0, TrafficArm::Others));
}

/// The champion is seldom run: its breaker is open most of the time.
#[test]
fn a_candidate_that_holds_where_the_champion_fails_is_promoted_at_once() {
    let small = Observation { memory_mb: Some(0.1), ..run(true) };
    let mut rollout = start(plan());
    let mut probes = 0;
    while *rollout.state() == (RolloutState::Running { step: 0 }) {
        probes += 1;
        assert!(probes < 10);
        rollout.observe(Side::Champion, &small);
        rollout.observe_apart(Side::Champion, true);
        rollout.observe_apart(Side::Candidate, false);
    }
    assert_eq!(rollout.state(), &RolloutState::Promoted { how: How::Passed });
    assert_eq!(rollout.trial().state(&rollout.plan().policy), Verdict::Better);
}

/// What both need is away for a while: the breaker of one opens before that of
/// the other, which meets all the failures then.
#[test]
fn a_time_in_which_both_fail_condemns_neither() {
    let mut rollout = start(plan());
    for _ in 0..9 {
        rollout.observe(Side::Champion, &run(false));
        rollout.observe(Side::Candidate, &run(false));
    }
    for _ in 0..9 {
        rollout.observe_apart(Side::Champion, true);
        (0..30)
            .for_each(|_| assert!(rollout.observe_apart(Side::Candidate, true) != Change::Ended));
    }
    assert!(matches!(rollout.state(), RolloutState::Running { .. }), "{}", rollout.state());
    let trial = rollout.trial();
    assert_eq!((trial.tasks(Side::Candidate), trial.compared(Side::Candidate)), (9 + 270, 9));
}

#[test]
fn wrong_answers_roll_back_too() {
    let mut rollout = start(plan());
    for _ in 0..50 {
        assert_eq!(rollout.judge(Side::Champion, 1.0), Change::None);
    }
    assert!((0..50).any(|_| rollout.judge(Side::Candidate, 0.0) == Change::Ended));
    assert!(rollout.state().to_string().starts_with("rolled back: accuracy"));
}

#[test]
fn the_plan_says_what_happens_when_the_trial_is_undecided() {
    let rows = [
        (WhenUnsure::KeepChampion, RolloutState::Inconclusive, 0.0),
        (WhenUnsure::Promote, RolloutState::Promoted { how: How::Unsure }, 1.0),
    ];
    for (when_unsure, state, share) in rows {
        let mut rollout = start(tiny(when_unsure));
        assert_eq!(until_it_changes(&mut rollout), Change::Ended);
        assert_eq!((rollout.state(), rollout.share()), (&state, share));
    }
    assert_eq!(WhenUnsure::default(), WhenUnsure::KeepChampion);
}

#[test]
fn an_end_is_final() {
    for mut rollout in ended() {
        let before = rollout.clone();
        assert!(!matches!(rollout.state(), RolloutState::Running { .. }));
        let refused = rollout.promote("bob").unwrap_err();
        assert_eq!(&refused.state, before.state());
        assert!(refused.to_string().starts_with("the rollout is over ("), "{refused}");
        assert_eq!(rollout.abort("bob").unwrap_err().state, *before.state());
        assert_eq!(rollout.observe(Side::Candidate, &run(true)), Change::None);
        assert_eq!(rollout.judge(Side::Candidate, 0.0), Change::None);
        assert_eq!(rollout, before, "nothing changed");
    }
}

#[test]
fn a_rollout_goes_on_after_its_json() {
    let mut running = start(plan());
    until_it_changes(&mut running);
    for rollout in ended().into_iter().chain([running]) {
        let json = serde_json::to_string(&rollout).unwrap();
        let again: Rollout = serde_json::from_str(&json).unwrap();
        // Floats of findings may differ in the last digit.
        assert_eq!(again.state().to_string(), rollout.state().to_string());
        assert_eq!(again.share(), rollout.share());
        assert_eq!(again.lane("a key"), rollout.lane("a key"));
    }
}

#[test]
fn a_plan_out_of_range_names_everything() {
    assert_eq!(Plan::default().complaints(), [""; 0]);
    let policy = Policy { alpha: 2.0, ..Policy::default() };
    let salt = "s".repeat(201);
    let steps = vec![0.5, 0.25, 0.0, f64::NAN];
    let wrong = Plan { steps, least_per_step: 0, policy, salt, ..Plan::default() };
    let complaints = wrong.complaints();
    assert_eq!(complaints.len(), 6, "{complaints:#?}");
    assert!(complaints[5].starts_with("policy.alpha is 2"), "{complaints:#?}");
    let not_started = Rollout::start(wrong, genome("old"), genome("new")).unwrap_err();
    assert_eq!(not_started, NotStarted::Plan(complaints));

    let complaints = |steps: Vec<f64>| Plan { steps, ..Plan::default() }.complaints().len();
    assert_eq!(complaints(vec![]), 1);
    assert_eq!(complaints(vec![1.0]), 1, "nothing to hold it against");
    assert_eq!(complaints(vec![0.1, 1.0]), 0);
    assert_eq!(complaints(vec![0.1, 0.1]), 1, "a step that is none");
    let same = Rollout::start(Plan::default(), genome("old"), genome("old"));
    assert_eq!(same.unwrap_err(), NotStarted::SameGenome(genome("old")));
}

#[test]
fn the_control_is_given_as_much_as_the_candidate() {
    let keys = || (0..4000).map(|n| format!("customer {n}"));
    let share = |rollout: &Rollout, lane| {
        keys().filter(|key| rollout.lane(key) == lane).count() as f64 / 4000.0
    };
    for (step, control) in [(0.05, 0.05), (0.25, 0.25), (0.5, 0.5), (0.8, 0.2)] {
        let rollout = start(Plan { steps: vec![step], ..plan() });
        for (lane, expected) in [(TrafficArm::Candidate, step), (TrafficArm::Control, control)] {
            assert!((share(&rollout, lane) - expected).abs() < 0.04, "{lane:?} of {step}");
        }
        let without = rollout.without_control();
        assert_eq!(share(&without, TrafficArm::Control), 0.0);
        assert!((share(&without, TrafficArm::Candidate) - step).abs() < 0.04);
    }
}

/// Where nothing is as new as the candidate and has as much to do, it is not
/// held against it that it is slow.
#[test]
fn without_a_control_time_is_compared_from_a_half_on() {
    let slow = Observation { latency: Some(Duration::from_secs(1)), ..run(false) };
    let condemned = |mut rollout: Rollout| {
        for _ in 0..200 {
            rollout.observe(Side::Champion, &run(false));
            rollout.observe(Side::Candidate, &slow);
            if let RolloutState::RolledBack { findings } = rollout.state() {
                return Some((rollout.trial().tasks(Side::Candidate), findings[0].measure));
            }
        }
        None
    };
    let twentieth = || start(Plan { steps: vec![0.05], ..plan() });
    assert!(matches!(condemned(twentieth()), Some((..20, Measure::Latency))));
    assert_eq!(condemned(twentieth().without_control()), None);
    let half = start(Plan { steps: vec![0.5], ..plan() }).without_control();
    assert!(matches!(condemned(half), Some((..20, Measure::Latency))));
}

#[test]
fn a_hash_is_the_same_on_every_host() {
    // sha256 of 1, "a" and 1, "b", each length in eight bytes.
    assert_eq!(sticky("a", "b"), sticky("a", "b"));
    assert!((sticky("a", "b") - PUBLISHED).abs() < 1e-15, "{}", sticky("a", "b"));
    assert_ne!(sticky("ab", "c"), sticky("a", "bc"));
}

/// By `printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\1b' | sha256sum`.
const PUBLISHED: f64 = 0.23677593848491274;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_share_of_the_keys_lies_below_it(salt in ".{0,20}", share in 0.0..1.0) {
        let below = (0..4000).filter(|n| sticky(&salt, &format!("customer {n}")) < share).count();
        // Five standard deviations of a fair draw.
        let most = 5.0 * (share * (1.0 - share) / 4000.0).sqrt() + 1e-3;
        let found = below as f64 / 4000.0;
        prop_assert!((found - share).abs() <= most, "{found} of {share}");
    }

    #[test]
    fn a_key_meets_the_candidate_again_at_the_next_step(keys in proptest::collection::vec(".*", 50)) {
        let mut rollout = start(plan());
        let mut before: Vec<String> = Vec::new();
        for _ in 0..3 {
            prop_assert!(before.iter().all(|key| rollout.lane(key) == TrafficArm::Candidate));
            before = keys.iter().filter(|key| rollout.lane(key) == TrafficArm::Candidate).cloned().collect();
            until_it_changes(&mut rollout);
        }
    }

    #[test]
    fn a_key_lies_from_zero_to_below_one(salt in ".*", key in ".*") {
        prop_assert!((0.0..1.0).contains(&sticky(&salt, &key)));
    }
}
