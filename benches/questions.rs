//! The first four questions, each as the same work done by both sides.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chimera_layer4::fabric::{Fabric, Genome, InstancePolicy};
use criterion::Criterion;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::baseline::{self, Bare};
use crate::compare::{Question, compare};
use crate::fabric;
use crate::report::{Goal, Report};

/// Agents that one fabric gets before it makes way for a new one: a fabric ends
/// its agents only all at once.
const SPAWNED_AT_ONCE: u32 = 250;
/// Live instances where a benchmark keeps one or two.
const FEW: u32 = 10;
/// Instances for which a fabric has room beyond one for each agent.
pub(crate) const SPARE: u32 = 128;
/// More genomes than a host keeps loaded that no agent runs.
const OTHERS: u8 = 8;
/// Loading takes long enough for few samples to say enough.
const LOADS: Option<usize> = Some(10);

/// What both sides of every question work with.
struct Setting {
    component: Vec<u8>,
    /// Holds the compiled code that both sides share.
    data: TempDir,
    runtime: Runtime,
}

/// Asks all that `criterion` was told to ask.
pub(crate) fn ask_all(
    criterion: &mut Criterion,
    component: &Path,
    report: &mut Report,
) -> Result<()> {
    let setting = Setting::new(fs::read(component)?)?;
    setting.spawn(criterion, report)?;
    setting.restart(criterion, report)?;
    setting.resident_task(criterion, report)?;
    setting.fresh_task(criterion, report)?;
    setting.cold_load(criterion, report)?;
    setting.cached_load(criterion, report)
}

impl Setting {
    fn new(component: Vec<u8>) -> Result<Self> {
        // One thread: a wake-up of another would be measured as work.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let setting = Self { component, data: tempfile::tempdir()?, runtime };
        setting.fabric()?; // Compiles.
        Ok(setting)
    }

    /// A fabric that runs, and the component loaded in it.
    fn fabric(&self) -> Result<(Fabric, Arc<Genome>)> {
        self.runtime.block_on(async {
            let fabric = fabric::start(FEW, self.data.path()).await?;
            let genome = fabric.agents().load(&self.component).await?;
            Ok((fabric, genome))
        })
    }

    /// Bare wasmtime with as much room as a fabric of so many agents has.
    fn bare(&self, agents: u32) -> Result<Bare> {
        Bare::new(agents + SPARE, Some(&self.data.path().join("compiled")))
    }

    fn time<T>(&self, iterations: u64, work: impl AsyncFnMut() -> Result<T>) -> Result<Duration> {
        self.runtime.block_on(timed(iterations, work))
    }

    /// Agents are spawned side by side, each into a slot of the pool that no
    /// other has used, and all of them stay.
    fn spawn(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let ours = |iterations| in_batches(iterations, |count| self.spawn_ours(count));
        let bare = |iterations| in_batches(iterations, |count| self.spawn_bare(count));
        let question = Question { name: "spawn an agent", goal: Goal::Ratio(1.5), samples: None };
        compare(criterion, &question, (ours, bare), report)
    }

    fn spawn_ours(&self, count: u32) -> Result<Duration> {
        self.runtime.block_on(async {
            let fabric = fabric::start(SPAWNED_AT_ONCE, self.data.path()).await?;
            let genome = fabric.agents().load(&self.component).await?;
            let policy = InstancePolicy::default();
            let took = timed(count.into(), async || fabric::spawn(&fabric, &genome, policy).await);
            let took = took.await?;
            fabric.shutdown().await?;
            Ok(took)
        })
    }

    fn spawn_bare(&self, count: u32) -> Result<Duration> {
        let bare = self.bare(SPAWNED_AT_ONCE)?;
        let linked = bare.load(&self.component)?;
        let mut all = Vec::with_capacity(usize::try_from(count)?);
        self.runtime.block_on(timed(count.into(), async || {
            let mut live = bare.start(&linked).await?;
            let capabilities = live.capabilities().await?;
            all.push((live, capabilities));
            Ok(())
        }))
    }

    /// An instance ends and another takes its place, in a slot that is warm.
    fn restart(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let bare = self.bare(FEW)?;
        let linked = bare.load(&self.component)?;
        let mut live = Some(self.runtime.block_on(bare.start(&linked))?);
        let (fabric, genome) = self.fabric()?;
        let policy = InstancePolicy::default();
        let id = self.runtime.block_on(fabric::spawn(&fabric, &genome, policy))?;

        let ours =
            |iterations| self.time(iterations, async || Ok(fabric.agents().restart(id).await?));
        let bare = |iterations| {
            self.time(iterations, async || {
                live = None;
                live = Some(bare.start(&linked).await?);
                Ok(())
            })
        };
        let question = Question { name: "restart an agent", goal: Goal::Ratio(1.5), samples: None };
        compare(criterion, &question, (ours, bare), report)
    }

    fn resident_task(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let bare = self.bare(FEW)?;
        let linked = bare.load(&self.component)?;
        let mut live = self.runtime.block_on(bare.start(&linked))?;
        let mut wire = baseline::task();
        let payload = payload();
        let (fabric, genome) = self.fabric()?;
        self.runtime.block_on(fabric::spawn(&fabric, &genome, InstancePolicy::default()))?;
        let task = fabric::task(payload.clone());

        let name = "one task, resident agent";
        let question = Question { name, goal: Goal::Ratio(3.0), samples: None };
        let ours = |iterations| self.time(iterations, async || fabric::run(&fabric, &task).await);
        let with_json =
            |iterations| self.time(iterations, async || live.execute(&mut wire, &payload).await);
        compare(criterion, &question, (ours, with_json), report)?;

        wire.payload = payload.to_string();
        let name = "the same, bare without JSON";
        let question = Question { name, goal: Goal::None, samples: None };
        let ours = |iterations| self.time(iterations, async || fabric::run(&fabric, &task).await);
        let text = |iterations| self.time(iterations, async || live.execute_text(&wire).await);
        compare(criterion, &question, (ours, text), report)
    }

    fn fresh_task(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let bare = self.bare(FEW)?;
        let linked = bare.load(&self.component)?;
        let mut wire = baseline::task();
        let payload = payload();
        let (fabric, genome) = self.fabric()?;
        self.runtime.block_on(fabric::spawn(&fabric, &genome, InstancePolicy::Fresh))?;
        let task = fabric::task(payload.clone());

        let name = "one task, instance of its own";
        let question = Question { name, goal: Goal::Ratio(1.5), samples: None };
        let ours = |iterations| self.time(iterations, async || fabric::run(&fabric, &task).await);
        let bare = |iterations| {
            self.time(iterations, async || {
                let mut live = bare.start(&linked).await?;
                live.execute(&mut wire, &payload).await?;
                live.shutdown().await
            })
        };
        compare(criterion, &question, (ours, bare), report)
    }

    /// Nothing is known of the component. Ours inspects it and has it compiled
    /// in a process of its own, which is what the difference pays for.
    fn cold_load(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let bare = Bare::new(FEW, None)?;
        let ours = |iterations| {
            each(iterations, || {
                let data = tempfile::tempdir()?;
                self.runtime.block_on(async {
                    let fabric = fabric::start(FEW, data.path()).await?;
                    timed(1, async || Ok(fabric.agents().load(&self.component).await?)).await
                })
            })
        };
        let bare = |iterations| self.time(iterations, async || bare.load(&self.component));
        let name = "load, nothing compiled yet";
        let question = Question { name, goal: Goal::None, samples: LOADS };
        compare(criterion, &question, (ours, bare), report)
    }

    /// The compiled code is in the folder; the process has not loaded it.
    fn cached_load(&self, criterion: &mut Criterion, report: &mut Report) -> Result<()> {
        let (fabric, genome) = self.fabric()?;
        let gone = Arc::downgrade(&genome);
        drop(genome);
        // A host keeps the genomes that it loaded last. Others take their place
        // before each load that is timed, so that both sides read the code anew.
        let others: Vec<_> = (0..OTHERS).map(|n| renamed(&self.component, n)).collect();
        let load_others = || -> Result<()> {
            for other in &others {
                self.runtime.block_on(fabric.agents().load(other))?;
            }
            Ok(())
        };
        load_others()?; // Compiles.
        ensure!(gone.strong_count() == 0, "the host keeps more genomes than {OTHERS}");
        let bare = self.bare(FEW)?;
        let hits = bare.cache_hits();
        bare.load(&self.component)?;
        ensure!(bare.cache_hits() > hits, "the baseline's engine is not configured as the host's");
        let ours = |iterations| {
            each(iterations, || {
                load_others()?;
                self.time(1, async || Ok(fabric.agents().load(&self.component).await?))
            })
        };
        let bare = |iterations| {
            each(iterations, || {
                // The caches of the processor are as cold as ours are.
                others.iter().try_for_each(|other| bare.load(other).map(drop))?;
                self.time(1, async || bare.load(&self.component))
            })
        };
        let name = "load, compiled before";
        let question = Question { name, goal: Goal::None, samples: None };
        compare(criterion, &question, (ours, bare), report)
    }
}

/// The component under another digest: with an empty section that has no effect.
fn renamed(component: &[u8], number: u8) -> Vec<u8> {
    const CUSTOM_SECTION: u8 = 0;
    let name = [1, b'a' + number];
    let mut renamed = component.to_vec();
    renamed.extend([CUSTOM_SECTION, 2]);
    renamed.extend(name);
    renamed
}

async fn timed<T>(iterations: u64, mut work: impl AsyncFnMut() -> Result<T>) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..iterations {
        black_box(work().await?);
    }
    Ok(started.elapsed())
}

/// So many iterations, each with a preparation of its own.
fn each(iterations: u64, mut one: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    (0..iterations).try_fold(Duration::ZERO, |sum, _| Ok(sum + one()?))
}

/// So many spawns, no more at once than a fabric has room for.
fn in_batches(iterations: u64, mut batch: impl FnMut(u32) -> Result<Duration>) -> Result<Duration> {
    let (mut left, mut sum) = (iterations, Duration::ZERO);
    while left > 0 {
        let now = left.min(SPAWNED_AT_ONCE.into());
        sum += batch(u32::try_from(now)?)?;
        left -= now;
    }
    Ok(sum)
}

/// Some 200 bytes of JSON with a bit of everything.
fn payload() -> Value {
    json!({
        "text": "The quick brown fox jumps over the lazy dog, twice before breakfast.",
        "numbers": [1, 2.5, -3, 1e9],
        "nested": { "flag": true, "nothing": null, "list": ["a", "b", "c"] },
        "count": 42,
        "name": "benchmark",
        "ratio": 0.125,
    })
}
