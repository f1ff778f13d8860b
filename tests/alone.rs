//! What needs the machine for itself: the CPU share, whether what is reported
//! is what was used, and ten thousand agents.
//!
//! A binary of its own: cargo runs one after the other, so nothing else
//! competes for the cores here, and a lock keeps these tests apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::{Fault, QuotaKind, ResourceQuota, Task};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{
    config_of, execute, fabric, guest, settings, settings_with, small_quota, spawn, task,
};

/// One test at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Rounds of ten seconds to find one in which other programs left the cores free.
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_spinners_at_a_quarter_core_use_two_and_a_half_seconds_in_ten() {
    let _alone = alone().await;
    for _ in 0..ROUNDS {
        let (machine, process) = (busy_seconds(), process_time());
        let used = spin_six().await;
        let process = (process_time() - process).as_secs_f64();
        let others = busy_seconds() - machine - process;
        println!("processor seconds of six spinners at 0.25 core for 10 s: {used:.3?}");

        let all: f64 = used.iter().sum();
        assert!((all..all + 2.0).contains(&process), "reported {all}, the process used {process}");
        assert!(used.iter().all(|seconds| *seconds <= 2.75), "no agent gets more than its share");
        if used.iter().all(|seconds| *seconds >= 2.25) {
            return;
        }
        // Less is a fault of ours, unless others took what was needed.
        let free = 10.0 * cores() - others;
        assert!(free < 16.0, "{used:?}, although {free:.1} s of processor were free");
        println!("other programs used {others:.1} s meanwhile; once more");
    }
    panic!("the machine is too busy to tell; run this on one that does nothing else");
}

/// What each of six spinners used, at a quarter of a core for ten seconds.
async fn spin_six() -> Vec<f64> {
    let fabric = fabric(settings_with(|c| c.max_agents = 6)).await;
    let quota = ResourceQuota { max_cpu_cores: 0.25, max_execution_time_secs: 10, ..small_quota() };
    for n in 0..6 {
        let config =
            config_of(&format!("spinner-{n}"), |config| config.resource_quota = quota.clone());
        fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    }
    let fabric = Arc::new(fabric);
    let spin = |n| {
        let fabric = fabric.clone();
        let order = task(&format!("spinner-{n}"), json!({"do": "spin"}));
        tokio::spawn(async move { fabric.tasks().execute(order).await.unwrap() })
    };
    let spinners: Vec<_> = (0..6).map(spin).collect();
    let mut used = Vec::new();
    for spinner in spinners {
        let result = spinner.await.unwrap();
        let Some(Fault::OverQuota(breach)) = &result.fault else { panic!("{result:?}") };
        assert_eq!(breach.quota, QuotaKind::ExecutionTime);
        used.push(result.resource_usage.cpu_seconds);
    }
    used
}

fn cores() -> f64 {
    std::thread::available_parallelism().unwrap().get() as f64
}

/// Seconds that all cores together were not idle since the machine started,
/// time taken by its own host included.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(|f| f.parse().unwrap())
        .collect();
    let (idle, waiting) = (fields[3], fields[4]);
    // The last two are counted in the first two already.
    let all: f64 = fields.iter().take(8).sum();
    (all - idle - waiting) / rustix::param::clock_ticks_per_second() as f64
}

#[tokio::test]
async fn a_tasks_own_share_is_kept_where_it_is_tighter() {
    let _alone = alone().await;
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let mut order = task("hostile", json!({"do": "spin"}));
    order.resource_quota =
        ResourceQuota { max_cpu_cores: 0.1, max_execution_time_secs: 3, ..small_quota() };
    let result = Box::pin(fabric.tasks().execute(order)).await.unwrap();
    let used = result.resource_usage.cpu_seconds;
    assert!((0.25..=0.36).contains(&used), "{used}");
}

#[test]
fn what_is_reported_is_what_the_thread_used() {
    // One thread runs everything, so its clock is the truth.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _alone = alone().await;
        let fabric = fabric(settings()).await;
        spawn(&fabric, "hostile").await;
        let before = thread_time();
        let result = execute(&fabric, "hostile", json!({"do": "burn-ms", "amount": 1000})).await;
        let truth = (thread_time() - before).as_secs_f64();
        let reported = result.resource_usage.cpu_seconds;
        println!("reported {reported:.4} s, the thread's clock says {truth:.4} s");
        assert!((reported / truth - 1.0).abs() < 0.05, "{reported} against {truth}");
    });
}

fn thread_time() -> Duration {
    time(ClockId::ThreadCPUTime)
}

fn process_time() -> Duration {
    time(ClockId::ProcessCPUTime)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[tokio::test]
async fn a_paused_guest_leaves_the_thread_to_others() {
    let _alone = alone().await;
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    spawn(&fabric, "hostile").await;
    let mut order: Task = task("hostile", json!({"do": "spin"}));
    order.resource_quota =
        ResourceQuota { max_cpu_cores: 0.05, max_execution_time_secs: 1, ..small_quota() };
    let spin = Box::pin(fabric.tasks().execute(order));
    let others = async {
        for n in 0..500 {
            assert!(execute(&fabric, "echo", json!(n)).await.success);
        }
    };
    let (result, ()) = tokio::join!(spin, others);
    assert!(!result.unwrap().success);
}

#[tokio::test]
async fn ten_thousand_idle_agents_live_in_one_process() {
    let _alone = alone().await;
    let most = 10_000;
    let fabric = fabric(settings_with(|c| c.max_agents = most)).await;
    let genome = fabric.agents().load(&guest("echo")).await.unwrap();
    let before = anonymous_kib();
    for n in 0..most {
        let config = config_of(&format!("echo-{n}"), |_| {});
        fabric.agents().spawn_genome(genome.clone(), config).await.unwrap();
    }
    let each = (anonymous_kib() - before) as f64 / most as f64;
    println!("{most} idle agents: {each:.1} KiB each");
    assert!(each <= 64.0, "{each:.1} KiB");
    for n in [0, most / 2, most - 1] {
        assert!(execute(&fabric, &format!("echo-{n}"), json!(n)).await.success);
    }
}

/// What this process alone holds: pages shared with the file of a component's
/// first memory are one copy for all its agents.
fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
