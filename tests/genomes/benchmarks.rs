//! A candidate held against the genome in charge, on the same tasks.

use std::time::Duration;

use chimera_layer4::fabric::genome::Weights;
use chimera_layer4::fabric::{BenchTask, Digest, NewGenome};
use serde_json::json;

use super::host_of;
use super::variants::Variant;
use crate::harness::execute;

fn tasks(count: u64) -> Vec<BenchTask> {
    (0..count).map(|number| BenchTask { payload: json!(number).into(), expected: None }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_that_came_as_bytes_is_held_against_though_it_is_not_stored() {
    let (fabric, first) = host_of(Variant::version(1)).await;
    let slower = Variant { rounds: 300_000, ..Variant::version(2) }.bytes();
    let weights = Weights::default();
    let found = fabric.genomes().benchmark("variant", slower.clone(), tasks(20), &weights).await;
    let found = found.unwrap();
    assert_eq!((found.champion, found.candidate), (first, Digest::of(&slower)));
    let shown = serde_json::to_value(found.comparison).unwrap();
    // Not its latency: on a busy machine that is mostly the others'.
    assert_eq!(shown["cpu"]["answer"], "worse", "{shown}");
    assert_eq!(shown["success"]["pairs"], 60, "{shown}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_benchmark_leaves_room_for_the_next() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    // Minutes of work.
    let slow = Variant { rounds: 50_000_000, ..Variant::version(2) }.bytes();
    let digest = fabric.genomes().push(NewGenome::new(slow)).await.unwrap().genome;
    let weights = Weights::default();
    let live = async {
        for number in 0..200 {
            execute(&fabric, "variant", json!(number)).await;
        }
    };
    tokio::select! {
        ended = fabric.genomes().benchmark("variant", digest, tasks(10_000), &weights) => panic!("{ended:?}"),
        () = live => {}
    }
    let quick = Variant::version(3).bytes();
    let next = fabric.genomes().benchmark("variant", quick, tasks(5), &weights);
    tokio::time::timeout(Duration::from_secs(300), next).await.unwrap().unwrap();
    fabric.shutdown().await.unwrap();
}
