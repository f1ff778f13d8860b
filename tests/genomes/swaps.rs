//! Another genome takes over, and no task notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chimera_layer4::fabric::{Digest, Fabric};
use serde_json::json;

use super::variants::{BROKEN, Variant};
use super::{host_of, running};
use crate::harness::{execute, task};

/// Submits tasks one after the other until `stop` is set; their latencies
/// and the versions that ran them.
async fn client(fabric: Arc<Fabric>, stop: Arc<AtomicBool>) -> (Vec<Duration>, BTreeMap<u64, u64>) {
    let (mut latencies, mut versions) = (Vec::new(), BTreeMap::new());
    let mut number = 0_u64;
    while !stop.load(Ordering::Acquire) {
        number += 1;
        let began = Instant::now();
        let done = Box::pin(fabric.tasks().execute(task("variant", json!(number)))).await.unwrap();
        latencies.push(began.elapsed());
        assert!(done.success, "{done:?}");
        // Done by one genome, wholly: its version, and its answer.
        assert_eq!(done.output.to_value()["double"], number * 2);
        *versions.entry(done.output.to_value()["version"].as_u64().unwrap()).or_default() += 1;
    }
    (latencies, versions)
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_nothing_and_double_nothing() {
    let (fabric, _) = host_of(Variant::version(0)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..8).map(|_| tokio::spawn(client(Arc::clone(&fabric), Arc::clone(&stop)))).collect();
    let genomes: Vec<Vec<u8>> = (0..4).map(|version| Variant::version(version).bytes()).collect();
    let mut longest = 0;
    for swap in 1..=40 {
        let to = genomes[swap % genomes.len()].clone();
        let swapped = fabric.genomes().promote("variant", to, "a test").await.unwrap();
        longest = longest.max(swapped.switch_micros);
    }
    stop.store(true, Ordering::Release);
    let mut done = 0;
    for client in clients {
        done += client.await.unwrap().0.len();
    }
    let stats = fabric.tasks().stats().await.unwrap();
    let of_type = stats.types.iter().find(|of_type| of_type.agent_type == "variant").unwrap();
    println!("{done} tasks over 40 swaps, the longest switch {longest} µs");
    // Each ended once, in one try: nothing was lost, nothing was run twice.
    assert_eq!((of_type.succeeded, of_type.failed, of_type.retried), (done as u64, 0, 0));
    let history = fabric.genomes().history("variant").await.unwrap();
    let promoted = history.iter().filter(|entry| {
        matches!(entry.event, chimera_layer4::fabric::genome::Event::Promoted { .. })
    });
    assert_eq!(promoted.count(), 40);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_takes_another_genome_and_keeps_its_identity() {
    let (fabric, first) = host_of(Variant::version(1)).await;
    execute(&fabric, "variant", json!(1)).await;
    let before = fabric.agents().active().pop().unwrap();
    let bytes = Variant::version(2).bytes();
    let swapped = fabric.genomes().update_agent(before.id, bytes.clone()).await.unwrap();
    assert_eq!((swapped.from, swapped.to), (Some(first), Digest::of(&bytes)));
    let done = execute(&fabric, "variant", json!(3)).await;
    assert_eq!(done.output, json!({ "version": 2, "double": 6 }));
    let after = fabric.agents().active().pop().unwrap();
    assert_eq!((after.id, after.tasks_done), (before.id, before.tasks_done + 1));

    // One that does not start leaves the other in charge.
    let broken = Variant { state: BROKEN, ..Variant::version(3) }.bytes();
    let error = fabric.genomes().update_agent(before.id, broken).await.unwrap_err();
    assert!(error.to_string().contains("not to start"), "{error}");
    assert_eq!(running(&fabric), [Digest::of(&bytes)]);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_back_what_was_in_charge_before() {
    let (fabric, _) = host_of(Variant::version(0)).await;
    let genomes: Vec<Vec<u8>> = (1..=3).map(|version| Variant::version(version).bytes()).collect();
    for bytes in &genomes {
        fabric.genomes().promote("variant", bytes.clone(), "ada").await.unwrap();
    }
    let digests: Vec<Digest> = genomes.iter().map(|bytes| Digest::of(bytes)).collect();
    let same = fabric.genomes().promote("variant", digests[2], "ada").await.unwrap_err();
    assert_eq!(same.code(), "rollout-conflict");
    for expected in [digests[1], digests[0]] {
        let back = fabric.genomes().rollback("variant", "ada").await.unwrap();
        assert_eq!((back.to, running(&fabric)), (expected, vec![expected]));
    }
    let none = fabric.genomes().rollback("variant", "ada").await.unwrap_err();
    assert!(none.to_string().contains("no other genome"), "{none}");
    let tree = fabric.genomes().tree("variant").await.unwrap();
    assert!(tree.contains("● active") && tree.contains("rolled back: by ada"), "{tree}");
    // What is in charge is kept, whatever else is collected.
    let retention = chimera_layer4::fabric::genome::lineage::Retention {
        ancestors: 0,
        quiet_for: Duration::ZERO,
    };
    let collected = fabric.genomes().collect(retention).await.unwrap();
    assert!(!collected.removed.contains(&digests[0]), "{collected:?}");
    assert!(collected.removed.contains(&digests[2]), "{collected:?}");
    assert_eq!(execute(&fabric, "variant", json!(1)).await.output.to_value()["version"], 1);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_and_forth_reads_no_code_again() {
    let (fabric, _) = host_of(Variant::version(0)).await;
    let [first, second] = [1, 2].map(|version| Variant::version(version).bytes());
    for bytes in [&first, &second] {
        fabric.genomes().promote("variant", bytes.clone(), "a test").await.unwrap();
    }
    let (first, second) = (Digest::of(&first), Digest::of(&second));
    let read_before = read_from_disk(&fabric).await;
    for _ in 0..3 {
        fabric.genomes().promote("variant", first, "a test").await.unwrap();
        fabric.genomes().promote("variant", second, "a test").await.unwrap();
    }
    assert_eq!(read_from_disk(&fabric).await, read_before);

    // Only the last few stay: what has not been asked for in a while is read again.
    for version in 3..7 {
        let bytes = Variant::version(version).bytes();
        fabric.genomes().promote("variant", bytes, "a test").await.unwrap();
    }
    let read_before = read_from_disk(&fabric).await;
    fabric.genomes().promote("variant", first, "a test").await.unwrap();
    assert_eq!(read_from_disk(&fabric).await, read_before + 1.0);
    fabric.shutdown().await.unwrap();
}

/// Genomes whose code came from the cache.
async fn read_from_disk(fabric: &Fabric) -> f64 {
    let metrics = fabric.metrics_text().await.unwrap();
    let cached = |line: &str| {
        line.strip_prefix("layer4_genome_loads_total{from=\"cache\"} ").map(str::to_owned)
    };
    metrics.lines().find_map(cached).map_or(0.0, |count| count.parse().unwrap())
}
