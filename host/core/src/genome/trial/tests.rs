//! Simulations of trials: candidates of every kind, all seeded, judged after every
//! run. `--nocapture` prints how many tasks each one took.

use std::f64::consts::TAU;
use std::time::Duration;

use super::*;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

/// How an agent behaves.
#[derive(Clone, Copy)]
struct Agent {
    errors: f64,
    slower: f64,
    /// Mebibytes that an instance gains with each of its 200 tasks.
    leak: f64,
    wrong: f64,
    sigma: f64,
    /// Share of runs that take twenty times as long.
    stalls: f64,
}

const SOUND: Agent =
    Agent { errors: 0.01, slower: 1.0, leak: 0.0, wrong: 0.02, sigma: 0.4, stalls: 0.0 };

/// How a trial went.
struct Ended {
    verdict: Verdict,
    candidate: u64,
    all: u64,
}

/// Which share of the tasks the candidate is given, and how busy the host is.
#[derive(Clone, Copy)]
enum Traffic {
    /// Always the same share, and always as busy.
    Steady(f64),
    /// By turns a tenth of the tasks under little load, and half of them while
    /// everything takes half as long again; and slow waves within.
    Hours,
}

impl Traffic {
    fn share_and_load(self, task: u64) -> (f64, f64) {
        match self {
            Traffic::Steady(share) => (share, 1.0),
            Traffic::Hours => {
                let wave = 1.0 + 0.2 * (task as f64 * TAU / 500.0).sin();
                if (task / 2500).is_multiple_of(2) { (0.1, wave) } else { (0.5, 1.5 * wave) }
            }
        }
    }
}

/// Runs a trial to its end. Every third output is judged.
fn run(seed: u64, champion: Agent, candidate: Agent, traffic: Traffic, policy: &Policy) -> Ended {
    let (mut chance, mut trial) = (Chance(seed), Trial::new());
    let (mut before, mut task) = (0.0, 0);
    loop {
        let (share, load) = traffic.share_and_load(task);
        if share != before {
            trial.change_share();
        }
        (before, task) = (share, task + 1);
        let side = if chance.unit() < share { Side::Candidate } else { Side::Champion };
        let agent = if side == Side::Candidate { candidate } else { champion };
        let stall = if chance.unit() < agent.stalls { 20.0 } else { 1.0 };
        let millis = 20.0 * load * agent.slower * stall * (agent.sigma * chance.normal()).exp();
        let age = (trial.tasks(side) % 200) as f64;
        let memory_mb = Some((8.0 + agent.leak * age) * (0.05 * chance.normal()).exp());
        let failed = chance.unit() < agent.errors;
        let latency = Duration::from_secs_f64(millis / 1000.0);
        trial.observe(side, &Observation { failed, latency: Some(latency), memory_mb });
        if !failed && chance.unit() < 1.0 / 3.0 {
            let right = chance.unit() >= agent.wrong;
            trial.judge(side, if right { 1.0 } else { 0.0 });
        }
        let verdict = trial.state(policy);
        if verdict != Verdict::Undecided {
            let candidate = trial.tasks(Side::Candidate);
            return Ended { verdict, candidate, all: candidate + trial.tasks(Side::Champion) };
        }
    }
}

/// Many trials, on all processors.
fn runs(
    seeds: u64,
    champion: Agent,
    candidate: Agent,
    traffic: Traffic,
    policy: Policy,
) -> Vec<Ended> {
    std::thread::scope(|scope| {
        let part = |first| {
            move || -> Vec<Ended> {
                let seeds = (first..seeds).step_by(4);
                seeds
                    .map(|seed| run(7919 * (seed + 1), champion, candidate, traffic, &policy))
                    .collect()
            }
        };
        let parts: Vec<_> = (0..4).map(|first| scope.spawn(part(first))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

fn detect(name: &str, measure: Measure, champion: Agent, candidate: Agent, share: f64, most: u64) {
    let ended = runs(12, champion, candidate, Traffic::Steady(share), Policy::default());
    let found = |one: &&Ended| match &one.verdict {
        Verdict::Worse { findings } => findings.iter().any(|finding| finding.measure == measure),
        Verdict::Undecided | Verdict::NotWorse | Verdict::Better | Verdict::CannotTell => false,
    };
    let count = ended.iter().filter(found).count();
    let middle = |figure: fn(&Ended) -> u64| {
        let mut figures: Vec<u64> = ended.iter().map(figure).collect();
        figures.sort_unstable();
        (figures[figures.len() / 2], figures[figures.len() - 1])
    };
    let ((median, worst), (all, _)) = (middle(|one| one.candidate), middle(|one| one.all));
    println!(
        "{name}, {:.0} % of tasks: found {count} of {}, after {median} tasks of its own \
         (at the most {worst}), {all} of both",
        share * 100.0,
        ended.len()
    );
    assert!(count * 10 >= ended.len() * 9, "{name}: {count}");
    assert!(median <= most, "{name} took {median} tasks");
}

#[test]
fn five_per_cent_slower_is_found() {
    let slower = Agent { slower: 1.05, ..SOUND };
    detect("5 % slower", Measure::Latency, SOUND, slower, 0.5, 2500);
    detect("5 % slower", Measure::Latency, SOUND, slower, 0.1, 1500);
}

#[test]
fn two_points_more_errors_are_found() {
    let failing = Agent { errors: 0.03, ..SOUND };
    detect("errors 3 % for 1 %", Measure::Errors, SOUND, failing, 0.5, 3000);
    detect("errors 3 % for 1 %", Measure::Errors, SOUND, failing, 0.1, 2000);
    let (never, sometimes) = (Agent { errors: 0.0, ..SOUND }, Agent { errors: 0.02, ..SOUND });
    detect("errors 2 % for none", Measure::Errors, never, sometimes, 0.5, 1500);
    let broken = Agent { errors: 1.0, ..SOUND };
    detect("fails always", Measure::Errors, SOUND, broken, 0.1, 10);
}

#[test]
fn a_leak_is_found() {
    let leaking = Agent { leak: 0.05, ..SOUND };
    detect("leaks 50 KiB a task", Measure::Memory, SOUND, leaking, 0.1, 300);
}

#[test]
fn wrong_answers_are_found() {
    let (right, wrong) = (Agent { wrong: 0.0, ..SOUND }, Agent { wrong: 0.05, ..SOUND });
    detect("5 % wrong for none", Measure::Accuracy, right, wrong, 0.5, 1500);
    let wrong = Agent { wrong: 0.07, ..SOUND };
    detect("7 % wrong for 2 %", Measure::Accuracy, SOUND, wrong, 0.5, 3500);
}

fn alike(name: &str, agent: Agent, traffic: Traffic, policy: Policy) {
    let ended = runs(200, agent, agent, traffic, policy);
    let count =
        |matches: fn(&Verdict) -> bool| ended.iter().filter(|one| matches(&one.verdict)).count();
    let worse = count(|verdict| matches!(verdict, Verdict::Worse { .. }));
    let passed = count(|verdict| *verdict == Verdict::NotWorse);
    let unsure = count(|verdict| *verdict == Verdict::CannotTell);
    println!("A/A, {name}: of 200, {worse} condemned, {passed} passed, {unsure} could not be told");
    assert!(worse <= 10, "{worse} of 200 were condemned");
    assert_eq!(worse + passed + unsure, 200);
}

/// Cut short where the compiler did not optimise, to keep it fast; that most
/// pass in the end is the business of the next test.
#[test]
fn the_same_genome_is_rarely_condemned() {
    let most_samples = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let policy = Policy { most_samples, ..Policy::default() };
    alike("log-normal, half of tasks", SOUND, Traffic::Steady(0.5), policy);
    let stalling = Agent { stalls: 0.01, ..SOUND };
    alike("1 % of runs 20 times as long", stalling, Traffic::Steady(0.5), policy);
    let unsteady = Agent { sigma: 0.5, stalls: 0.01, errors: 0.1, wrong: 0.1, ..SOUND };
    alike("wide, many errors, 20 % of tasks", unsteady, Traffic::Steady(0.2), policy);
    alike("a share that changes with the load", SOUND, Traffic::Hours, policy);
}

#[test]
fn the_same_genome_passes_in_the_end() {
    let agent = Agent { errors: 0.002, wrong: 0.0, sigma: 0.3, ..SOUND };
    let ended = runs(4, agent, agent, Traffic::Steady(0.5), Policy::default());
    let passed = ended.iter().filter(|one| one.verdict == Verdict::NotWorse).count();
    let mut tasks: Vec<u64> = ended.iter().map(|one| one.candidate).collect();
    tasks.sort_unstable();
    println!("A/A to the end: {passed} of 4 passed, after {} tasks of its own", tasks[2]);
    assert!(passed >= 3, "{passed}");
}

fn observation(millis: u64) -> Observation {
    Observation { failed: false, latency: Some(Duration::from_millis(millis)), memory_mb: None }
}

#[test]
fn before_the_least_samples_latency_condemns_neither() {
    let policy = Policy::default();
    let mut trial = Trial::new();
    for _ in 0..policy.least_samples {
        assert_eq!(trial.state(&policy), Verdict::Undecided);
        trial.observe(Side::Champion, &observation(10));
        trial.observe(Side::Candidate, &observation(20));
    }
    let Verdict::Worse { findings } = trial.state(&policy) else { panic!("twice as slow") };
    let [finding] = findings[..] else { panic!("{findings:?}") };
    assert_eq!(finding.measure, Measure::Latency);
    assert!(finding.low > 1.9 && finding.high < 2.1, "{finding}");
}

/// Certain and small is not worse: the interval lies within the margin.
#[test]
fn a_certain_but_small_difference_passes() {
    let policy = Policy::default();
    let mut trial = Trial::new();
    for _ in 0..2000 {
        trial.observe(Side::Champion, &observation(1000));
        trial.observe(Side::Candidate, &observation(1010));
    }
    assert_eq!(trial.state(&policy), Verdict::NotWorse);
    let findings = trial.findings(&policy);
    assert_eq!(findings.len(), 2, "memory and accuracy were not measured");
    assert!(findings[1].low > 1.0 && findings[1].high < 1.03, "{}", findings[1]);
}

#[test]
fn a_trial_ends_at_its_most_samples() {
    let policy = Policy { most_samples: 60, ..Policy::default() };
    let mut trial = Trial::new();
    for _ in 0..59 {
        trial.observe(Side::Candidate, &observation(1));
        assert_eq!(trial.state(&policy), Verdict::Undecided);
    }
    trial.observe(Side::Candidate, &observation(1));
    assert_eq!(trial.state(&policy), Verdict::CannotTell, "the champion never ran");
}

#[test]
fn strata_are_bounded_and_empty_ones_are_none() {
    let mut trial = Trial::new();
    trial.change_share();
    assert!(trial.closed.is_empty());
    for _ in 0..100 {
        trial.observe(Side::Champion, &observation(1));
        trial.change_share();
    }
    assert_eq!(trial.strata().len(), MOST_STRATA);
    assert_eq!(trial.tasks(Side::Champion), 100);
}

#[test]
fn a_trial_goes_on_after_its_json() {
    let policy = Policy::default();
    let mut trial = Trial::new();
    for millis in 1..200 {
        trial.observe(Side::Champion, &observation(millis));
        trial.observe(Side::Candidate, &observation(millis * 2));
        trial.judge(Side::Candidate, 0.5);
        if millis == 20 {
            trial.change_share();
        }
    }
    let again: Trial = serde_json::from_str(&serde_json::to_string(&trial).unwrap()).unwrap();
    assert_eq!(again.tasks(Side::Candidate), 199);
    let (verdict, same) = (trial.state(&policy), again.state(&policy));
    assert_eq!(verdict.to_string(), same.to_string());
    assert!(verdict.to_string().starts_with("worse: latency"), "{verdict}");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["verdict"], "worse");
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
}

/// Runs that all go alike, on both sides; each with its memory, if it is measured there.
fn alike_for(runs: u64, memory: [Option<f64>; 2]) -> Trial {
    let mut trial = Trial::new();
    for _ in 0..runs {
        for (side, memory_mb) in [Side::Champion, Side::Candidate].into_iter().zip(memory) {
            let latency = Some(Duration::from_millis(20));
            trial.observe(side, &Observation { failed: false, latency, memory_mb });
        }
    }
    trial
}

/// Without failures the share of errors takes the most runs to show.
const MANY: u64 = 4000;

#[test]
fn what_was_not_measured_on_both_sides_holds_no_trial_up() {
    let policy = Policy::default();
    for memory in [[None, None], [Some(8.0), None], [None, Some(8.0)], [Some(8.0), Some(8.0)]] {
        assert_eq!(alike_for(MANY, memory).state(&policy), Verdict::NotWorse, "{memory:?}");
        assert_eq!(alike_for(49, memory).state(&policy), Verdict::Undecided, "{memory:?}");
    }
}

#[test]
fn what_was_measured_too_seldom_is_not_within_its_margin() {
    let policy = Policy::default();
    let mut trial = alike_for(MANY, [None, Some(8.0)]);
    let run = Observation {
        failed: false,
        latency: Some(Duration::from_millis(20)),
        memory_mb: Some(8.0),
    };
    trial.observe(Side::Champion, &run);
    assert_eq!(trial.state(&policy), Verdict::Undecided, "one figure has no spread");
    // A judged answer or two show nothing of accuracy either.
    let mut trial = alike_for(MANY, [None, None]);
    trial.judge(Side::Champion, 1.0);
    assert_eq!(trial.state(&policy), Verdict::NotWorse, "of one side alone");
    trial.judge(Side::Candidate, 1.0);
    assert_eq!(trial.state(&policy), Verdict::Undecided);
}

#[test]
fn findings_are_in_the_units_that_people_read() {
    let mut trial = alike_for(200, [Some(8.0), Some(8.0)]);
    for (side, accuracy) in [(Side::Champion, 1.0), (Side::Candidate, 0.5)] {
        trial.judge(side, accuracy);
    }
    trial.change_share();
    let failed = Observation { failed: true, latency: None, memory_mb: None };
    (0..200).for_each(|_| trial.observe(Side::Candidate, &failed));
    let findings = trial.findings(&Policy::default());
    let figures = |measure| {
        let found = findings.iter().find(|finding| finding.measure == measure).unwrap();
        assert!(found.low <= found.high, "{found:?}");
        (found.champion, found.candidate, found.margin)
    };
    let near = |(a, b, c): (f64, f64, f64), (d, e, f): (f64, f64, f64)| {
        let is_near = |x: f64, y: f64| (x - y).abs() < 1e-9;
        assert!(is_near(a, d) && is_near(b, e) && is_near(c, f), "{a} {b} {c}");
    };
    near(figures(Measure::Errors), (0.0, 0.5, 0.01));
    near(figures(Measure::Latency), (20.0, 20.0, 1.03));
    near(figures(Measure::Memory), (8.0, 8.0, 1.1));
    near(figures(Measure::Accuracy), (1.0, 0.5, 0.01));
    assert_eq!(Trial::new().findings(&Policy::default()), []);
}
