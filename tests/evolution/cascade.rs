//! Candidates that fall, each where it costs least, and what ends an evolution.

use std::path::Path;
use std::time::Duration;

use chimera_layer4_evolution::{EvolutionError, EvolutionOptions};
use chimera_layer4_evolution::{Fate, Generator, Stage, Why};

use super::{component, evolve, fell, options, scoring};
use crate::harness::{guest, small_quota};

/// Takes a twentieth of a second or so of a processor.
const BUSY: &str = "(local $n i64) (local.set $n (i64.const 60000000)) (loop $more
    (local.set $n (i64.sub (local.get $n) (i64.const 1)))
    (br_if $more (i64.gt_s (local.get $n) (i64.const 0))))";

fn folder_of(folder: &Path, candidates: &[(&str, Vec<u8>)]) -> Generator {
    let path = folder.join("candidates");
    std::fs::create_dir(&path).unwrap();
    for (name, bytes) in candidates {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    Generator::Folder(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_candidate_falls_where_it_costs_least_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let candidates = [
        ("1-text", b"not a component".to_vec()),
        ("2-asks-for-more", guest("hostile")),
        ("3-traps", component("1", "unreachable")),
        ("4-loops", component("1", "(loop $forever (br $forever))")),
        ("5-says-nothing", component(r#"{"score": "high"}"#, "")),
        ("6-much-worse", scoring(0.5)),
        ("7-a-little-worse", scoring(0.95)),
        ("8-better", scoring(1.5)),
        ("9-the-same", scoring(1.5)),
    ];
    let generator = folder_of(folder.path(), &candidates);
    let mut quota = small_quota();
    quota.max_execution_time_secs = 1;
    let options = EvolutionOptions { quota, ..options(folder.path(), generator) };
    let (outcome, tried) = evolve(options.clone()).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ended, Why::NoMoreCandidates);
    let fallen = [
        (Stage::Admission, "not a component"),
        (Stage::Admission, "it imports wasi:"),
        (Stage::FirstTasks, "trapped"),
        (Stage::FirstTasks, "max_execution_time_secs"),
        (Stage::FirstTasks, "a text at \"/score\""),
        (Stage::FirstTasks, "its objective is 0.5"),
    ];
    for (candidate, (at, words)) in tried.iter().zip(fallen) {
        let (fell_at, why) = fell(candidate);
        assert_eq!(fell_at, at, "{candidate:?}");
        assert!(why.contains(words), "{why}");
    }
    assert!(matches!(tried[6].fate, Fate::Scored { score, .. } if score < 0.5), "{:?}", tried[6]);
    assert!(matches!(tried[7].fate, Fate::Scored { score, .. } if score > 0.5), "{:?}", tried[7]);
    assert_eq!(tried[8].fate, Fate::Known);
    assert_eq!(outcome.best, tried[7].genome.unwrap());
    // One task of a loop was enough: it had a second of one.
    assert!(tried[3].cpu_seconds < 1.9, "{:?}", tried[3]);

    // What comes into the folder later is found.
    std::fs::write(folder.path().join("candidates/0-later"), scoring(1.6)).unwrap();
    let (outcome, tried) = evolve(options).await;
    assert_eq!(tried.len(), 1);
    assert_eq!(outcome.unwrap().train.best.objective, Some(1.6));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_of_processor_time_ends_it_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let busy = |n: usize| component(&format!(r#"{{"score": {}}}"#, n + 2), BUSY);
    let busy: Vec<(String, Vec<u8>)> = (0..16).map(|n| (format!("{n:02}"), busy(n))).collect();
    let named: Vec<(&str, Vec<u8>)> =
        busy.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let generator = folder_of(folder.path(), &named);
    let cpu_budget = Some(Duration::from_millis(300));
    let options = EvolutionOptions { cpu_budget, ..options(folder.path(), generator) };
    let (outcome, tried) = evolve(options.clone()).await;
    let outcome = outcome.unwrap();
    println!("{} candidates for {:.3} s of processor", tried.len(), outcome.cpu_seconds);
    assert_eq!(outcome.ended, Why::Budget);
    assert!(tried.len() < 16 && outcome.cpu_seconds >= 0.3, "{outcome:?}");
    assert!(outcome.cpu_seconds < 3.0, "{outcome:?}");

    // More of it goes on with the candidate that it ended.
    let options = EvolutionOptions { cpu_budget: None, generations: 2, ..options };
    let (outcome, rest) = evolve(options).await;
    assert_eq!(outcome.unwrap().ended, Why::Generations);
    assert_eq!(tried.len() + rest.len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_only_under_the_same_options() {
    let folder = tempfile::tempdir().unwrap();
    let generator = folder_of(folder.path(), &[("a", scoring(2.0))]);
    let options = options(folder.path(), generator);
    let first = evolve(options.clone()).await.0.unwrap();
    assert_eq!(evolve(options.clone()).await.0.unwrap(), first, "it has ended, and says so again");

    let other = EvolutionOptions { population: 9, seed: 2, ..options.clone() };
    let refused = evolve(other.clone()).await.0.unwrap_err().to_string();
    for words in ["population was 8, is 9", "seed was 1, is 2", "--fresh", "state.json"] {
        assert!(refused.contains(words), "{refused}");
    }
    let anew = evolve(EvolutionOptions { anew: true, ..other }).await;
    assert_eq!((anew.0.unwrap().best, anew.1.len()), (first.best, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_do_the_tasks_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (start, words) in [
        (component("1", "unreachable"), "no task ended with an output"),
        (component("1", ""), "nothing at \"/score\""),
        (b"text".to_vec(), "not a component"),
    ] {
        let generator = Generator::Folder(folder.path().into());
        let options = EvolutionOptions { start: start.into(), ..options(folder.path(), generator) };
        match evolve(options).await.0.unwrap_err() {
            EvolutionError::Start(why) => assert!(why.contains(words), "{why}"),
            other => panic!("{other}"),
        }
    }
}
