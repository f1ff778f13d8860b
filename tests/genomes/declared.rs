//! Types that are declared otherwise, or no longer, while something else is under way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::config::AgentDeclaration;
use chimera_layer4::fabric::{
    Digest, Fabric, FolderAccess, FolderGrant, NewGenome, Task, TaskId, TaskState, utils,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use super::record::durable;
use super::rollouts::plan;
use super::running;
use super::variants::{BROKEN, Variant};
use crate::harness::{execute, fabric, guest, settings, small_quota};
use crate::http::declared;

const TYPE: &str = "slow";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

type Declared = BTreeMap<String, AgentDeclaration>;

/// What tells that an agent has begun, and lets it go on.
struct Signals(TempDir);

impl Signals {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn go(&self) {
        fs::write(self.0.path().join("go"), "").unwrap();
    }

    /// What begins from now on waits again.
    fn stop(&self) {
        for name in ["go", "started"] {
            let _ = fs::remove_file(self.0.path().join(name));
        }
    }

    async fn started(&self) {
        let path = self.0.path().join("started");
        until(async || path.exists()).await;
    }

    /// A type whose agents can give these signals.
    fn declare(&self, component: &Path, in_init: &str) -> Declared {
        let mut all = declared(TYPE, component.to_path_buf());
        let one = all.get_mut(TYPE).unwrap();
        one.parameters.insert("in_init".into(), json!(in_init));
        one.grants.folders.push(FolderGrant {
            host: self.0.path().to_path_buf(),
            guest: "/data".into(),
            access: FolderAccess::ReadWrite,
        });
        all
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let look = async {
        let mut tick = interval(Duration::from_millis(10));
        while !is_so().await {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, look).await.expect("it comes");
}

/// The hostile guest as another genome that does the same.
fn hostile(version: u8) -> Vec<u8> {
    // A custom section of the name `v`.
    [guest("hostile"), vec![0, 3, 1, b'v', version]].concat()
}

fn put(folder: &TempDir, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join(format!("{}.wasm", Digest::of(bytes).hex()));
    fs::write(&path, bytes).unwrap();
    path
}

/// Applies these; what became of each type.
async fn apply(fabric: &Fabric, declared: &Declared) -> BTreeMap<String, &'static str> {
    apply_told(fabric, declared, |_| {}).await
}

async fn apply_told(
    fabric: &Fabric,
    declared: &Declared,
    told: impl Fn(&str),
) -> BTreeMap<String, &'static str> {
    let applied = timeout(PATIENCE, fabric.apply_agents(declared, told)).await;
    let applied = applied.expect("it waits for no task");
    println!("{applied:?}");
    applied.into_iter().map(|one| (one.name, one.outcome.word())).collect()
}

fn one(name: &str, outcome: &'static str) -> BTreeMap<String, &'static str> {
    BTreeMap::from([(name.to_owned(), outcome)])
}

async fn state(fabric: &Fabric, id: TaskId) -> TaskState {
    fabric.tasks().get(id).await.unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_agent_holds_up_no_change() {
    let (signals, files) = (Signals::new(), tempfile::tempdir().unwrap());
    let fabric = fabric(settings()).await;
    let [old, new] = [1, 2].map(|version| put(&files, &hostile(version)));
    apply(&fabric, &signals.declare(&old, "")).await;
    let mut quota = small_quota();
    quota.max_execution_time_secs = 120;
    let dawdles =
        Task { resource_quota: quota, ..utils::task_for(TYPE, json!({ "do": "dawdle" })) };
    let busy = fabric.tasks().submit(dawdles).await.unwrap();
    signals.started().await;
    let changes = [
        (signals.declare(&new, ""), one(TYPE, "replaced")),
        (Declared::new(), one(TYPE, "removed")),
        (declared("other", old), one("other", "started")),
    ];
    for (declared, expected) in changes {
        assert_eq!(apply(&fabric, &declared).await, expected);
        assert_eq!(state(&fabric, busy).await, TaskState::Running);
    }
    signals.go();
    let done = fabric.tasks().wait(busy).await.unwrap();
    assert!(done.success, "it ended in the old agent: {done:?}");
    fabric.shutdown().await.unwrap();
}

/// Nothing of a genome can be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_recorded_leaves_the_agents_as_they_were() {
    let (folder, config) = durable();
    let files = tempfile::tempdir().unwrap();
    let [old, new] = [1, 2].map(|version| put(&files, &Variant::version(version).bytes()));
    let fabric = fabric(config).await;
    apply(&fabric, &declared("variant", old)).await;
    let version =
        async || execute(&fabric, "variant", json!(1)).await.output.to_value()["version"].clone();
    let (blobs, aside) = (folder.path().join("genomes/blobs"), folder.path().join("genomes/aside"));
    fs::rename(&blobs, &aside).unwrap();
    assert_eq!(apply(&fabric, &declared("variant", new.clone())).await, one("variant", "failed"));
    assert_eq!((fabric.agents().active().len(), version().await), (1, json!(1)));
    fs::rename(&aside, &blobs).unwrap();
    assert_eq!(apply(&fabric, &declared("variant", new)).await, one("variant", "replaced"));
    assert_eq!((fabric.agents().active().len(), version().await), (1, json!(2)));
    fabric.shutdown().await.unwrap();
}

/// The candidate of the rollout is still made when the type is changed or removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_begins_meanwhile_ends_with_its_champion() {
    for is_removed in [true, false] {
        let (signals, files) = (Signals::new(), tempfile::tempdir().unwrap());
        let fabric = Arc::new(fabric(settings()).await);
        signals.go();
        let [champion, new] = [1, 2].map(|version| put(&files, &hostile(version)));
        apply(&fabric, &signals.declare(&champion, "dawdle")).await;
        let new_genome = NewGenome { agent_type: Some(TYPE.into()), ..NewGenome::new(hostile(3)) };
        let candidate = fabric.genomes().push(new_genome).await.unwrap().genome;
        signals.stop();
        let rollout = tokio::spawn({
            let fabric = Arc::clone(&fabric);
            async move { fabric.genomes().start_rollout(TYPE, candidate, plan()).await }
        });
        signals.started().await;
        let to = if is_removed { Declared::new() } else { signals.declare(&new, "dawdle") };
        let applied = apply_told(&fabric, &to, |_| signals.go()).await;
        let (word, left) = match is_removed {
            true => ("removed", vec![]),
            false => ("replaced", vec![Digest::of(&hostile(2))]),
        };
        assert_eq!(applied, one(TYPE, word));
        let begun = rollout.await.unwrap();
        println!("{word}: {:?}", begun.map(|view| view.share));
        assert_eq!((fabric.genomes().rollouts(), running(&fabric)), (vec![], left.clone()));
        for genome in left {
            let detail = fabric.genomes().detail(genome).await.unwrap();
            assert_eq!(detail.summary.active_for, [TYPE], "a restart runs it, too");
        }
        fabric.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_that_is_refused_ends_no_rollout() {
    let files = tempfile::tempdir().unwrap();
    let fabric = fabric(settings()).await;
    let of = |bytes: &[u8]| declared("variant", put(&files, bytes));
    apply(&fabric, &of(&Variant::version(1).bytes())).await;
    let candidate = Variant::version(2).bytes();
    fabric.genomes().start_rollout("variant", candidate, plan()).await.unwrap();
    let broken = Variant { state: BROKEN, ..Variant::version(3) }.bytes();
    for refused in [b"not WebAssembly".to_vec(), broken] {
        assert_eq!(apply(&fabric, &of(&refused)).await, one("variant", "failed"));
        assert_eq!(fabric.genomes().rollouts().len(), 1);
    }
    let good = Variant::version(4).bytes();
    assert_eq!(apply(&fabric, &of(&good)).await, one("variant", "replaced"));
    assert_eq!((fabric.genomes().rollouts(), running(&fabric)), (vec![], vec![Digest::of(&good)]));
    fabric.shutdown().await.unwrap();
}

/// It was to start the type's first agent, and another did.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_type_goes_while_it_is_made_ready_waits() {
    let (signals, files) = (Signals::new(), tempfile::tempdir().unwrap());
    let fabric = Arc::new(fabric(settings()).await);
    let mut on_demand = signals.declare(&put(&files, &guest("hostile")), "dawdle");
    on_demand.get_mut(TYPE).unwrap().instances = 0;
    apply(&fabric, &on_demand).await;
    let first = tokio::spawn({
        let fabric = Arc::clone(&fabric);
        async move { fabric.agents().start_registered(TYPE).await }
    });
    signals.started().await;
    let removal = tokio::spawn({
        let fabric = Arc::clone(&fabric);
        async move { apply(&fabric, &Declared::new()).await }
    });
    // It waits for the agent that is being started.
    until(async || fabric.agent_types().await.iter().all(|one| one.source.is_none())).await;
    let task = Task { resource_quota: small_quota(), ..utils::task_for(TYPE, json!({ "do": "" })) };
    let id = fabric.tasks().submit(task).await.unwrap();
    until(async || state(&fabric, id).await == TaskState::Claimed).await;
    signals.go();
    first.await.unwrap().unwrap();
    assert_eq!(removal.await.unwrap(), one(TYPE, "removed"));
    until(async || state(&fabric, id).await != TaskState::Claimed).await;
    let record = fabric.tasks().get(id).await.unwrap();
    assert_eq!((record.state, record.attempts), (TaskState::Waiting, 0), "{record:?}");
    assert_eq!(record.failed_attempts.len(), 0, "{record:?}");
    apply(&fabric, &on_demand).await;
    assert!(fabric.tasks().wait(id).await.unwrap().success);
    fabric.shutdown().await.unwrap();
}
