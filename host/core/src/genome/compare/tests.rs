//! The benchmark's answers, on pairs made for them.

use proptest::prelude::*;

use super::*;

fn measured(millis: f64) -> Measured {
    Measured {
        success: true,
        agrees: Some(true),
        latency: Duration::from_secs_f64(millis / 1000.0),
        cpu_seconds: millis / 2000.0,
        memory_peak_mb: 4.0,
    }
}

/// Tasks of very different size, the candidate `slower` by so much, give or
/// take two per cent.
fn pairs(count: usize, slower: f64) -> Vec<Pair> {
    let pair = |n: usize| {
        let millis = 1.0 + (n * n) as f64;
        let noise = [0.98, 1.0, 1.02][n % 3];
        Pair { champion: measured(millis), candidate: measured(millis * slower * noise) }
    };
    (0..count).map(pair).collect()
}

fn held(pairs: &[Pair]) -> Comparison {
    compare(pairs, 0.95, &Margins::default())
}

#[test]
fn pairing_finds_what_the_spread_of_the_tasks_would_hide() {
    let comparison = held(&pairs(30, 1.05));
    assert_eq!((comparison.latency.answer, comparison.cpu.answer), (Answer::Worse, Answer::Worse));
    let ratio = comparison.latency.ratio.unwrap();
    assert!(ratio.low > 1.03 && ratio.high < 1.07, "{ratio:?}");
    assert_eq!(held(&pairs(30, 0.9)).latency.answer, Answer::Better);
    assert_eq!(held(&pairs(30, 1.0)).latency.answer, Answer::Same);
    assert_eq!(comparison.memory.answer, Answer::Same);
    assert_eq!(comparison.memory.ratio.unwrap().high, 1.0);
}

#[test]
fn memory_counts_down_to_a_page() {
    let with = |memory_peak_mb| Measured { memory_peak_mb, ..measured(1.0) };
    let higher = |champion, candidate| {
        let pair = Pair { champion: with(champion), candidate: with(candidate) };
        held(&vec![pair; 30]).memory.ratio.unwrap().high
    };
    assert!((higher(0.25, 0.5) - 2.0).abs() < 1e-9);
    assert_eq!(higher(0.01, 0.02), 1.0, "less than a page is a page");
}

#[test]
fn few_pairs_give_no_answer() {
    for count in 0..FEWEST_PAIRS {
        let comparison = held(&pairs(count, 2.0));
        assert_eq!(comparison.pairs, count as u64);
        let Comparison { success, agreement, latency, cpu, memory, .. } = comparison;
        for answer in [success.answer, agreement.answer, latency.answer, cpu.answer, memory.answer]
        {
            assert_eq!(answer, Answer::CannotTell, "{count} pairs");
        }
        assert_eq!(success.difference.is_some(), count > 0);
        assert_eq!(latency.champion.is_some(), count > 0);
        assert_eq!(latency.ratio.is_some(), count > 1);
    }
}

#[test]
fn failures_and_wrong_answers_are_found() {
    let mut pairs = pairs(100, 1.0);
    for pair in pairs.iter_mut().take(10) {
        pair.candidate.success = false;
    }
    let comparison = held(&pairs);
    assert_eq!(
        (comparison.success.answer, comparison.agreement.answer),
        (Answer::Worse, Answer::Worse)
    );
    assert_eq!(comparison.success.candidate, Some(0.9));
    assert_eq!(comparison.latency.pairs, 90, "runs that failed are left out");

    for pair in &mut pairs {
        (pair.candidate.success, pair.champion.agrees) = (true, Some(false));
    }
    let comparison = held(&pairs);
    assert_eq!(
        (comparison.success.answer, comparison.agreement.answer),
        (Answer::CannotTell, Answer::Better)
    );
    for pair in &mut pairs {
        pair.champion.agrees = None;
    }
    assert_eq!((held(&pairs).agreement.pairs, held(&pairs).agreement.champion), (0, None));
}

#[test]
fn a_thousand_pairs_that_agree_are_the_same() {
    let comparison = held(&pairs(1000, 1.0));
    assert_eq!(
        (comparison.success.answer, comparison.agreement.answer),
        (Answer::Same, Answer::Same)
    );
}

#[test]
fn the_summary_is_of_runs_that_were() {
    let latency = held(&pairs(100, 1.0)).latency;
    let champion = latency.champion.unwrap();
    assert!((champion.p50 - (1.0 + 49.0 * 49.0)).abs() < 1e-6, "{champion:?}");
    assert!((champion.p95 - (1.0 + 94.0 * 94.0)).abs() < 1e-6, "{champion:?}");
}

#[test]
fn an_answer_is_what_the_interval_shows() {
    let rows = [
        ((-0.005, 0.005), Answer::Same),
        ((0.001, 0.005), Answer::Same),
        ((0.001, 0.02), Answer::Worse),
        ((-0.02, -0.001), Answer::Better),
        ((-0.02, 0.005), Answer::CannotTell),
        ((-0.005, 0.02), Answer::CannotTell),
    ];
    for ((low, high), expected) in rows {
        assert_eq!(answer(low, high, 0.01), expected, "{low} to {high}");
    }
}

fn any_figure() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-1.0),
        Just(f64::MAX),
        0.0..1000.0
    ]
}

prop_compose! {
    fn any_run()(
        success: bool, agrees: Option<bool>, nanos in prop_oneof![Just(0), any::<u64>()],
        cpu_seconds in any_figure(), memory_peak_mb in any_figure(),
    ) -> Measured {
        let latency = Duration::from_nanos(nanos);
        Measured { success, agrees, latency, cpu_seconds, memory_peak_mb }
    }
}

proptest! {
    /// JSON cannot represent NaN or infinity: they would be read back as null.
    #[test]
    fn whatever_was_measured_every_figure_is_a_number(
        pairs in proptest::collection::vec((any_run(), any_run()), 0..20), confidence: f64,
    ) {
        let pairs: Vec<Pair> =
            pairs.into_iter().map(|(champion, candidate)| Pair { champion, candidate }).collect();
        let comparison = compare(&pairs, confidence, &Margins::default());
        let json = serde_json::to_string(&comparison).unwrap();
        let again: Comparison = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again.latency.ratio.is_some(), comparison.latency.ratio.is_some());
        prop_assert_eq!(again.cpu.ratio.is_some(), comparison.cpu.ratio.is_some());
        prop_assert_eq!(again.cpu.champion.is_some(), comparison.cpu.champion.is_some());
    }

    /// Swapping the two sides reverses the answer.
    #[test]
    fn better_is_worse_the_other_way_round(slower in 0.5..2.0, failing in 0_usize..40) {
        let mut there = pairs(40, slower);
        there.iter_mut().take(failing).for_each(|pair| pair.candidate.success = false);
        let back: Vec<Pair> = there
            .iter()
            .map(|pair| Pair { champion: pair.candidate, candidate: pair.champion })
            .collect();
        let turned = |answer| match answer {
            Answer::Better => Answer::Worse,
            Answer::Worse => Answer::Better,
            Answer::Same => Answer::Same,
            Answer::CannotTell => Answer::CannotTell,
        };
        let (there, back) = (held(&there), held(&back));
        prop_assert_eq!(there.success.answer, turned(back.success.answer));
        prop_assert_eq!(there.latency.answer, turned(back.latency.answer));
    }
}

/// An interval that only touches nothing, or the margin, shows no side of it.
#[test]
fn an_answer_is_only_what_the_interval_shows() {
    for ((low, high), expected) in [
        ((-0.1, 0.1), Answer::Same),
        ((0.05, 0.1), Answer::Same),
        ((-0.11, 0.1), Answer::CannotTell),
        ((-0.1, 0.11), Answer::CannotTell),
        ((0.0, 0.2), Answer::CannotTell),
        ((0.01, 0.2), Answer::Worse),
        ((0.01, 0.1), Answer::Same),
        ((-0.2, 0.0), Answer::CannotTell),
        ((-0.2, -0.01), Answer::Better),
        ((-0.2, 0.2), Answer::CannotTell),
    ] {
        assert_eq!(answer(low, high, 0.1), expected, "{low} {high}");
    }
}
