//! The formula, held to what its documentation says.

use std::time::Duration;

use proptest::prelude::*;

use super::super::compare::{Measured, Pair, compare};
use super::super::trial::Margins;
use super::*;

fn measured(success: bool, agrees: bool, millis: u64) -> Measured {
    let (agrees, latency) = (Some(agrees), Duration::from_millis(millis));
    Measured { success, agrees, latency, cpu_seconds: 0.01, memory_peak_mb: 2.0 }
}

fn fitness(
    champion: Measured,
    candidates: impl Fn(usize) -> Measured,
    sizes: (u64, u64),
) -> Fitness {
    let pairs: Vec<Pair> = (0..100).map(|n| Pair { champion, candidate: candidates(n) }).collect();
    let comparison = compare(&pairs, 0.95, &Margins::default());
    Fitness::of_comparison(&comparison, sizes, &Weights::default())
}

const SOUND: Measurements = Measurements {
    tasks: 100,
    succeeded: 100,
    checked: 0,
    agreed: 0,
    latency_ms: 10.0,
    cpu_seconds: 0.01,
    memory_peak_mb: 2.0,
    size_bytes: 1000,
    objective: Some(50.0),
};

fn score(own: Measurements) -> f64 {
    Fitness::of_genome(&own, &SOUND, &Weights::default()).score
}

fn has_interval(fitness: &Fitness, of: Criterion) -> bool {
    fitness.terms.iter().any(|term| term.criterion == of && term.interval.is_some())
}

#[test]
fn the_champion_itself_has_one_half() {
    let good = measured(true, true, 10);
    let fitness = fitness(good, |_| good, (1000, 1000));
    assert_eq!((fitness.score, fitness.formula), (0.5, 1));
    assert_eq!(fitness.terms.len(), 6);
    assert!(fitness.terms.iter().all(|term| term.utility == 0.5), "{fitness:?}");
    assert!(has_interval(&fitness, Criterion::Success));
    assert!(!has_interval(&fitness, Criterion::Size));
    let of_genome = Fitness::of_genome(&SOUND, &SOUND, &Weights::default());
    assert!(has_interval(&of_genome, Criterion::Success));
    assert!((score(SOUND) - 0.5).abs() < 1e-12);
}

#[test]
fn the_score_is_worked_out_by_hand() {
    let good = measured(true, true, 10);
    // Half the latency always, and a quarter of the size: utilities 2/3, 0.8.
    let fitness = fitness(good, |_| measured(true, true, 5), (1000, 250));
    let expected = (4.0 * 0.5 + 4.0 * 0.5 + 2.0 / 3.0 + 0.5 + 0.5 * 0.5 + 0.1 * 0.8) / 10.6;
    assert!((fitness.score - expected).abs() < 1e-9, "{}", fitness.score);
}

#[test]
fn what_is_not_shown_is_not_counted() {
    let good = measured(true, true, 100);
    let lucky = fitness(good, |n| measured(true, true, if n % 2 == 0 { 50 } else { 190 }), (1, 1));
    let latency = lucky.terms.iter().find(|term| term.criterion == Criterion::Latency).unwrap();
    assert!(latency.interval.unwrap().estimate < 1.0);
    assert_eq!((latency.counted, lucky.score), (1.0, 0.5));
}

#[test]
fn a_genome_that_fails_more_is_disqualified_whatever_it_gained() {
    let good = measured(true, true, 100);
    let failing = fitness(good, |n| measured(n % 10 != 0, true, 1), (1, 1));
    assert_eq!(failing.score, 0.0);
    let reason = failing.disqualified.unwrap();
    assert!(reason.starts_with("it fails more: -10.00 points, between -"), "{reason}");
    let wrong = fitness(good, |n| measured(true, n % 10 != 0, 1), (1, 1));
    assert!(wrong.disqualified.unwrap().starts_with("it answers right less often"));
    assert_eq!(wrong.terms.len(), 6, "the evidence stays");
}

#[test]
fn of_an_evolution_a_higher_objective_is_better() {
    let higher = |objective| score(Measurements { objective: Some(objective), ..SOUND });
    assert!(higher(51.0) > higher(50.0) && higher(50.0) > higher(-1e9));
    assert!(higher(1e12) < 1.0 && higher(1e12) > higher(1e9));
    assert!(score(Measurements { latency_ms: 5.0, ..SOUND }) > 0.5);
    assert!(score(Measurements { size_bytes: 5000, ..SOUND }) < 0.5);
    let none = Measurements { objective: None, ..SOUND };
    let fitness = Fitness::of_genome(&none, &SOUND, &Weights::default());
    assert!(fitness.terms.iter().all(|term| term.criterion != Criterion::Objective));
    assert!((fitness.score - 0.5).abs() < 1e-12);
}

#[test]
fn of_an_evolution_too_failing_more_disqualifies() {
    let fitness = |own| Fitness::of_genome(&own, &SOUND, &Weights::default());
    let two = fitness(Measurements { succeeded: 98, ..SOUND });
    assert_eq!(two.disqualified, None, "two of a hundred may be luck");
    let ten = fitness(Measurements { succeeded: 90, ..SOUND });
    assert!(ten.disqualified.unwrap().starts_with("it fails more"));
    let none = fitness(Measurements { succeeded: 0, ..SOUND });
    assert_eq!(none.disqualified.unwrap(), "no task ended with an output");
    let checked = Measurements { checked: 50, agreed: 50, ..SOUND };
    let wrong = Measurements { checked: 50, agreed: 30, ..SOUND };
    let wrong = Fitness::of_genome(&wrong, &checked, &Weights::default());
    assert!(wrong.disqualified.unwrap().starts_with("it answers right less often"));
}

#[test]
fn weights_out_of_range_are_named() {
    assert_eq!(Weights::default().complaints(), [""; 0]);
    let weights = Weights { success: -1.0, cpu: f64::NAN, size: 1e9, ..Weights::default() };
    let complaints = weights.complaints();
    assert_eq!(complaints.len(), 3);
    assert_eq!(complaints[0], "weights.success is -1; allowed is 0 to 1000");
    let nothing =
        r#"{"success":0,"agreement":0,"latency":0,"cpu":0,"memory":0,"size":0,"objective":0}"#;
    let nothing: Weights = serde_json::from_str(nothing).unwrap();
    assert_eq!(nothing.complaints(), ["weights are all 0; at least one must count"]);
    for criterion in Criterion::ALL {
        assert_eq!(serde_json::to_value(criterion).unwrap(), criterion.name());
    }
}

proptest! {
    #[test]
    fn a_score_lies_from_zero_to_one_and_survives_its_json(
        tasks in 0_u64..100, succeeded in 0_u64..100, checked in 0_u64..100, agreed in 0_u64..100,
        latency_ms: f64, cpu_seconds: f64, memory_peak_mb: f64, size_bytes: u64, objective: Option<f64>,
    ) {
        let (succeeded, agreed) = (succeeded.min(tasks), agreed.min(checked));
        let own = Measurements {
            tasks, succeeded, checked, agreed, latency_ms, cpu_seconds, memory_peak_mb, size_bytes,
            objective,
        };
        for (one, other) in [(&own, &SOUND), (&SOUND, &own)] {
            let fitness = Fitness::of_genome(one, other, &Weights::default());
            prop_assert!((0.0..=1.0).contains(&fitness.score), "{fitness:?}");
            let json = serde_json::to_string(&fitness).unwrap();
            let again: Fitness = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(again.terms.len(), fitness.terms.len());
        }
    }
}
