//! Whose fault it was that a run ended: a submitter's own limits say nothing of
//! the genome, so that no client can have it rest for the others.

use std::sync::Arc;

use chimera_layer4::fabric::queue::BreakerState;
use chimera_layer4::fabric::{
    Breach, ExecutionResult, Fault, LimitSource, QuotaKind, ResourceQuota, Task,
};
use serde_json::json;

use crate::harness::{execute, fabric, settings, small_quota, spawn, task};

fn breached(result: &ExecutionResult) -> Breach {
    match &result.fault {
        Some(Fault::OverQuota(breach)) => breach.clone(),
        other => panic!("no breach: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_submitter_can_have_a_healthy_genome_rest() {
    let fabric = Arc::new(fabric(settings()).await);
    spawn(&fabric, "hostile").await;
    let tight = |payload| {
        let mut order = task("hostile", payload);
        order.resource_quota.max_memory_mb = 5;
        order
    };
    let rows: [(Task, QuotaKind, LimitSource); 2] = [
        (tight(json!({"do": "keep", "amount": 10})), QuotaKind::Memory, LimitSource::Task),
        (
            task("hostile", json!({"do": "return-giant", "amount": 5})),
            QuotaKind::HostMemory,
            LimitSource::Host,
        ),
    ];
    for (order, quota, set_by) in rows {
        for _ in 0..25 {
            let again =
                Task { id: chimera_layer4::fabric::utils::generate_task_id(), ..order.clone() };
            let result = Box::pin(fabric.tasks().execute(again)).await.unwrap();
            let breach = breached(&result);
            assert_eq!((breach.quota, breach.set_by), (quota, set_by), "{breach}");
        }
    }
    let stats = fabric.tasks().stats().await.unwrap();
    let of_type = &stats.types[0];
    assert_eq!((of_type.breaker, of_type.breaker_opened), (BreakerState::Closed, 0));
    assert_eq!((of_type.failed, of_type.retried), (50, 0), "and nothing was tried again");
    assert!(execute(&fabric, "hostile", json!({"do": "nothing"})).await.success);
    fabric.shutdown().await.unwrap();
}

/// The agent's network is there; the task wants none of it, and another attempt would end
/// the same way.
#[tokio::test]
async fn who_asks_for_no_network_is_who_had_none() {
    let fabric = fabric(settings()).await;
    let wide = ResourceQuota { max_network_mbps: Some(100.0), ..small_quota() };
    let mut config = chimera_layer4::fabric::utils::agent_config("courier", wide.clone());
    config.grants.http = vec!["http://127.0.0.1:9".parse().unwrap()];
    fabric.agents().spawn(&crate::harness::guest("courier"), config).await.unwrap();
    let errand = json!({"to": "127.0.0.1:9", "must": true});
    let breach = breached(&execute(&fabric, "courier", errand.clone()).await);
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::Network, LimitSource::Task));
    assert!(breach.detail.contains("a request failed"), "{breach}");
    // Nothing listens there either: that is the agent's, and tried again.
    let mut allowed = task("courier", errand);
    allowed.resource_quota = wide;
    let failed = fabric.tasks().run_once(&allowed).await.unwrap().result.unwrap_err();
    assert_eq!(failed.code(), "unavailable", "{failed}");
    let stats = fabric.tasks().stats().await.unwrap();
    assert_eq!((stats.types[0].failed, stats.types[0].retried), (1, 0));
    fabric.shutdown().await.unwrap();
}

/// The agent's time runs out, but only since the task asked for a hundredth of the
/// processor.
#[tokio::test]
async fn who_asks_for_a_tight_share_is_who_ran_out_of_time() {
    let fabric = fabric(settings()).await;
    let quick = ResourceQuota { max_execution_time_secs: 1, ..small_quota() };
    let config = chimera_layer4::fabric::utils::agent_config("hostile", quick);
    fabric.agents().spawn(&crate::harness::guest("hostile"), config).await.unwrap();
    let mut order = task("hostile", json!({"do": "burn-ms", "amount": 5000}));
    order.resource_quota.max_cpu_cores = 0.01;
    let breach = breached(&Box::pin(fabric.tasks().execute(order)).await.unwrap());
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::ExecutionTime, LimitSource::Task));
    assert!(breach.detail.contains("the task asked for less of the processor"), "{breach}");
    let spun = breached(&execute(&fabric, "hostile", json!({"do": "spin"})).await);
    assert_eq!((spun.quota, spun.set_by), (QuotaKind::ExecutionTime, LimitSource::Agent));
    fabric.shutdown().await.unwrap();
}
