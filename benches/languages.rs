//! What does an agent cost in each language?
//!
//! `-- --languages FOLDER` takes the components there, which
//! `agents/text-stats/build.sh all FOLDER` makes of one agent in five languages,
//! and prints a row for each: its size, what compiling it took the first time,
//! what loading and spawning took on a host that had it before, one call on the
//! host and on bare wasmtime in turns, and its memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chimera_layer4::fabric::InstancePolicy;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::baseline::{self, Bare, Live};
use crate::fabric;
use crate::report::{Figure, Goal, Report};

/// Calls on either side, in turns.
const CALLS: usize = 300;

/// A paragraph, as in the tables of peers: what a small task weighs.
const TEXT: &str = "All human beings are born free and equal in dignity and rights. They are endowed \
                    with reason and conscience and should act towards one another in a spirit of \
                    brotherhood.";

/// The folder, where it was asked for.
pub(crate) fn folder_asked(arguments: &[String]) -> Result<Option<PathBuf>> {
    let mut arguments = arguments.iter().skip_while(|argument| *argument != "--languages");
    if arguments.next().is_none() {
        return Ok(None);
    }
    let folder = arguments.next().filter(|folder| !folder.starts_with('-'));
    let folder = folder.context("--languages wants a folder of components")?;
    Ok(Some(PathBuf::from(folder)))
}

/// What was measured of one component.
struct Measured {
    bytes: usize,
    compile: Duration,
    load: Duration,
    spawn: Duration,
    /// Loading and spawning together on bare wasmtime, from its cache.
    start_bare: Duration,
    /// Medians of a call: on the host, and on bare wasmtime.
    call: (Duration, Duration),
    memory_mb: f64,
}

pub(crate) fn compare(folder: &Path) -> Result<()> {
    let mut components: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("the folder {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    components.sort();
    ensure!(!components.is_empty(), "{} has no components (*.wasm)", folder.display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    let mut rows = Vec::new();
    for path in &components {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let component = std::fs::read(path)?;
        let measured = runtime
            .block_on(measure(&component))
            .with_context(|| format!("measuring {}", path.display()))?;
        judge(&mut report, &name, &measured);
        rows.push(row(&name, &measured));
    }
    print(&rows)?;
    report.print()
}

async fn measure(component: &[u8]) -> Result<Measured> {
    let data = TempDir::new()?;
    // The first host compiles, and goes; the second finds the code.
    let first = fabric::start(2, data.path()).await?;
    let compile = first.agents().load(component).await?.loading().compile;
    first.shutdown().await?;
    let host = fabric::start(2, data.path()).await?;
    let began = Instant::now();
    let genome = host.agents().load(component).await?;
    let load = began.elapsed();
    ensure!(genome.loading().cached, "the second host compiled again");
    let began = Instant::now();
    let resident = InstancePolicy::Resident { tasks_per_instance: u32::MAX };
    fabric::spawn(&host, &genome, resident).await?;
    let spawn = began.elapsed();

    let (start_bare, mut live) = second_start(component).await?;
    let payload = json!({ "text": TEXT });
    let (task, mut bare_task) = (fabric::task(payload.clone()), baseline::task());
    let (mut ours, mut theirs): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let began = Instant::now();
        let on_host = fabric::run(&host, &task).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        let on_bare = live.execute(&mut bare_task, &payload).await?;
        theirs.push(began.elapsed());
        same(&on_host, &on_bare)?;
    }
    let agent = host.agents().active().pop().context("the agent runs")?;
    host.shutdown().await?;
    live.shutdown().await?;
    let call = (median(&mut ours)?, median(&mut theirs)?);
    let (bytes, memory_mb) = (component.len(), agent.memory_mb);
    Ok(Measured { bytes, compile, load, spawn, start_bare, call, memory_mb })
}

/// Loading from the cache and starting, on bare wasmtime.
async fn second_start(component: &[u8]) -> Result<(Duration, Live)> {
    let cache = TempDir::new()?;
    drop(Bare::new(2, Some(cache.path()))?.load(component)?);
    let bare = Bare::new(2, Some(cache.path()))?;
    let began = Instant::now();
    let linked = bare.load(component)?;
    let live = bare.start(&linked).await?;
    let took = began.elapsed();
    ensure!(bare.cache_hits() > 0, "bare wasmtime compiled again");
    Ok((took, live))
}

fn same(on_host: &Value, on_bare: &Value) -> Result<()> {
    ensure!(on_host == on_bare, "the host's answer is {on_host}, bare wasmtime's {on_bare}");
    Ok(())
}

fn median(times: &mut [Duration]) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("calls were made")
}

/// The limits: a start too short to notice, and calls that the host makes at most
/// twice as long.
fn judge(report: &mut Report, name: &str, measured: &Measured) {
    let nanos = |time: Duration| time.as_nanos() as f64;
    let start = (nanos(measured.load + measured.spawn), nanos(measured.start_bare));
    report.add(format!("{name}: second start"), Figure::Nanos, start, Goal::Most(150e6));
    let call = (nanos(measured.call.0), nanos(measured.call.1));
    report.add(format!("{name}: one call"), Figure::Nanos, call, Goal::Ratio(2.0));
}

fn row(name: &str, measured: &Measured) -> String {
    let Measured { bytes, compile, load, spawn, call, memory_mb, .. } = measured;
    let millis = |time: &Duration| time.as_secs_f64() * 1e3;
    format!(
        "| {name} | {:.2} MB | {:.0} ms | {:.1} ms | {:.1} ms | {:.0} µs | {memory_mb:.1} MiB |",
        *bytes as f64 / 1e6,
        millis(compile),
        millis(load),
        millis(spawn),
        call.0.as_secs_f64() * 1e6,
    )
}

/// As a table in Markdown.
fn print(rows: &[String]) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| component | size | compile, once | load | spawn | call | memory |")?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
    rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
    Ok(())
}
