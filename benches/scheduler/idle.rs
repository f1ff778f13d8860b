//! One task at a time, through a queue that is idle otherwise.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use chimera_layer4::fabric::InstancePolicy;
use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::scheduler::{Placement, RunTask};

use crate::bare::{self, Blocks};
use crate::host::{self, AgentSpec};
use crate::load::Manner::{Direct, Executes, Singles};
use crate::load::{Load, Manner, Tally};
use crate::runner::Runner;
use crate::scene::{Queue, Scene, folder, task};
use crate::submitter::Submitter;
use crate::table::{Figure, Report, Table, quantile};

/// Of one side before it is the next one's turn.
const ONCE: usize = 20;
const TURNS: usize = 50;

/// What is timed.
enum Side {
    /// A client of a queue or fabric.
    Client(Load),
    /// The runner, without anything around it.
    Runner(Arc<Runner>),
    Disk(Blocks),
    Bare(bare::Table),
}

pub(crate) fn ask(scene: &Scene, _report: &mut Report) -> Result<()> {
    durable(scene)?;
    in_memory(scene)?;
    component(scene)
}

fn durable(scene: &Scene) -> Result<()> {
    let folder = folder()?;
    let queue = scene.runtime.block_on(async {
        let queue = Queue::durable(Runner::good(16)).await?;
        queue.scheduler.start();
        anyhow::Ok(queue)
    })?;
    let submitter = Submitter::Queue(queue.scheduler.clone());
    let sides = vec![
        ("4 KiB written and synced", Side::Disk(Blocks::open(folder.path())?)),
        ("bare SQLite, one row", Side::Bare(bare::Table::open(folder.path())?)),
        ("execute", client(&submitter, "noop", Executes)),
        ("submit and wait", client(&submitter, "noop", Singles)),
    ];
    compare(scene, "idle, on SQLite, no-op runner", sides)?;
    drop(submitter);
    scene.runtime.block_on(queue.end());
    Ok(())
}

fn in_memory(scene: &Scene) -> Result<()> {
    let runner = Runner::good(16);
    let queue = scene.runtime.block_on(async {
        let queue = Queue::in_memory(Arc::clone(&runner));
        queue.scheduler.start();
        queue
    });
    let submitter = Submitter::Queue(queue.scheduler.clone());
    let sides = vec![
        ("the runner alone", Side::Runner(runner)),
        ("execute", client(&submitter, "noop", Executes)),
        ("submit and wait", client(&submitter, "noop", Singles)),
    ];
    compare(scene, "idle, in memory, no-op runner", sides)?;
    drop(submitter);
    scene.runtime.block_on(queue.end());
    Ok(())
}

fn component(scene: &Scene) -> Result<()> {
    let echo = host::component("agents/echo")?;
    let stores = [("in memory", TaskStoreKind::Memory), ("on SQLite", TaskStoreKind::Embedded)];
    for (name, store) in stores {
        let data = folder()?;
        let instances = InstancePolicy::default();
        let spec = AgentSpec { name: "echo", component: &echo, agents: 2, instances };
        let fabric = scene.runtime.block_on(host::open(data.path(), store, &[spec]))?;
        let submitter = Submitter::Fabric(fabric.clone());
        let sides = vec![
            ("run_task", client(&submitter, "echo", Direct)),
            ("execute", client(&submitter, "echo", Executes)),
            ("submit and wait", client(&submitter, "echo", Singles)),
        ];
        compare(scene, &format!("idle, {name}, echo"), sides)?;
        scene.runtime.block_on(fabric.shutdown())?;
    }
    Ok(())
}

fn client(submitter: &Submitter, kind: &'static str, manner: Manner) -> Side {
    Side::Client(Load { submitter: submitter.clone(), kind, manner, clients: 1 })
}

/// Times all sides in turns; the first is what the others are compared with.
fn compare(scene: &Scene, title: &str, mut sides: Vec<(&str, Side)>) -> Result<()> {
    let mut times = vec![Vec::new(); sides.len()];
    for turn in 0..=scene.pick(TURNS, 1) {
        for ((_, side), times) in sides.iter_mut().zip(&mut times) {
            let nanos = side.turn(scene)?;
            // The first turn warms up.
            if turn > 0 {
                times.extend(nanos);
            }
        }
    }
    let mut table = Table::new(title, ["p50", "p99", "p50 of the first", "p50 over the first"]);
    let mut first = None;
    for ((name, _), mut times) in sides.into_iter().zip(times) {
        let [half, most] = [0.5, 0.99].map(|share| quantile(&mut times, share));
        let first = *first.get_or_insert(half);
        let show = |nanos| Figure::Nanos.show(nanos);
        let ratio = Figure::Times.show(half / first);
        table.row(name, [show(half), show(most), ratio, show(half - first)]);
    }
    table.print()
}

impl Side {
    fn turn(&mut self, scene: &Scene) -> Result<Vec<f64>> {
        match self {
            // On a worker, as a client of the host's API is.
            Side::Client(load) => {
                let load = load.clone();
                scene.runtime.block_on(scene.runtime.spawn(round_trips(load)))?
            }
            Side::Runner(runner) => scene.runtime.block_on(async {
                let task = task("noop", Default::default()).task;
                timed(async || {
                    ensure!(runner.run(&task, 1, &Placement::default()).await.result.success);
                    Ok(())
                })
                .await
            }),
            Side::Disk(blocks) => scene.runtime.block_on(timed(async || blocks.sync())),
            Side::Bare(table) => scene.runtime.block_on(timed(async || table.insert())),
        }
    }
}

async fn round_trips(load: Load) -> Result<Vec<f64>> {
    let (mut nanos, tally) = (Vec::with_capacity(ONCE), Tally::default());
    for _ in 0..ONCE {
        let started = Instant::now();
        load.once(&tally).await?;
        nanos.push(started.elapsed().as_nanos() as f64);
    }
    Ok(nanos)
}

async fn timed(mut once: impl AsyncFnMut() -> Result<()>) -> Result<Vec<f64>> {
    let mut nanos = Vec::with_capacity(ONCE);
    for _ in 0..ONCE {
        let started = Instant::now();
        once().await?;
        nanos.push(started.elapsed().as_nanos() as f64);
    }
    Ok(nanos)
}
