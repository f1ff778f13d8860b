//! The CPU share, and whether what is reported is what was used.
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

use chimera_layer4::{Fault, Layer4Config, QuotaKind, ResourceQuota, Task};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{config_of, execute, fabric, guest, settings, small_quota, spawn, task};

/// One test at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_spinners_at_a_quarter_core_use_two_and_a_half_seconds_in_ten() {
    let _alone = alone().await;
    let fabric = fabric(Layer4Config { max_agents: 6, ..settings() }).await;
    let quota = ResourceQuota { max_cpu_cores: 0.25, max_execution_time_secs: 10, ..small_quota() };
    for n in 0..6 {
        let config =
            config_of(&format!("spinner-{n}"), |config| config.resource_quota = quota.clone());
        fabric.spawn_agent(&guest("hostile"), config).await.unwrap();
    }
    let fabric = Arc::new(fabric);
    let spinners: Vec<_> = (0..6)
        .map(|n| {
            let fabric = fabric.clone();
            let order = task(&format!("spinner-{n}"), json!({"do": "spin"}));
            tokio::spawn(async move { fabric.execute_task(order).await.unwrap() })
        })
        .collect();
    let before = process_time();
    let mut used = Vec::new();
    for spinner in spinners {
        let result = spinner.await.unwrap();
        let Some(Fault::OverQuota(breach)) = &result.fault else { panic!("{result:?}") };
        assert_eq!(breach.quota, QuotaKind::ExecutionTime);
        used.push(result.resource_usage.cpu_seconds);
    }
    println!("processor seconds of six spinners at 0.25 core for 10 s: {used:.3?}");
    let (all, process): (f64, f64) = (used.iter().sum(), (process_time() - before).as_secs_f64());
    assert!((all..all + 2.0).contains(&process), "reported {all}, the process used {process}");
    for seconds in used {
        assert!((2.25..=2.75).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn a_tasks_own_share_is_kept_where_it_is_tighter() {
    let _alone = alone().await;
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let mut order = task("hostile", json!({"do": "spin"}));
    order.resource_quota =
        ResourceQuota { max_cpu_cores: 0.1, max_execution_time_secs: 3, ..small_quota() };
    let result = Box::pin(fabric.execute_task(order)).await.unwrap();
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
    let spin = Box::pin(fabric.execute_task(order));
    let others = async {
        for n in 0..500 {
            assert!(execute(&fabric, "echo", json!(n)).await.success);
        }
    };
    let (result, ()) = tokio::join!(spin, others);
    assert!(!result.unwrap().success);
}
