//! Generators that do anything but make candidates.

use std::time::Duration;

use chimera_layer4_evolution::{EvolutionError, EvolutionOptions};
use chimera_layer4_evolution::{Fate, Stage, Why};

use super::{evolve, fell, options, scoring, sh};

#[tokio::test(flavor = "multi_thread")]
async fn one_that_makes_nothing_ends_it_after_some_tries_with_its_words() {
    for (script, told) in [
        ("cat > /dev/null", "it printed nothing"),
        ("echo one; echo two", "it printed 2 lines"),
        ("echo /no/such/file", "No such file or directory"),
        ("echo /", "it is not a file"),
        ("echo /dev/zero", "it is not a file"),
        ("echo out of ideas >&2; exit 1", "exit status: 1: out of ideas"),
        ("yes", "more than 64 KiB"),
        ("sleep 3600", "still at it after 0.3 s"),
        ("sleep 3600 & wait", "still at it after 0.3 s"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let patience = if script.contains("sleep") { 300 } else { 60_000 };
        let generator_timeout = Duration::from_millis(patience);
        let options = EvolutionOptions { generator_timeout, ..options(folder.path(), sh(script)) };
        let (outcome, candidates) = evolve(options).await;
        match outcome.unwrap_err() {
            EvolutionError::Generator { times: 5, last } => assert!(last.contains(told), "{last}"),
            other => panic!("{script}: {other}"),
        }
        for candidate in &candidates {
            assert_eq!(fell(candidate).0, Stage::Generator);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_files_are_no_agents_costs_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    let script = format!("cat > {0}; echo {0}", file.display());
    let (outcome, candidates) = evolve(options(folder.path(), sh(&script))).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.ended, outcome.best), (Why::Generations, outcome.start));
    assert_eq!(outcome.held_out, None, "there is nothing to show");
    // Each document has a seed of its own.
    assert_eq!(candidates.len(), 16);
    for candidate in &candidates {
        let (at, why) = fell(candidate);
        assert_eq!(at, Stage::Admission);
        assert!(why.contains("it starts with the bytes 7b 22"), "{why}");
        assert_eq!(candidate.cpu_seconds, 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_always_makes_the_same_ends_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let same = folder.path().join("same.wasm");
    std::fs::write(&same, scoring(2.0)).unwrap();
    let script = format!("echo {}", same.display());
    let options = EvolutionOptions { population: 100, ..options(folder.path(), sh(&script)) };
    let (outcome, candidates) = evolve(options).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ended, Why::NothingNew);
    assert!(matches!(candidates[0].fate, Fate::Scored { .. }), "{candidates:?}");
    assert!(candidates[1..].iter().all(|one| one.fate == Fate::Known));
    assert_eq!(candidates.len(), 21, "it is tried once");
    let held_out = outcome.held_out.unwrap();
    assert_eq!((held_out.start.objective, held_out.best.objective), (Some(1.0), Some(2.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_handed_elites_as_files_with_their_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let script = format!("cat >> {0}; echo >> {0}; exit 1", seen.display());
    let (outcome, _) = evolve(options(folder.path(), sh(&script))).await;
    assert!(matches!(outcome, Err(EvolutionError::Generator { .. })));
    let text = std::fs::read_to_string(seen).unwrap();
    let documents: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut seeds: Vec<_> = documents.iter().map(|one| one["seed"].as_u64().unwrap()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!((documents.len(), seeds.len()), (5, 5));
    let first = &documents[0];
    assert_eq!((&first["protocol"], &first["agent_type"]), (&1.into(), &"scorer".into()));
    let parent = &first["parents"][0];
    assert_eq!(std::fs::read(parent["path"].as_str().unwrap()).unwrap(), scoring(1.0));
    assert_eq!(parent["fitness"]["score"], 0.5);
    assert_eq!(parent["evidence"]["all"]["objective"], 1.0);
    assert!(std::path::Path::new(first["out"].as_str().unwrap()).is_dir());
}
