//! A candidate in real traffic: found out and taken back, or put in charge.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chimera_layer4::fabric::genome::{Event, Margins, Plan, Policy, WhenUnsure};
use chimera_layer4::fabric::queue::BreakerState;
use chimera_layer4::fabric::{Digest, Fabric, Submission, SubmitOptions, ValidationResult, utils};
use serde_json::json;
use tokio::task::JoinHandle;

use super::record::{blob, durable};
use super::variants::Variant;
use super::{ended, host_of, host_with, running};
use crate::handmade::{self, Parts};
use crate::harness::{fabric, settings, small_quota, task};

/// Tasks go on until it is dropped; one in four of their outputs is judged.
struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn on(fabric: &Arc<Fabric>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |client: u64| {
            let (fabric, stop) = (Arc::clone(fabric), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut number = client;
                while !stop.load(Ordering::Acquire) {
                    number += 4;
                    let task = task("variant", json!(number));
                    let id = task.id;
                    let Ok(done) = Box::pin(fabric.tasks().execute(task)).await else { return };
                    if done.success && number % 16 < 4 {
                        let accuracy = f64::from(done.output.to_value()["double"] == number * 2);
                        let said = ValidationResult { task_id: id, accuracy };
                        fabric.submit_validation(said).await.unwrap();
                    }
                }
            })
        };
        Self { clients: (0..4).map(client).collect(), stop }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Release);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

pub(super) fn plan() -> Plan {
    let policy = Policy { most_samples: 6000, ..Policy::default() };
    Plan { steps: vec![0.25, 0.5], least_per_step: 50, policy, ..Plan::default() }
}

/// Each is worse in one thing.
#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_worse_is_found_out_and_taken_back() {
    let good = Variant { rounds: 20_000, ..Variant::version(1) };
    let (fabric, champion) = host_of(good).await;
    let mut events = fabric.telemetry().subscribe();
    let traffic = Traffic::on(&fabric);
    let worse = [
        ("errors", Variant { failing: 20, ..good }),
        ("latency", Variant { rounds: 60_000, ..good }),
        ("memory", Variant { leaking: 64, ..good }),
        ("accuracy", Variant { wrong: 50, ..good }),
    ];
    for (measure, candidate) in worse {
        let candidate = Variant { version: 2, ..candidate }.bytes();
        let digest = Digest::of(&candidate);
        let view = fabric.genomes().start_rollout("variant", candidate, plan()).await.unwrap();
        assert_eq!((view.candidate.genome, view.share), (digest, 0.25));
        let again = fabric.genomes().start_rollout("variant", digest, plan()).await.unwrap_err();
        assert_eq!(again.code(), "rollout-conflict", "one at a time: {again}");
        let (outcome, tasks, why) = ended(&mut events).await;
        println!("{measure}: {outcome} after {tasks} tasks of the candidate: {why}");
        assert_eq!(outcome, "rolled-back", "{measure}: {why}");
        assert!(why.contains(measure), "{measure}: {why}");
        let tree = fabric.genomes().tree("variant").await.unwrap();
        assert!(tree.contains(&digest.hex()[..12]), "{tree}");
        assert_eq!(fabric.genomes().rollouts(), []);
    }
    traffic.end().await;
    assert_eq!(running(&fabric), [champion], "the champion is in charge as before");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_no_worse_takes_over_by_itself() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    let mut events = fabric.telemetry().subscribe();
    let traffic = Traffic::on(&fabric);
    // Wide margins are shown soon; the trial itself is core's to prove.
    let margins = Margins { errors: 0.2, latency: 3.0, memory: 3.0, accuracy: 0.2 };
    let policy = Policy { margins, ..Policy::default() };
    let candidate = Variant::version(2).bytes();
    let digest = Digest::of(&candidate);
    let wide = Plan { policy, ..plan() };
    fabric.genomes().start_rollout("variant", candidate, wide).await.unwrap();
    let (outcome, tasks, why) = ended(&mut events).await;
    println!("{outcome} after {tasks} tasks: {why}");
    assert_eq!(outcome, "promoted", "{why}");
    traffic.end().await;
    assert_eq!(running(&fabric), [digest]);
    let tree = fabric.genomes().tree("variant").await.unwrap();
    assert!(tree.contains("not worse after") && tree.contains("● active"), "{tree}");
    fabric.shutdown().await.unwrap();
}

/// Every task of the champion traps, so that its breaker is open by the time
/// the candidate, which answers every task, is put on trial.
#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_takes_over_from_a_champion_that_always_traps() {
    let champion = handmade::agent(&Parts { execute: "unreachable", ..Parts::default() });
    let candidate = handmade::agent(&Parts { output: "{\"hi\":1}", ..Parts::default() });
    let [old, new] = [&champion, &candidate].map(|bytes| Digest::of(bytes));
    let fabric = Arc::new(fabric(settings()).await);
    fabric.agents().spawn(&champion, utils::agent_config("mended", small_quota())).await.unwrap();
    let breakers = || async {
        let types = fabric.tasks().stats().await.unwrap().types;
        types.into_iter().find(|of_type| of_type.agent_type == "mended").unwrap()
    };
    for _ in 0..4 {
        let failed = Box::pin(fabric.tasks().execute(task("mended", json!(null)))).await.unwrap();
        assert!(!failed.success);
    }
    assert_ne!(breakers().await.breaker, BreakerState::Closed);

    let mut events = fabric.telemetry().subscribe();
    fabric.genomes().start_rollout("mended", candidate, Plan::default()).await.unwrap();
    let client = tokio::spawn({
        let fabric = Arc::clone(&fabric);
        async move {
            let mut dead = 0;
            while fabric.genomes().rollout("mended").is_ok() {
                let done =
                    Box::pin(fabric.tasks().execute(task("mended", json!(1)))).await.unwrap();
                dead += u32::from(!done.success);
            }
            dead
        }
    });
    let (outcome, tasks, why) = ended(&mut events).await;
    println!("{outcome} after {tasks} tasks of the candidate: {why}");
    assert_eq!(outcome, "promoted", "{why}");
    assert_eq!(client.await.unwrap(), 0, "no task is lost to a champion that is known to fail");
    let tree = fabric.genomes().tree("mended").await.unwrap();
    assert!(tree.contains("better"), "{tree}");
    assert_eq!(running(&fabric), [new]);
    let done = Box::pin(fabric.tasks().execute(task("mended", json!(1)))).await.unwrap();
    assert!(done.success);
    let of_type = breakers().await;
    assert_eq!(of_type.breaker, BreakerState::Closed, "that of {old} is gone");
    assert_eq!(of_type.breakers.iter().map(|arm| arm.genome).collect::<Vec<_>>(), [new]);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_decides_before_the_trial_does() {
    let (fabric, champion) = host_of(Variant::version(1)).await;
    let mut events = fabric.telemetry().subscribe();
    let candidate = Variant::version(2).bytes();
    let digest = Digest::of(&candidate);
    let refused = fabric.genomes().promote_rollout("variant", "ada").await.unwrap_err();
    assert!(refused.to_string().contains("no rollout"), "{refused}");
    fabric.genomes().start_rollout("variant", candidate.clone(), plan()).await.unwrap();
    let swap = fabric.genomes().promote("variant", Variant::version(3).bytes(), "ada").await;
    assert!(swap.unwrap_err().to_string().contains("on trial"));
    fabric.genomes().abort_rollout("variant", "ada").await.unwrap();
    assert_eq!(running(&fabric), [champion], "at once");
    assert_eq!(ended(&mut events).await.0, "aborted");
    fabric.genomes().start_rollout("variant", digest, plan()).await.unwrap();
    fabric.genomes().promote_rollout("variant", "ada").await.unwrap();
    assert_eq!(running(&fabric), [digest], "at once");
    assert_eq!(ended(&mut events).await.0, "promoted");
    let wrong = Plan { steps: vec![0.5, 0.25], ..Plan::default() };
    let wrong = fabric.genomes().start_rollout("variant", champion, wrong).await.unwrap_err();
    assert!(wrong.to_string().contains("each must be above the last"), "{wrong}");
    fabric.shutdown().await.unwrap();
}

/// Its bytes are damaged by the time that it is to take over.
#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_cannot_be_is_no_success() {
    let (folder, config) = durable();
    let (fabric, champion) = host_with(Variant::version(1), config).await;
    let candidate = Variant::version(2).bytes();
    let digest = Digest::of(&candidate);
    fabric.genomes().start_rollout("variant", candidate, plan()).await.unwrap();
    std::fs::remove_file(blob(folder.path(), digest)).unwrap();
    let error = fabric.genomes().promote_rollout("variant", "ada").await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    assert_eq!((running(&fabric), fabric.genomes().rollouts()), (vec![champion], Vec::new()));
    let history = fabric.genomes().history("variant").await.unwrap();
    let Event::RolledBack { to, why } = &history.last().unwrap().event else {
        panic!("{history:?}")
    };
    assert!(*to == champion && why.contains("it could not take over"), "{why}");
    fabric.shutdown().await.unwrap();
}

/// A key that met the candidate meets it again.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_key_stay_on_one_side() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    let plan = Plan { steps: vec![0.5], when_unsure: WhenUnsure::KeepChampion, ..plan() };
    fabric.genomes().start_rollout("variant", Variant::version(2).bytes(), plan).await.unwrap();
    let mut sides: HashMap<String, u64> = HashMap::new();
    for number in 0..200_u64 {
        let mut task = task("variant", json!(number));
        let key = format!("customer-{}", number % 20);
        task.metadata.insert("rollout-key".into(), key.clone());
        let done = Box::pin(fabric.tasks().execute(task)).await.unwrap();
        let version = done.output.to_value()["version"].as_u64().unwrap();
        assert_eq!(*sides.entry(key).or_insert(version), version);
    }
    let on_trial = sides.values().filter(|version| **version == 2).count();
    assert!((1..20).contains(&on_trial), "both sides have customers: {sides:?}");
    fabric.shutdown().await.unwrap();
}

/// The champion runs a task again that failed. That run counts for neither side.
#[tokio::test(flavor = "multi_thread")]
async fn only_first_attempts_count() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    let plan = Plan { steps: vec![0.5], ..plan() };
    fabric.genomes().start_rollout("variant", Variant::version(2).bytes(), plan).await.unwrap();
    let run = |payload: u64| {
        let (fabric, task) = (Arc::clone(&fabric), task("variant", json!(payload)));
        let options = SubmitOptions { max_attempts: Some(2), ..SubmitOptions::default() };
        let submission = Submission { task, options };
        tokio::spawn(async move { Box::pin(fabric.tasks().execute(submission)).await.unwrap() })
    };
    // Few that fail, so that the breaker stays closed.
    let tasks: Vec<_> = (0..40).map(run).chain((0..3).map(|_| run(u64::MAX))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let view = fabric.genomes().rollout("variant").unwrap();
    assert_eq!(view.champion.tasks + view.candidate.tasks, 43, "{view:?}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_survives_what_is_done_to_its_agents() {
    let (fabric, champion) = host_of(Variant::version(1)).await;
    let mut events = fabric.telemetry().subscribe();
    let candidate = Variant::version(2).bytes();
    fabric.genomes().start_rollout("variant", candidate.clone(), plan()).await.unwrap();
    let agents = fabric.agents().active();
    let of = |genome: Digest| agents.iter().find(|agent| agent.genome == genome).unwrap().id;
    let on_trial = of(Digest::of(&candidate));
    let other = Variant::version(3).bytes();
    let refused = fabric.genomes().update_agent(on_trial, other).await.unwrap_err();
    assert!(refused.to_string().contains("on trial"), "{refused}");

    // One task that is judged over and over is one judgement.
    let judged = task("variant", json!(1));
    let task_id = judged.id;
    Box::pin(fabric.tasks().execute(judged)).await.unwrap();
    for _ in 0..200 {
        fabric.submit_validation(ValidationResult { task_id, accuracy: 0.0 }).await.unwrap();
    }
    assert!(fabric.genomes().rollout("variant").is_ok(), "it goes on");

    // Without a champion its tasks are the candidate's, and none waits for ever.
    for agent in agents.iter().filter(|agent| agent.genome == champion) {
        fabric.agents().shutdown(agent.id).await.unwrap();
    }
    for number in 0..20_u64 {
        let done = Box::pin(fabric.tasks().execute(task("variant", json!(number)))).await.unwrap();
        assert_eq!(done.output.to_value()["double"], number * 2, "{done:?}");
    }
    fabric.genomes().abort_rollout("variant", "a test").await.unwrap();
    assert_eq!(ended(&mut events).await.0, "aborted");
    let done = Box::pin(fabric.tasks().execute(task("variant", json!(2)))).await.unwrap();
    assert_eq!(done.output.to_value()["version"], 1, "the type's own genome is started again");
    fabric.shutdown().await.unwrap();
}
