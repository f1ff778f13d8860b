//! The recorded tasks: bounded, a fair sample, and there again after a restart.

use chimera_layer4_core::TaskId;

use super::super::{Recorded, Recordings, RecordingsOptions};
use super::*;

fn bounds() -> RecordingsOptions {
    RecordingsOptions { max_tasks: 20, max_bytes: 1 << 20, max_types: 2, seed: 7 }
}

fn id(n: u64) -> TaskId {
    format!("00000000-0000-0000-0000-{n:012}").parse().unwrap()
}

fn task(n: u64, payload: &str) -> Recorded {
    Recorded {
        task_id: id(n),
        payload: payload.into(),
        output: "1".into(),
        success: true,
        latency_us: n,
        genome: Digest::of(b"g"),
        validated: None,
        at: Timestamp(n),
    }
}

fn tasks(numbers: std::ops::Range<u64>) -> Vec<Recorded> {
    numbers.map(|n| task(n, "{}")).collect()
}

#[test]
fn a_sample_is_bounded_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let recordings = Recordings::open(&store, bounds()).unwrap();
    let sampled = recordings.record("a", &tasks(0..20)).unwrap();
    assert_eq!((sampled.kept, sampled.passed_over), (20, 0));
    let sampled = recordings.record("a", &tasks(20..1000)).unwrap();
    assert_eq!((sampled.kept + sampled.passed_over, recordings.count("a")), (980, 20));
    recordings.record("b", &tasks(0..1)).unwrap();
    let sampled = recordings.record("c", &tasks(0..1)).unwrap();
    assert_eq!((sampled.kept, recordings.count("c")), (0, 0), "one agent type too many");

    let mut all = recordings.sample("a", 100).unwrap();
    all.sort_by_key(|task| task.at);
    assert_eq!(all.len(), 20);
    let judged = all[3].task_id;
    assert!(recordings.judge(judged, 0.5).unwrap());
    assert!(!recordings.judge(id(5000), 0.5).unwrap());
    all[3].validated = Some(0.5);
    drop(recordings);

    let recordings = Recordings::open(&store, bounds()).unwrap();
    let mut again = recordings.sample("a", 100).unwrap();
    again.sort_by_key(|task| task.at);
    assert_eq!(again, all);
    assert_eq!(recordings.sample("a", 3).unwrap().len(), 3);
    let sampled = recordings.record("a", &tasks(1000..1100)).unwrap();
    assert!(sampled.kept < 20, "it knows for how many the sample stands: {sampled:?}");
    assert_eq!(recordings.clear("a").unwrap(), 20);
    assert_eq!(recordings.sample("a", 100).unwrap(), []);
    recordings.record("c", &tasks(0..1)).unwrap();
    assert_eq!((recordings.count("b"), recordings.count("c")), (1, 1));
}

#[test]
fn bytes_are_bounded_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let options = RecordingsOptions { max_bytes: 10_000, ..bounds() };
    let recordings = Recordings::open(&store, options).unwrap();
    let large = "x".repeat(3000);
    for n in 0..10 {
        recordings.record("a", &[task(n, &large)]).unwrap();
    }
    assert_eq!(recordings.count("a"), 3);
    let sampled = recordings.record("a", &[task(99, &"x".repeat(10_000))]).unwrap();
    assert_eq!((sampled.passed_over, recordings.count("a")), (1, 3));
}

#[test]
fn every_task_has_the_same_chance_and_old_ones_fade() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut firsts = 0;
    for seed in 0..40 {
        let recordings = Recordings::open(&store, RecordingsOptions { seed, ..bounds() }).unwrap();
        recordings.record("a", &tasks(0..200)).unwrap();
        let sample = recordings.sample("a", 100).unwrap();
        firsts += sample.iter().filter(|task| task.at < Timestamp(100)).count();
        recordings.clear("a").unwrap();
    }
    // 800 kept, of each half 400 expected; the standard deviation is below 15.
    assert!((340..460).contains(&firsts), "{firsts}");

    let recordings = Recordings::open(&store, bounds()).unwrap();
    recordings.record("a", &tasks(0..20_000)).unwrap();
    let sample = recordings.sample("a", 100).unwrap();
    let old = sample.iter().filter(|task| task.at < Timestamp(10_000)).count();
    assert!(old <= 4, "{old}");
}
