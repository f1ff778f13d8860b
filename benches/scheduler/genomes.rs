//! Genomes that take over under load, and candidates that are worse.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::events::EventKind;
use chimera_layer4::fabric::genome::{Plan, Policy, Weights};
use chimera_layer4::fabric::{
    BenchTask, Fabric, InstancePolicy, JsonText, NewGenome, ValidationResult, utils,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::host::{self, AgentSpec};
use crate::scene::{Scene, folder};
use crate::table::{Figure, Goal, Report, Table, quantile, say};

/// Tasks a second, each submitted when it is due and not when another ended.
const RATE: u64 = 1000;
const AGENTS: usize = 4;
/// Between two swaps. Each has the lineage synced, which holds up a few tasks on
/// the same disk: with twenty swaps a second those are more than one in a hundred.
const BETWEEN: Duration = Duration::from_millis(200);
/// Who sends tasks in the trials of candidates that are alike: bursts, in which
/// the champion runs whenever the candidate does.
const ALIKE_CLIENTS: u64 = 16;
/// Rounds of work of a candidate's task: some tens of µs.
const ROUNDS: u32 = 100_000;
/// Of a task in a benchmark: most of a millisecond, so that these tasks are what
/// live ones run beside, and not the one write at the end of each benchmark.
const BENCHMARK_ROUNDS: u32 = 20 * ROUNDS;

/// How a genome behaves: its version, rounds of work, and of a thousand tasks
/// those that fail and are wrong; KiB that each leaves behind.
#[derive(Clone, Copy)]
struct Variant([u32; 5]);

impl Variant {
    fn bytes(self, built: &[u8]) -> Result<Vec<u8>> {
        let marker = b"variant/numbers/";
        let place = built.windows(marker.len()).position(|window| window == marker);
        let start = place.context("the marker is in the component")? + marker.len();
        let mut bytes = built.to_vec();
        let numbers: Vec<u8> = self.0.iter().flat_map(|number| number.to_le_bytes()).collect();
        let place = bytes.get_mut(start..start + numbers.len()).context("room behind it")?;
        place.copy_from_slice(&numbers);
        Ok(bytes)
    }
}

fn is_right(output: &JsonText, number: u64) -> bool {
    let output = output.to_value();
    output.get("double").is_some_and(|double| *double == number * 2)
}

/// What a load saw.
struct Seen {
    latencies: Vec<f64>,
    wrong: u64,
}

/// 1,000 tasks a second for so long, or until `done`.
async fn load(fabric: &Arc<Fabric>, length: Duration, done: &AtomicBool) -> Result<Seen> {
    let mut tick = interval(Duration::from_millis(1000 / RATE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut running, wrong) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    let (began, mut number) = (Instant::now(), 0_u64);
    while began.elapsed() < length || !done.load(Ordering::Acquire) {
        tick.tick().await;
        number += 1;
        let (fabric, wrong, due) = (Arc::clone(fabric), Arc::clone(&wrong), Instant::now());
        running.spawn(async move {
            let task = utils::task_for("variant", json!(number));
            let ended = Box::pin(fabric.tasks().execute(task)).await;
            let right = ended.is_ok_and(|done| done.success && is_right(&done.output, number));
            wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
            due.elapsed().as_nanos() as f64
        });
    }
    Ok(Seen { latencies: running.join_all().await, wrong: wrong.load(Ordering::Relaxed) })
}

/// Does a swap lose a task, run one twice, or hold one up?
pub(crate) fn swaps(scene: &Scene, report: &mut Report) -> Result<()> {
    let built = host::component("tests/guests/variant")?;
    let genomes = [1, 2].map(|version| Variant([version, 0, 0, 0, 0]).bytes(&built));
    let [first, second] = genomes;
    let genomes = [first?, second?];
    let (swaps, still) =
        scene.pick((1000, Duration::from_secs(20)), (5, Duration::from_millis(200)));
    let data = folder()?;
    scene.runtime.block_on(async {
        let [component, _] = &genomes;
        let instances = InstancePolicy::default();
        let spec = AgentSpec { name: "variant", component, agents: AGENTS, instances };
        let fabric = host::open(data.path(), TaskStoreKind::Embedded, &[spec]).await?;
        let quiet = AtomicBool::new(true);
        let without = load(&fabric, still, &quiet).await?;
        let done = Arc::new(AtomicBool::new(false));
        let mut longest = 0;
        let swapping = async {
            let mut tick = interval(BETWEEN);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The second first: the first is in charge.
            for genome in genomes.iter().cycle().skip(1).take(swaps).cloned() {
                tick.tick().await;
                let swapped = fabric.genomes().promote("variant", genome, "a benchmark").await?;
                longest = longest.max(swapped.switch_micros);
            }
            done.store(true, Ordering::Release);
            anyhow::Ok(())
        };
        let (with, swapped) = tokio::join!(load(&fabric, Duration::ZERO, &done), swapping);
        swapped?;
        let with = with?;
        let stats = fabric.tasks().stats().await?;
        let of_type = stats.types.iter().find(|one| one.agent_type == "variant");
        let of_type = of_type.context("tasks of the type ran")?;
        let sent = (without.latencies.len() + with.latencies.len()) as u64;
        fabric.shutdown().await?;
        show(report, swaps, sent, of_type.succeeded, longest, without, with)
    })
}

fn show(
    report: &mut Report,
    swaps: usize,
    sent: u64,
    succeeded: u64,
    longest: u64,
    mut without: Seen,
    mut with: Seen,
) -> Result<()> {
    let heads = ["tasks", "p50", "p99", "failed or wrong"];
    let mut table = Table::new(format!("{RATE} tasks a second, {AGENTS} agents"), heads);
    let mut p99 = [0.0; 2];
    let named = [("no swap", &mut without), ("a swap every 200 ms", &mut with)];
    for ((name, seen), p99) in named.into_iter().zip(&mut p99) {
        *p99 = quantile(&mut seen.latencies, 0.99);
        let p50 = quantile(&mut seen.latencies, 0.5);
        let count = seen.latencies.len();
        let figures = [Figure::Nanos.show(p50), Figure::Nanos.show(*p99), seen.wrong.to_string()];
        table.row(name, [count.to_string()].into_iter().chain(figures));
    }
    table.print()?;
    say(&format!("\n  {swaps} swaps; {sent} tasks sent, {succeeded} ended with an output\n"))?;
    let [before, after] = p99;
    let micros = longest as f64 * 1000.0;
    report.judge("swaps: p99 to that without", after / before, Figure::Times, Goal::Most(1.5));
    report.judge("swaps: the longest switch", micros, Figure::Nanos, Goal::Most(1e6));
    let lost = sent.abs_diff(succeeded) as f64;
    report.judge("swaps: tasks lost or doubled", lost, Figure::Times, Goal::Most(0.0));
    Ok(())
}

/// Does a benchmark hold up the tasks that run beside it?
pub(crate) fn beside(scene: &Scene, report: &mut Report) -> Result<()> {
    let built = host::component("tests/guests/variant")?;
    let light = Variant([1, 0, 0, 0, 0]).bytes(&built)?;
    let heavy = Variant([2, BENCHMARK_ROUNDS, 0, 0, 0]).bytes(&built)?;
    let (still, tasks) =
        scene.pick((Duration::from_secs(20), 200), (Duration::from_millis(200), 10));
    let data = folder()?;
    scene.runtime.block_on(async {
        let instances = InstancePolicy::default();
        let spec = AgentSpec { name: "variant", component: &light, agents: AGENTS, instances };
        let fabric = host::open(data.path(), TaskStoreKind::Embedded, &[spec]).await?;
        let mut without = load(&fabric, still, &AtomicBool::new(true)).await?;
        let tasks: Vec<BenchTask> =
            (0..tasks).map(|number| BenchTask { payload: json!(number).into(), expected: None }).collect();
        let done = Arc::new(AtomicBool::new(false));
        // Only what is stored can be held against another.
        fabric.genomes().push(NewGenome::new(light.clone())).await?;
        let benching = async {
            let ended = benchmarks(&fabric, &heavy, &tasks, still).await;
            // Also where it failed, or the load would go on for ever.
            done.store(true, Ordering::Release);
            ended
        };
        let (with, benchmarks) = tokio::join!(load(&fabric, still, &done), benching);
        let (mut with, benchmarks) = (with?, benchmarks?);
        fabric.shutdown().await?;
        let before = quantile(&mut without.latencies, 0.99);
        let after = quantile(&mut with.latencies, 0.99);
        say(&format!(
            "\n  {benchmarks} benchmarks of {} tasks on each genome; p99 of live tasks {} without, {} beside\n",
            tasks.len(),
            Figure::Nanos.show(before),
            Figure::Nanos.show(after)
        ))?;
        let name = "beside a benchmark: p99 to that without";
        report.judge(name, after / before, Figure::Times, Goal::Most(1.5));
        Ok(())
    })
}

/// One benchmark after the other for so long; how many there were.
async fn benchmarks(
    fabric: &Fabric,
    candidate: &[u8],
    tasks: &[BenchTask],
    length: Duration,
) -> Result<u32> {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < length {
        let weights = Weights::default();
        fabric.genomes().benchmark("variant", candidate, tasks.to_vec(), &weights).await?;
        done += 1;
    }
    Ok(done)
}

/// How many tasks does it take to find out a candidate that is worse?
pub(crate) fn trials(scene: &Scene, report: &mut Report) -> Result<()> {
    let built = host::component("tests/guests/variant")?;
    let good = [1, ROUNDS, 0, 0, 0];
    let [_, rounds, ..] = good;
    let cases = [
        ("5 % slower", [2, rounds + rounds / 20, 0, 0, 0], "rolled-back"),
        ("2 % errors", [2, rounds, 20, 0, 0], "rolled-back"),
        ("leaks 16 KiB a task", [2, rounds, 0, 0, 16], "rolled-back"),
        ("5 % wrong, one in four judged", [2, rounds, 0, 50, 0], "rolled-back"),
        ("the same", [2, rounds, 0, 0, 0], "promoted or inconclusive"),
    ];
    let most = scene.pick(10_000, 300);
    let data = folder()?;
    let mut table = Table::new("candidate, with half of the tasks", ["outcome", "its tasks"]);
    for (name, numbers, expected) in cases {
        let (outcome, tasks, why) = scene.runtime.block_on(async {
            let component = &Variant(good).bytes(&built)?;
            let instances = InstancePolicy::default();
            let spec = AgentSpec { name: "variant", component, agents: 1, instances };
            let fabric = host::open(data.path(), TaskStoreKind::Memory, &[spec]).await?;
            let policy = Policy { most_samples: most, ..Policy::default() };
            let plan = Plan { steps: vec![0.5], policy, ..Plan::default() };
            let ended = trial(&fabric, Variant(numbers).bytes(&built)?, plan, 2).await;
            fabric.shutdown().await?;
            ended
        })?;
        table.row(name, [outcome.clone(), tasks.to_string()]);
        say(&format!("  {name}: {why}\n"))?;
        let as_expected = f64::from(!expected.contains(&outcome));
        let name = format!("trials: {name} is {expected}; not so");
        report.judge(name, as_expected, Figure::Times, Goal::Most(0.0));
    }
    table.print()
}

/// How often is a candidate condemned that is the same, by the plan that is the
/// default? Its first steps give it few tasks, which alone makes it slower.
pub(crate) fn alike(scene: &Scene, report: &mut Report) -> Result<()> {
    let built = host::component("tests/guests/variant")?;
    let count = scene.pick(200, 2);
    let data = folder()?;
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    scene.runtime.block_on(async {
        let component = &Variant([0, ROUNDS, 0, 0, 0]).bytes(&built)?;
        let instances = InstancePolicy::default();
        let spec = AgentSpec { name: "variant", component, agents: 1, instances };
        let fabric = host::open(data.path(), TaskStoreKind::Memory, &[spec]).await?;
        for version in 1..=count {
            let candidate = Variant([version, ROUNDS, 0, 0, 0]).bytes(&built)?;
            let plan = Plan::default();
            let (outcome, tasks, why) = trial(&fabric, candidate, plan, ALIKE_CLIENTS).await?;
            if outcome == "rolled-back" {
                say(&format!("  after {tasks} tasks: {why}\n"))?;
            }
            *outcomes.entry(outcome).or_default() += 1;
        }
        fabric.shutdown().await?;
        anyhow::Ok(())
    })?;
    let condemned = outcomes.get("rolled-back").copied().unwrap_or_default();
    say(&format!("\n  {count} candidates that are the same: {outcomes:?}\n"))?;
    let share = f64::from(condemned) / f64::from(count);
    report.judge("alike: falsely condemned", share, Figure::Times, Goal::Most(0.05));
    Ok(())
}

async fn trial(
    fabric: &Arc<Fabric>,
    candidate: Vec<u8>,
    plan: Plan,
    count: u64,
) -> Result<(String, u64, String)> {
    let mut events = fabric.telemetry().subscribe();
    fabric.genomes().start_rollout("variant", candidate, plan).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..count {
        clients.spawn(traffic(Arc::clone(fabric), Arc::clone(&stop), client, count));
    }
    let ended = loop {
        let event = events.recv().await;
        // One that fell behind goes on with what is newer.
        let Ok(event) = event else { continue };
        if let EventKind::RolloutEnded { outcome, tasks, why, .. } = &event.what {
            break ((*outcome).to_owned(), *tasks, why.clone());
        }
    };
    stop.store(true, Ordering::Release);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(ended)
}

/// One task after the other; one in four of the outputs is judged.
async fn traffic(
    fabric: Arc<Fabric>,
    stop: Arc<AtomicBool>,
    client: u64,
    count: u64,
) -> Result<()> {
    let mut number = client;
    while !stop.load(Ordering::Acquire) {
        number += count;
        let task = utils::task_for("variant", json!(number));
        let task_id = task.id;
        let done = Box::pin(fabric.tasks().execute(task)).await?;
        if done.success && number % 8 < 2 {
            let accuracy = f64::from(is_right(&done.output, number));
            fabric.submit_validation(ValidationResult { task_id, accuracy }).await?;
        }
    }
    ensure!(number > client, "a task ran");
    Ok(())
}
