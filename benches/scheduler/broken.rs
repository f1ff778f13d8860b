//! What an agent type that fails each task costs one that does not.

use anyhow::Result;
use chimera_layer4::fabric::InstancePolicy;
use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::utils;
use serde_json::json;

use crate::host::{self, AgentSpec};
use crate::load::Manner::Tracked;
use crate::load::{Done, Load, Manner};
use crate::runner::{Kind, Runner};
use crate::scene::{Queue, Scene, batch, folder};
use crate::submitter::Submitter;
use crate::table::{Figure, Goal, Report, Table, say};

const SLOTS: usize = 1024;
/// Tasks that wait for the type that fails them. It never gets through them.
const FAILING: usize = 5_000;
const CLIENTS: usize = 16;
const MANNER: Manner = Tracked(64);
const AGENTS: usize = 8;
/// Of the good type's throughput, in hundredths.
const LOSS: f64 = 10.0;

/// One measurement: what was done, and the runs that failed meanwhile.
type Round = (Done, u64);

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    compare(scene, report, "no-op runner", |beside| {
        scene.runtime.block_on(without_agents(scene, beside))
    })?;
    if scene.trial {
        return say("  echo beside a component that traps: not tried, since it takes a build\n");
    }
    let echo = host::component("agents/echo")?;
    let hostile = host::component("tests/guests/hostile")?;
    let data = folder()?;
    compare(scene, report, "echo", |beside| {
        let failing = beside.then_some(hostile.as_slice());
        scene.runtime.block_on(with_agents(scene, data.path(), &echo, failing))
    })
}

fn compare(
    scene: &Scene,
    report: &mut Report,
    name: &str,
    mut round: impl FnMut(bool) -> Result<Round>,
) -> Result<()> {
    let (mut alone, mut beside, mut failed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..scene.rounds() {
        alone.push(round(false)?.0);
        let (done, failures) = round(true)?;
        beside.push(done);
        failed += failures;
    }
    let (alone, beside) = (Done::median(&alone), Done::median(&beside));
    let loss = (1.0 - beside.rate / alone.rate) * 100.0;
    let what = format!("loss beside a type that fails, {name}");
    let goal = report.judge(what, loss, Figure::Percent, Goal::Most(LOSS));
    let heads = Done::HEADS.into_iter().chain(["loss", "goal"]);
    let mut table = Table::new(format!("{name}; {CLIENTS} clients, {MANNER}"), heads);
    table.row("alone", alone.cells());
    let failed = failed / scene.rounds() as u64;
    let title = format!("beside one that failed {failed} runs");
    table.row(title, beside.cells().into_iter().chain([Figure::Percent.show(loss), goal]));
    table.print()
}

async fn without_agents(scene: &Scene, beside: bool) -> Result<Round> {
    let kind = |name, fails| Kind { name, slots: SLOTS, fails };
    let runner = Runner::of(vec![kind("noop", false), kind("failing", true)]);
    let queue = Queue::durable(runner.clone()).await?;
    if beside {
        queue.scheduler.submit_batch(batch("failing", FAILING)).await?;
    }
    queue.scheduler.start();
    let submitter = Submitter::Queue(queue.scheduler.clone());
    let load = Load { submitter, kind: "noop", manner: MANNER, clients: CLIENTS };
    let done = load.measure(scene.spans()).await?;
    drop(load);
    queue.end().await;
    Ok((done, runner.bad_runs()))
}

async fn with_agents(
    scene: &Scene,
    data: &std::path::Path,
    echo: &[u8],
    failing: Option<&[u8]>,
) -> Result<Round> {
    let spec = |name, component, agents| {
        let instances = InstancePolicy::default();
        AgentSpec { name, component, agents, instances }
    };
    let echo = spec("echo", echo, AGENTS);
    let failing = failing.map(|component| spec("hostile", component, AGENTS));
    let specs: Vec<_> = [echo].into_iter().chain(failing).collect();
    let fabric = host::open(data, TaskStoreKind::Embedded, &specs).await?;
    if specs.len() > 1 {
        let trap = || utils::task_for("hostile", json!({ "do": "trap" })).into();
        fabric.tasks().submit_batch((0..FAILING).map(|_| trap()).collect()).await?;
    }
    let submitter = Submitter::Fabric(fabric.clone());
    let load = Load { submitter, kind: "echo", manner: MANNER, clients: CLIENTS };
    let done = load.measure(scene.spans()).await?;
    let agents = fabric.agents().active();
    let faults = agents.iter().map(|agent| agent.faults).sum();
    fabric.shutdown().await?;
    Ok((done, faults))
}
