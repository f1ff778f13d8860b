//! An agent's state goes with it when another genome takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chimera_layer4::fabric::events::EventKind;
use chimera_layer4::fabric::genome::Plan;
use chimera_layer4::fabric::{
    AgentSource, Digest, Fabric, FabricConfig, FabricError, Fault, NewGenome, ResourceQuota,
    StateCarried, Swapped, Task, utils,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use wit_parser::decoding::{DecodedWasm, decode};

use crate::harness::{self, execute, guest, settings, small_quota, task};

const TYPE: &str = "stateful";
const MARKER: &[u8] = b"stateful/number/";

/// A genome of the counter; as it is built it does nothing wrong.
#[derive(Clone, Copy, Default)]
struct Counter {
    version: u32,
    /// Of the state that it writes and reads.
    layout: u32,
    instances: u32,
    trouble: u32,
}

const SAVE_FAILS: u32 = 1;
const SAVE_TRAPS: u32 = 2;
const SAVE_SPINS: u32 = 3;
const SAVES_TOO_MUCH: u32 = 4;
const RESTORE_TRAPS: u32 = 5;
const RESTORES_TO_100: u32 = 6;

impl Counter {
    fn version(version: u32) -> Self {
        Self { version, ..Self::default() }
    }

    fn bytes(self) -> Vec<u8> {
        let mut bytes = guest("stateful");
        let places: Vec<usize> =
            (0..bytes.len() - MARKER.len()).filter(|at| bytes[*at..].starts_with(MARKER)).collect();
        let [place] = places[..] else { panic!("the marker is there once: {places:?}") };
        let numbers = [self.version, self.layout, self.instances, self.trouble];
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let start = place + MARKER.len();
        bytes[start..start + numbers.len()].copy_from_slice(&numbers);
        bytes
    }
}

/// A host with one agent of these bytes.
async fn host_of(bytes: Vec<u8>) -> Arc<Fabric> {
    let fabric =
        harness::fabric(FabricConfig { agent_timeout_secs: 2, max_agents: 20, ..settings() }).await;
    let config = || utils::agent_config(TYPE, small_quota());
    let source = AgentSource::Bytes(bytes.clone().into());
    fabric.agents().register(TYPE, source, config()).unwrap();
    fabric.agents().spawn(&bytes, config()).await.unwrap();
    Arc::new(fabric)
}

async fn promote(fabric: &Fabric, to: Vec<u8>) -> Result<Swapped, FabricError> {
    Box::pin(fabric.genomes().promote(TYPE, to, "a test")).await
}

/// The count after one more, and the version that counted.
async fn count(fabric: &Fabric) -> (u64, u64) {
    let done = execute(fabric, TYPE, json!({ "add": 1 })).await;
    assert!(done.success, "{done:?}");
    told(&done.output.to_value())
}

fn told(output: &Value) -> (u64, u64) {
    (output["count"].as_u64().unwrap(), output["version"].as_u64().unwrap())
}

fn why(swapped: &Swapped) -> &str {
    match &swapped.state {
        StateCarried::StartedAnew { why } => why,
        StateCarried::Carried { .. } => panic!("{swapped:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_swaps_under_load_keep_every_count() {
    const TASKS: u64 = 1000;
    const SWAPS: u64 = 20;
    /// Tasks to each swap. Half of them may come while it is made, so that it is
    /// made under load; the other half come after it.
    const STEP: u64 = TASKS / (SWAPS + 1);
    let fabric = host_of(Counter::version(0).bytes()).await;
    let (next, made) = (Arc::new(AtomicU64::new(0)), watch::Sender::new(0));
    let clients =
        (0..8).map(|_| tokio::spawn(client(fabric.clone(), next.clone(), made.subscribe())));
    let clients: Vec<_> = clients.collect();
    let genomes = [Counter::version(0).bytes(), Counter::version(1).bytes()];
    let mut paused = 0;
    for swap in 1..=SWAPS {
        while next.load(Ordering::Acquire) < swap * STEP {
            tokio::task::yield_now().await;
        }
        let to = genomes[usize::try_from(swap % 2).unwrap()].clone();
        let swapped = promote(&fabric, to).await.unwrap();
        let StateCarried::Carried { bytes: 8, paused_micros } = swapped.state else {
            panic!("{swapped:?}")
        };
        paused = paused.max(paused_micros);
        made.send_replace(swap);
    }
    let mut counts = Vec::new();
    let mut by_new = 0;
    for client in clients {
        for (count, version) in client.await.unwrap() {
            counts.push(count);
            by_new += version;
        }
    }
    println!("{by_new} of {TASKS} on the other genome, the longest pause {paused} µs");
    counts.sort_unstable();
    assert_eq!(counts, (1..=TASKS).collect::<Vec<_>>(), "each count once, and none is missing");
    assert!(by_new > 0 && by_new < TASKS, "both genomes counted");
    fabric.shutdown().await.unwrap();

    /// Counts until all tasks are done; what each was told.
    async fn client(
        fabric: Arc<Fabric>,
        next: Arc<AtomicU64>,
        mut made: watch::Receiver<u64>,
    ) -> Vec<(u64, u64)> {
        let mut counts = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::AcqRel);
            if number >= TASKS {
                return counts;
            }
            let in_time = |made: &u64| *made == SWAPS || number < (made + 1) * STEP + STEP / 2;
            made.wait_for(in_time).await.unwrap();
            counts.push(count(&fabric).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_finishes_and_is_carried_too() {
    let fabric = host_of(Counter::version(1).bytes()).await;
    count(&fabric).await;
    let (busy, in_hand) = (fabric.clone(), fabric.clone());
    let busy =
        tokio::spawn(
            async move { execute(&busy, TYPE, json!({ "add": 10, "busy_ms": 500 })).await },
        );
    while in_hand.agents().active()[0].tasks_in_hand == 0 {
        tokio::task::yield_now().await;
    }
    let swapped = promote(&fabric, Counter::version(2).bytes()).await.unwrap();
    assert!(matches!(swapped.state, StateCarried::Carried { .. }), "{swapped:?}");
    assert_eq!(told(&busy.await.unwrap().output.to_value()), (11, 1), "it finished on the old one");
    assert_eq!(count(&fabric).await, (12, 2));
    fabric.shutdown().await.unwrap();
}

/// Tasks outside of the queue wait at the agent itself. The swap waits for the
/// running one only; a swap that fails lets the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn who_stands_in_line_neither_delays_a_swap_nor_is_lost_by_one_that_fails() {
    const LINE: u64 = 6;
    let fabric = host_of(Counter::version(1).bytes()).await;
    let stand_in_line = || async {
        let one = |_| {
            let (fabric, one) = (fabric.clone(), task(TYPE, json!({ "add": 1, "busy_ms": 200 })));
            tokio::spawn(
                async move { Box::pin(fabric.tasks().run_once(&one)).await.unwrap().result },
            )
        };
        let line: Vec<_> = (0..LINE).map(one).collect();
        while fabric.agents().active()[0].tasks_in_hand < line.len() {
            tokio::task::yield_now().await;
        }
        line
    };
    let unknown = Counter { layout: 7, ..Counter::version(2) }.bytes();
    let known = Counter::version(3).bytes();
    for genome in [&unknown, &known] {
        // So that they are compiled when they are to take over.
        fabric.genomes().push(NewGenome::new(genome.clone())).await.unwrap();
    }

    let line = stand_in_line().await;
    promote(&fabric, unknown).await.unwrap_err();
    let mut counts = Vec::new();
    for one in line {
        counts.push(told(&one.await.unwrap().unwrap().to_value()).0);
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=LINE).collect::<Vec<_>>());

    let line = stand_in_line().await;
    let swapped = promote(&fabric, known).await.unwrap();
    assert!(matches!(swapped.state, StateCarried::Carried { .. }), "{swapped:?}");
    let mut ran = 0;
    for one in line {
        match one.await.unwrap() {
            Ok(output) => {
                assert_eq!(told(&output.to_value()).1, 1, "it was running");
                ran += 1;
            }
            Err(fault) => assert_eq!(fault, Fault::Stopped, "it did not begin"),
        }
    }
    // One was running, and a second may have begun while the genome was loaded.
    assert!(ran < LINE, "all in the line ran first");
    assert_eq!(count(&fabric).await, (LINE + ran + 1, 3));
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_interface_an_agent_starts_anew_and_the_report_says_so() {
    let fabric = host_of(Counter::version(1).bytes()).await;
    count(&fabric).await;
    let swapped = promote(&fabric, guest("echo")).await.unwrap();
    assert_eq!(why(&swapped), "the new genome does not export `chimera:agent/state`");
    let json = serde_json::to_value(&swapped).unwrap();
    assert_eq!(json["state"]["outcome"], "started-anew");
    let swapped = promote(&fabric, Counter::version(2).bytes()).await.unwrap();
    assert_eq!(why(&swapped), "the old genome does not export `chimera:agent/state`");
    assert_eq!(count(&fabric).await, (1, 2));
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_with_several_instances_start_anew_and_the_report_says_so() {
    let several = Counter { instances: 3, ..Counter::version(2) }.bytes();
    let fabric = host_of(Counter::version(1).bytes()).await;
    count(&fabric).await;
    let swapped = promote(&fabric, several).await.unwrap();
    assert!(why(&swapped).contains("an agent of the new genome has 3 instances"), "{swapped:?}");
    let swapped = promote(&fabric, Counter::version(3).bytes()).await.unwrap();
    assert!(why(&swapped).contains("an agent of the old genome has 3 instances"), "{swapped:?}");
    assert_eq!(count(&fabric).await, (1, 3));
    fabric.shutdown().await.unwrap();
}

/// Whose `save` does not go well leaves nothing changed, and is not replaced.
/// Where it ended in an error the count stands; a trap or a breach has cost the
/// instance, as it would have in a task.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_fails_leaves_the_old_one_in_charge() {
    for (trouble, words, left) in [
        (SAVE_FAILS, "`save` failed: it does not save", 1),
        (SAVE_TRAPS, "it traps in save", 0),
        (SAVES_TOO_MUCH, "`save` went over host memory per call", 0),
        (SAVE_SPINS, "did not answer", 0),
    ] {
        let bytes = Counter { trouble, ..Counter::version(1) }.bytes();
        let genome = Digest::of(&bytes);
        let fabric = host_of(bytes).await;
        count(&fabric).await;
        let error = promote(&fabric, Counter::version(2).bytes()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(fabric.agents().active()[0].genome, genome);
        assert_eq!(count(&fabric).await, (left + 1, 1), "{words}");
        let history = fabric.genomes().history(TYPE).await.unwrap();
        let promoted = |entry: &chimera_layer4::fabric::genome::Entry| {
            format!("{:?}", entry.event).contains("Promoted")
        };
        assert!(!history.iter().any(promoted), "nothing is recorded that did not happen");
        fabric.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_does_not_go_on_leaves_the_old_one_unharmed() {
    let fabric = host_of(Counter::version(1).bytes()).await;
    count(&fabric).await;
    for (new, words) in [
        (Counter { layout: 7, ..Counter::version(2) }, "the layout of the state is not known"),
        (Counter { trouble: RESTORE_TRAPS, ..Counter::version(3) }, "it traps in restore"),
    ] {
        let error = promote(&fabric, new.bytes()).await.unwrap_err();
        assert!(error.to_string().contains("`restore`"), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    assert_eq!(count(&fabric).await, (2, 1), "nothing was lost and nothing waits");
    let swapped = promote(&fabric, Counter::version(4).bytes()).await.unwrap();
    assert!(matches!(swapped.state, StateCarried::Carried { bytes: 8, .. }), "{swapped:?}");
    assert_eq!(count(&fabric).await, (3, 4));
    fabric.shutdown().await.unwrap();
}

/// Sixteen agents are replaced at once; one that comes later and cannot be
/// replaced keeps its genome.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_agents_one_that_cannot_follow_is_named_and_tried_again() {
    const AT_ONCE: usize = 16;
    let first = Counter::version(1).bytes();
    let fabric = host_of(first.clone()).await;
    let quota = || ResourceQuota { max_execution_time_secs: 200, ..small_quota() };
    let config = || utils::agent_config(TYPE, small_quota());
    for _ in 1..AT_ONCE {
        fabric.agents().spawn(&first, config()).await.unwrap();
    }
    let run = |order: Value| {
        let one = Task { resource_quota: quota(), ..task(TYPE, order) };
        let fabric = fabric.clone();
        tokio::spawn(async move { Box::pin(fabric.tasks().run_once(&one)).await.unwrap().result })
    };
    let mut busy = Vec::new();
    for one in 1..=AT_ONCE {
        busy.push(run(json!({ "add": 0, "busy_ms": 150_000 })));
        // One after the other: two at once may meet at one agent.
        let at_work = || fabric.agents().active().iter().filter(|a| a.tasks_in_hand > 0).count();
        while at_work() < one {
            tokio::task::yield_now().await;
        }
    }
    // The only one that is free.
    let last = fabric.agents().spawn(&first, config()).await.unwrap();
    assert_eq!(told(&run(json!({ "add": 101 })).await.unwrap().unwrap().to_value()), (101, 1));
    for one in busy {
        one.abort();
    }

    let second = Counter { trouble: RESTORES_TO_100, ..Counter::version(2) }.bytes();
    for _ in 0..2 {
        let swapped = promote(&fabric, second.clone()).await.unwrap();
        assert_eq!(swapped.behind, [last], "{swapped:?}");
        let old =
            fabric.agents().active().into_iter().filter(|agent| agent.genome == Digest::of(&first));
        assert_eq!(old.map(|agent| agent.id).collect::<Vec<_>>(), [last]);
    }
    let swapped = promote(&fabric, Counter::version(3).bytes()).await.unwrap();
    assert_eq!((swapped.agents.len(), swapped.behind.len()), (AT_ONCE + 1, 0), "{swapped:?}");
    fabric.shutdown().await.unwrap();
}

/// A promoted genome that cannot take over is rolled back, and the answer says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_cannot_go_on_is_not_said_to_be_promoted() {
    let fabric = host_of(Counter::version(0).bytes()).await;
    let genome = fabric.agents().active()[0].genome;
    count(&fabric).await;
    let mut events = fabric.telemetry().subscribe();
    let trouble = Counter { trouble: RESTORE_TRAPS, ..Counter::version(1) }.bytes();
    fabric.genomes().start_rollout(TYPE, trouble, Plan::default()).await.unwrap();
    fabric.genomes().promote_rollout(TYPE, "a test").await.unwrap_err();
    let (outcome, why) = loop {
        let event = events.recv().await.unwrap();
        if let EventKind::RolloutEnded { outcome, why, .. } = &event.what {
            break (*outcome, why.clone());
        }
    };
    assert_eq!(outcome, "rolled-back", "{why}");
    assert!(why.contains("could not take over") && why.contains("restore"), "{why}");
    assert_eq!(fabric.agents().active()[0].genome, genome);
    assert!(!fabric.genomes().tree(TYPE).await.unwrap().contains("in rollout"));
    fabric.shutdown().await.unwrap();
}

/// Who goes back wants rid of what is in charge, whatever that kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_on_without_a_state_that_the_earlier_genome_does_not_take() {
    let fabric = host_of(Counter::version(0).bytes()).await;
    let earlier = Counter { trouble: RESTORE_TRAPS, ..Counter::version(1) }.bytes();
    let anew = Counter { instances: 3, ..Counter::version(2) }.bytes();
    // By one that takes no state over, since the earlier one restores none either.
    for genome in [anew, earlier, Counter::version(3).bytes()] {
        promote(&fabric, genome).await.unwrap();
    }
    count(&fabric).await;
    let back = fabric.genomes().rollback(TYPE, "a test").await.unwrap();
    assert!(
        why(&back).contains("it was left behind") && why(&back).contains("restore"),
        "{back:?}"
    );
    assert_eq!(count(&fabric).await, (1, 1));
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_thrown_out_of_its_instance_has_nothing_to_carry() {
    let fabric = host_of(Counter::version(1).bytes()).await;
    count(&fabric).await;
    let mut late = task(TYPE, json!({ "add": 1, "busy_ms": 10_000 }));
    late.deadline = Some(std::time::SystemTime::now() + Duration::from_millis(200));
    let done = Box::pin(fabric.tasks().execute(late)).await.unwrap();
    assert!(!done.success, "{done:?}");
    let swapped = promote(&fabric, Counter::version(2).bytes()).await.unwrap();
    assert!(why(&swapped).contains("held no instance"), "{swapped:?}");
    assert_eq!(count(&fabric).await, (1, 2));
    fabric.shutdown().await.unwrap();
}

#[test]
fn only_who_asks_for_it_exports_it() {
    let exports = |name: &str| -> Vec<String> {
        let DecodedWasm::Component(resolve, world) = decode(&guest(name)).unwrap() else {
            panic!("{name} is a component")
        };
        resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect()
    };
    let (lifecycle, state) = ("chimera:agent/lifecycle@0.1.0", "chimera:agent/state@0.1.0");
    assert_eq!(exports("echo"), [lifecycle]);
    let mut both = exports(TYPE);
    both.sort();
    assert_eq!(both, [lifecycle, state]);
}
