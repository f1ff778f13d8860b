//! Records made for the purpose, and what they amount to.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::super::compare::compare;
use super::super::fitness::Weights;
use super::super::trial::{Finding, Margins, Measure};
use super::*;

fn genome(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// A record of one agent type, an entry a second.
fn record(events: Vec<(&str, Event)>) -> Vec<Entry> {
    let entry = |(sequence, (name, event))| {
        let of_the_genome = matches!(event, Event::Stored { .. } | Event::Pinned | Event::Unpinned);
        Entry {
            sequence,
            at: Timestamp(sequence * 1000),
            genome: genome(name),
            agent_type: (!of_the_genome).then(|| "echo".to_owned()),
            event,
        }
    };
    (0..).zip(events).map(entry).collect()
}

fn stored(parent: Option<&str>) -> Event {
    let (author, parent) = ("ada".to_owned(), parent.map(genome));
    Event::Stored { bytes: 1_258_292, author, source: Source::File, parent }
}

fn promoted(from: Option<&str>) -> Event {
    Event::Promoted { from: from.map(genome), how: How::ByHand { by: "ada".into() } }
}

fn started(against: &str) -> Event {
    Event::RolloutStarted { against: genome(against), plan: Plan::default() }
}

fn benchmarked(against: &str) -> Event {
    let comparison = compare(&[], 0.95, &Margins::default());
    let fitness = Fitness::of_comparison(&comparison, (100, 100), &Weights::default());
    let comparison = Box::new(comparison);
    Event::Benchmarked { against: genome(against), comparison, fitness }
}

fn rejected() -> Event {
    Event::Rejected { stage: Stage::Contract, reason: "no\nexport\u{1b}[2J".into() }
}

fn passed() -> Event {
    Event::Verdict { verdict: Verdict::NotWorse, tasks: 3080, findings: Vec::new() }
}

fn rolled_back(to: &str) -> Event {
    Event::RolledBack { to: genome(to), why: "slower".into() }
}

fn kept(entries: &[Entry], ancestors: usize) -> BTreeSet<Digest> {
    let quiet_for = Duration::ZERO;
    keep(entries, Timestamp(u64::MAX), &Retention { ancestors, quiet_for })
}

fn genomes(names: &[&str]) -> BTreeSet<Digest> {
    names.iter().map(|name| genome(name)).collect()
}

#[test]
fn what_is_in_charge_is_what_the_entries_amount_to() {
    let entries = record(vec![
        ("one", stored(None)),
        ("one", promoted(None)),
        ("two", stored(Some("one"))),
        ("two", started("one")),
        ("two", promoted(Some("one"))),
        ("two", rolled_back("one")),
    ]);
    let expected = [None, Some("one"), Some("one"), Some("one"), Some("two"), Some("one")];
    for (count, expected) in (1..).zip(expected) {
        assert_eq!(active(&entries[..count], "echo"), expected.map(genome), "{count} entries");
        assert_eq!(active(&entries[..count], "other"), None);
    }
}

#[test]
fn a_rollout_is_on_its_way_until_something_ends_it() {
    let before = vec![("two", started("one")), ("two", Event::Step { share: 0.25 })];
    let running = rollouts(&record(before.clone()));
    assert_eq!(running.get("echo"), Some(&(genome("two"), genome("one"))));
    for end in [passed(), promoted(Some("one")), rolled_back("one")] {
        let mut events = before.clone();
        events.push(("two", end));
        assert!(rollouts(&record(events)).is_empty());
    }
}

#[test]
fn what_is_in_use_stays_with_its_ancestors() {
    let entries = record(vec![
        ("a", stored(None)),
        ("b", stored(Some("a"))),
        ("c", stored(Some("b"))),
        ("c", promoted(None)),
        ("d", stored(Some("c"))),
        ("d", started("c")),
        ("e", stored(None)),
        ("e", Event::Pinned),
        ("f", stored(Some("c"))),
    ]);
    assert_eq!(kept(&entries, 0), genomes(&["c", "d", "e"]));
    assert_eq!(kept(&entries, 1), genomes(&["b", "c", "d", "e"]));
    assert_eq!(kept(&entries, 9), genomes(&["a", "b", "c", "d", "e"]));
    let lately = Retention { ancestors: 0, quiet_for: Duration::from_secs(1) };
    let kept = keep(&entries, Timestamp(9000), &lately);
    assert!(kept.contains(&genome("f")), "it came a moment ago");
}

#[test]
fn what_is_unpinned_or_given_up_goes() {
    let entries = record(vec![
        ("a", stored(None)),
        ("a", Event::Pinned),
        ("a", Event::Unpinned),
        ("b", stored(None)),
        ("b", started("a")),
        ("b", passed()),
    ]);
    assert_eq!(kept(&entries, 9), genomes(&[]));
    assert!(pinned(&entries).is_empty());
}

#[test]
fn a_circle_of_parents_ends() {
    let entries =
        record(vec![("a", stored(Some("b"))), ("b", stored(Some("a"))), ("a", promoted(None))]);
    assert_eq!(kept(&entries, usize::MAX), genomes(&["a", "b"]));
    assert_eq!(tree(&entries, "echo").lines().count(), 2);
}

#[test]
fn the_tree_shows_who_came_from_whom_and_what_became_of_them() {
    let finding = Finding {
        measure: Measure::Latency,
        champion: 10.0,
        candidate: 11.0,
        low: 1.02,
        high: 1.15,
        margin: 1.03,
    };
    let worse = Event::Verdict {
        verdict: Verdict::Worse { findings: vec![finding] },
        tasks: 840,
        findings: Vec::new(),
    };
    let entries = record(vec![
        ("one", stored(None)),
        ("one", promoted(None)),
        ("two", stored(Some("one"))),
        ("two", benchmarked("one")),
        ("two", started("one")),
        ("two", passed()),
        ("two", promoted(Some("one"))),
        ("three", stored(Some("two"))),
        ("three", rejected()),
        ("four", stored(Some("one"))),
        ("four", worse),
        ("four", Event::Pinned),
        ("five", stored(Some("four"))),
        ("five", started("two")),
        ("one", Event::Collected),
        ("elsewhere", stored(None)),
    ]);
    let short = |name| genome(name).hex()[..12].to_owned();
    let expected = [
        format!("{}  1.2 MiB  ada, file  collected", short("one")),
        format!(
            "├─ {}  1.2 MiB  ada, file  score 0.500  not worse after 3080 tasks  ● active",
            short("two")
        ),
        format!("│  └─ {}  1.2 MiB  ada, file  rejected (contract): no export [2J", short("three")),
        format!(
            "└─ {}  1.2 MiB  ada, file  worse: latency: 11.000 ms, the champion 10.000 ms; \
             +2.0 to +15.0 % (allowed: +3.0 %) after 840 tasks  pinned",
            short("four")
        ),
        format!("   └─ {}  1.2 MiB  ada, file  in rollout", short("five")),
    ];
    assert_eq!(tree(&entries, "echo"), expected.join("\n") + "\n");
    assert_eq!(tree(&entries, "unknown"), "");
}

#[test]
fn what_is_active_again_is_not_called_rolled_back() {
    let back = vec![
        ("one", stored(None)),
        ("one", promoted(None)),
        ("two", stored(Some("one"))),
        ("two", promoted(Some("one"))),
        ("two", rolled_back("one")),
        ("two", promoted(Some("one"))),
    ];
    let line = |events: &[(&'static str, Event)], name| {
        let drawing = tree(&record(events.to_vec()), "echo");
        let short = &genome(name).hex()[..12];
        drawing.lines().find(|line| line.contains(short)).unwrap().to_owned()
    };
    let two = line(&back, "two");
    assert!(two.contains("● active") && !two.contains("rolled back"), "{two}");
    // Before the second promotion the rollback was drawn. After a second rollback it is drawn
    // again.
    assert!(line(&back[..5], "two").contains("rolled back: slower"));
    let gone = [&back[..], &[("two", rolled_back("one"))]].concat();
    assert!(line(&gone, "two").contains("rolled back: slower"));
    let one = line(&gone, "one");
    assert!(one.contains("● active") && !one.contains("rolled back"), "{one}");
}

#[test]
fn a_long_lineage_is_drawn_without_leaving_the_terminal() {
    let names: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let mut events = vec![(names[0].as_str(), stored(None))];
    for pair in names.windows(2) {
        events.push((&pair[1], stored(Some(&pair[0]))));
    }
    events.push((&names[4999], promoted(None)));
    let drawing = tree(&record(events), "echo");
    assert_eq!(drawing.lines().count(), 5000);
    assert!(drawing.lines().all(|line| line.chars().count() < 140));
    // Three signs for each of 24 levels; all that descend further stand there.
    assert_eq!(drawing.lines().filter_map(|line| line.find('└')).max(), Some(24 * 3));
}

#[test]
fn sample_tasks_are_counted_among_what_was_tried() {
    let tried = |names: &[&str]| {
        let smoke = |what: &&str| Smoke { what: (*what).into(), took_ms: 0.5, failed: None };
        Admission {
            contract: "0.1.0".into(),
            imports: vec![],
            new_capabilities: vec![],
            compiled_ms: None,
            smoke: names.iter().map(smoke).collect(),
        }
        .samples_tried()
    };
    assert_eq!(tried(&["init", "health"]), 0);
    assert_eq!(tried(&["init", "sample task 1", "sample task 2", "shutdown"]), 2);
}

#[test]
fn every_event_survives_its_json() {
    let admission = Admission {
        contract: "0.1.0".into(),
        imports: vec!["wasi:clocks/monotonic-clock@0.2.6".into()],
        new_capabilities: vec![],
        compiled_ms: Some(120),
        smoke: vec![Smoke { what: "init".into(), took_ms: 0.5, failed: None }],
    };
    let oci = Source::Oci { reference: "registry.example/agent:2".into() };
    let from_registry =
        Event::Stored { bytes: 1, author: "bob".into(), source: oci, parent: Some(genome("a")) };
    let events = [
        from_registry,
        Event::Admitted { report: admission },
        rejected(),
        benchmarked("a"),
        started("a"),
        Event::Step { share: 0.25 },
        passed(),
        promoted(Some("a")),
        rolled_back("a"),
        Event::Pinned,
        Event::Unpinned,
        Event::Collected,
    ];
    for entry in record(events.into_iter().map(|event| ("b", event)).collect()) {
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry, "{json}");
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn any_event() -> impl Strategy<Value = (&'static str, Event)> {
    let name = || proptest::sample::select(NAMES.to_vec());
    let event = (name(), 0_usize..8).prop_map(|(other, kind)| match kind {
        0 => stored(None),
        1 => stored(Some(other)),
        2 => started(other),
        3 => passed(),
        4 => promoted(Some(other)),
        5 => rolled_back(other),
        6 => Event::Pinned,
        _ => Event::Unpinned,
    });
    (name(), event)
}

proptest! {
    #[test]
    fn whatever_happened_what_is_in_use_stays(events in proptest::collection::vec(any_event(), 0..40)) {
        let entries = record(events);
        let kept = kept(&entries, 0);
        prop_assert!(active(&entries, "echo").is_none_or(|active| kept.contains(&active)));
        prop_assert!(pinned(&entries).is_subset(&kept));
        for (candidate, champion) in rollouts(&entries).into_values() {
            prop_assert!(kept.contains(&candidate) && kept.contains(&champion));
        }
    }

    #[test]
    fn the_order_in_which_entries_are_read_does_not_matter(
        events in proptest::collection::vec(any_event(), 0..40),
    ) {
        let entries = record(events);
        let mut turned = entries.clone();
        turned.reverse();
        prop_assert_eq!(active(&entries, "echo"), active(&turned, "echo"));
        prop_assert_eq!(kept(&entries, 2), kept(&turned, 2));
        prop_assert_eq!(tree(&entries, "echo"), tree(&turned, "echo"));
    }

    #[test]
    fn every_genome_is_drawn_once(events in proptest::collection::vec(any_event(), 0..40)) {
        let entries = record(events);
        let drawing = tree(&entries, "echo");
        for name in NAMES {
            let short = genome(name).hex()[..12].to_owned();
            let count = drawing.matches(&short).count();
            let known = entries.iter().any(|entry| {
                entry.genome == genome(name) && entry.agent_type.is_some()
            });
            prop_assert!(count <= 1 && (count == 1 || !known), "{name}: {count}\n{drawing}");
        }
    }
}

#[test]
fn a_source_is_read_as_it_is_shown() {
    let oci = |reference: &str| Source::Oci { reference: reference.into() };
    for source in [Source::File, Source::Api, Source::Evolution, oci("oci:/srv/genomes:v1")] {
        assert_eq!(source.to_string().parse(), Ok(source));
    }
    let error = "ftp".parse::<Source>().unwrap_err();
    assert_eq!(error, "\"ftp\" is no source; there are file, api, evolution and oci:…");
}

#[test]
fn retention_is_asked_for_in_generations_and_days() {
    let day = Duration::from_secs(86_400);
    let of = |ancestors, days| {
        let Retention { ancestors, quiet_for } = Retention::of(ancestors, days);
        (ancestors, quiet_for)
    };
    assert_eq!(of(None, None), (10, 30 * day));
    assert_eq!(of(Some(0), Some(0)), (0, Duration::ZERO));
    assert_eq!(of(Some(3), Some(1)), (3, day));
    assert_eq!(of(None, Some(u32::MAX)), (10, u32::MAX * day));
}
