//! Tasks that are lost, and tasks that are doubled: there are none, whatever changes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4::fabric::config::Deployment;
use chimera_layer4::fabric::{Digest, Fabric, NewGenome, Submission, TaskState, genome};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Host, PATIENCE, TYPE};
use crate::genomes::variants::Variant;
use crate::harness::task;
use crate::http::declared;

/// Twenty seconds of it are in the suite.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_or_doubled_while_files_change() {
    changes_under_load(Duration::from_secs(20)).await;
}

/// The long form: `cargo test --workspace --test system -- --ignored long_minute_of_changes`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes over a minute"]
async fn long_minute_of_changes() {
    changes_under_load(Duration::from_secs(60)).await;
}

/// What changes beside the folder: a type of the settings, one that is deployed, and a trial
/// of the folder's own type.
struct OtherChanges {
    fabric: Arc<Fabric>,
    folder: TempDir,
    components: [Digest; 2],
}

impl OtherChanges {
    async fn new(fabric: &Arc<Fabric>) -> Self {
        let folder = crate::folders::data_folder();
        let mut components = Vec::new();
        for version in [1, 2] {
            let bytes = Variant::version(10_000 + version).bytes();
            fs::write(folder.path().join(format!("{version}.wasm")), &bytes).unwrap();
            let pushed = fabric.genomes().push(NewGenome::new(bytes)).await.unwrap();
            components.push(pushed.genome);
        }
        let components = components.try_into().unwrap();
        Self { fabric: Arc::clone(fabric), folder, components }
    }

    /// A reload that replaces a type, a deployment that replaces another one.
    async fn change(&self, round: usize) {
        let component = self.folder.path().join(format!("{}.wasm", 1 + round % 2));
        let expected = if round == 0 { "started" } else { "replaced" };
        let reloaded = self.fabric.apply_agents(&declared("settled", component), |_| {}).await;
        assert_eq!(reloaded[0].outcome.word(), expected, "{reloaded:?}");
        let component = self.components[round % 2];
        let deployment = Deployment { component, settings: BTreeMap::new() };
        let deployed = Box::pin(self.fabric.deploy_agent_type("deployed", deployment)).await;
        assert_eq!(deployed.unwrap().word(), expected);
    }

    async fn try_candidate(&self, round: usize) {
        let candidate = Variant::version(20_000 + u32::try_from(round % 2).unwrap()).bytes();
        let plan = genome::Plan::default();
        let trial = self.fabric.genomes().start_rollout(TYPE, candidate, plan).await;
        trial.unwrap();
    }
}

/// A thousand tasks a second are offered while the file of their type is replaced, broken,
/// removed and brought back, and other types are reloaded, deployed and put on trial.
async fn changes_under_load(long: Duration) {
    const EACH: Duration = Duration::from_millis(50);
    const BATCH: usize = 50;
    let batches = usize::try_from(long.as_millis() / EACH.as_millis()).unwrap();
    let mut host = Host::new().await;
    host.put("variant.wasm", Variant::version(1).bytes());
    host.reports(TYPE, "started").await;
    let beside = OtherChanges::new(&host.fabric).await;
    let fabric = Arc::clone(&host.fabric);
    let submitter = tokio::spawn(async move {
        let (mut taken, mut refused) = (Vec::new(), BTreeMap::<&str, usize>::new());
        // A batch that a slow machine held up is followed at once by those that are due.
        let (began, mut tick) = (Instant::now(), tokio::time::interval(EACH));
        for _ in 0..batches {
            tick.tick().await;
            let batch = (0..BATCH).map(|_| Submission::from(task(TYPE, json!(1)))).collect();
            for answer in fabric.tasks().submit_batch(batch).await.unwrap() {
                match answer {
                    Ok(id) => taken.push(id),
                    Err(error) => *refused.entry(error.code()).or_default() += 1,
                }
            }
        }
        (taken, refused, began.elapsed())
    });
    let (mut changes, mut version, mut rounds) = (0, 1, 0);
    while !submitter.is_finished() {
        beside.try_candidate(rounds).await;
        beside.change(rounds).await;
        version += 1;
        host.put("variant.wasm", Variant::version(version).bytes());
        host.reports(TYPE, "replaced").await;
        host.put("variant.toml", "fresh = \"no\"");
        host.reports(TYPE, "failed").await;
        host.remove("variant.toml");
        host.put("variant.wasm", "broken");
        host.reports(TYPE, "failed").await;
        host.remove("variant.wasm");
        host.reports(TYPE, "removed").await;
        host.put("variant.wasm", Variant::version(version).bytes());
        host.reports(TYPE, "started").await;
        changes += 8;
        rounds += 1;
    }
    let (taken, refused, took) = submitter.await.unwrap();
    assert!(rounds >= 1);
    assert!(refused.keys().all(|code| code.starts_with("agent-type-")), "{refused:?}");
    let offered = taken.len() + refused.values().sum::<usize>();
    assert_eq!(offered, 1000 * usize::try_from(long.as_secs()).unwrap(), "a thousand a second");
    // Most of the time the type is there.
    assert!(taken.len() * 4 >= offered, "{} of {offered} were taken: {refused:?}", taken.len());
    for id in &taken {
        let done = timeout(PATIENCE, host.fabric.tasks().wait(*id)).await.unwrap().unwrap();
        assert!(done.success, "{done:?}");
    }
    // None is lost: by the store, each has ended.
    let stats = host.fabric.tasks().stats().await.unwrap();
    let of = |state| usize::try_from(stats.count(state)).unwrap();
    assert_eq!(of(TaskState::Succeeded), taken.len(), "0 lost");
    let open = TaskState::ALL.into_iter().filter(|state| *state != TaskState::Succeeded);
    assert_eq!(open.map(of).sum::<usize>(), 0);
    // None is doubled: agents ran as many times as there are tasks, and so many ends were
    // observed. No run fails and none is stopped: running tasks finish in the old agents.
    let observed = host.fabric.metrics_text().await.unwrap();
    for figure in ["layer4_run_duration_ms_count", "layer4_tasks_succeeded_total"] {
        let line = format!("{figure}{{agent_type=\"{TYPE}\"}} {}\n", taken.len());
        let shown = observed.lines().filter(|line| line.starts_with(figure));
        assert!(observed.contains(&line), "{line}{:?}", shown.collect::<Vec<_>>());
    }
    println!(
        "{offered} tasks offered in {took:.1?}; {} taken, each run once and ended once; {refused:?}; \
         {changes} changes in {rounds} rounds",
        taken.len()
    );
    host.shows(TYPE, |shown| shown.is_some_and(|shown| shown.waiting == 0)).await;
    host.fabric.shutdown().await.unwrap();
}
