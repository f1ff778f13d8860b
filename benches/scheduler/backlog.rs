//! How a queue bears what waits in it.
//!
//! A store is filled and closed. A process of its own opens it again, as a host
//! does after its end, and says what that took: what one process has freed
//! would hide what the next one needs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use chimera_layer4::fabric::queue::store::{Durability, SubmitTerms, Submitted, TaskStore};
use tempfile::TempDir;

use crate::reopen::{self, FIGURES};
use crate::scene::{CAPACITY, CLASSES, Scene, folder, now, sqlite, task};
use crate::table::{Figure, Goal, Report, Table, median, thousands};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const BATCH: usize = 2_000;
/// Agent types that the tasks are for.
pub(crate) const TYPES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const OPENED_WITHIN: f64 = 10.0;
/// What a claim from the largest backlog may take of one from the smallest.
const FLAT: f64 = 1.5;

/// A store in which tasks wait.
struct Backlog {
    size: usize,
    folder: TempDir,
    filled_at: f64,
    /// What each process that opened it said.
    opened: Vec<[f64; FIGURES]>,
}

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    let mut all = Vec::new();
    for size in SIZES.into_iter().take(scene.pick(SIZES.len(), 2)) {
        let folder = folder()?;
        let filled_at = scene.runtime.block_on(fill(folder.path(), size))?;
        all.push(Backlog { size, folder, filled_at, opened: Vec::new() });
    }
    for _ in 0..scene.rounds() {
        for backlog in &mut all {
            backlog.opened.push(ask_child(backlog.folder.path())?);
        }
    }
    let heads = ["filled at", "on disk", "opened in", "first claim", "RSS +", "in use +", "peak +"];
    let heads = heads.into_iter().chain(["claim of 1", "of 100, each"]);
    let mut table = Table::new("tasks waiting", heads);
    let mut smallest = None;
    for backlog in &all {
        let [open, first, grown, used, peak, one, hundred] = std::array::from_fn(|index| {
            let figures = backlog.opened.iter().filter_map(|opened| opened.get(index).copied());
            median(&mut figures.collect::<Vec<_>>())
        });
        let nanos = |nanos| Figure::Nanos.show(nanos);
        let mib = |mib| Figure::Mib.show(mib);
        let cells = [nanos(open), nanos(first), mib(grown), mib(used), mib(peak)];
        let cells = cells.into_iter().chain([nanos(one), nanos(hundred)]);
        let bytes = std::fs::metadata(backlog.folder.path().join("chimera.db"))?.len();
        let disk =
            [Figure::PerSecond.show(backlog.filled_at), mib(bytes as f64 / f64::from(1 << 20))];
        let name = thousands(backlog.size as f64);
        table.row(&name, disk.into_iter().chain(cells));

        let (small_one, small_hundred) = *smallest.get_or_insert((one, hundred));
        if SIZES.last() == Some(&backlog.size) || scene.trial {
            let seconds = (open + first) / 1e9;
            let goal = Goal::Most(OPENED_WITHIN);
            report.judge(format!("open with {name} waiting"), seconds, Figure::Seconds, goal);
            for (what, ratio) in [("1", one / small_one), ("100", hundred / small_hundred)] {
                let what = format!("a claim of {what} from {name}, of one from 1,000");
                report.judge(what, ratio, Figure::Times, Goal::Most(FLAT));
            }
        }
    }
    table.print()
}

/// Tasks of every type and class; how many were taken in a second.
async fn fill(folder: &Path, size: usize) -> Result<f64> {
    let store = sqlite(folder).await?;
    let mut pairs = CLASSES.into_iter().flat_map(|class| TYPES.map(|name| (class, name))).cycle();
    let started = Instant::now();
    let mut left = size;
    while left > 0 {
        let now_many = left.min(BATCH);
        let batch = pairs.by_ref().take(now_many).map(|(class, name)| task(name, class));
        let terms = SubmitTerms { now: now(), capacity: CAPACITY, promise: Durability::Durable };
        let answers = store.submit(batch.collect(), terms).await?;
        ensure!(answers.iter().all(|answer| *answer == Submitted::Accepted), "not all were taken");
        left -= now_many;
    }
    let rate = size as f64 / started.elapsed().as_secs_f64();
    store.close().await;
    Ok(rate)
}

fn ask_child(folder: &Path) -> Result<[f64; FIGURES]> {
    let child = Command::new(std::env::current_exe()?).arg(reopen::CHILD).arg(folder).output()?;
    let said = String::from_utf8_lossy(&child.stdout);
    let figures: Vec<f64> = said.split_whitespace().flat_map(str::parse).collect();
    match figures.try_into() {
        Ok(figures) => Ok(figures),
        Err(_) => bail!("the store was not opened: {}", String::from_utf8_lossy(&child.stderr)),
    }
}
