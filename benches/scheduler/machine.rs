//! What the machine did meanwhile: processor time, by whom, and memory.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Clock ticks in a second, as Linux counts processor time for programs.
const TICKS: f64 = 100.0;

/// Processor time up to now, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) at: Instant,
    own: f64,
    writer: f64,
    /// Of the whole machine, what another machine took from it included.
    machine: f64,
}

/// What was spent between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spending {
    pub(crate) seconds: f64,
    /// Of this process.
    pub(crate) own: f64,
    /// Of the store's thread.
    pub(crate) writer: f64,
    /// Of everything else, as a share of the whole machine.
    pub(crate) others: f64,
}

impl Spent {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal
        let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        let machine = (ticks.iter().take(8).sum::<f64>() - idle) / TICKS;
        let own = fs::read_to_string("/proc/self/stat")?;
        // After the name, which may hold anything: state, then 10 more, then ours.
        let after = own.rsplit_once(')').map_or("", |(_, after)| after);
        let own: f64 = after.split_whitespace().skip(11).take(2).flat_map(str::parse::<f64>).sum();
        Ok(Self { at: Instant::now(), own: own / TICKS, writer: writers()?, machine })
    }

    pub(crate) fn since(self, before: Self) -> Spending {
        let seconds = (self.at - before.at).as_secs_f64();
        let own = self.own - before.own;
        let all = processors() * seconds;
        Spending {
            seconds,
            own,
            writer: self.writer - before.writer,
            others: ((self.machine - before.machine - own) / all).max(0.0),
        }
    }
}

/// The time of this process's threads that write to a store.
fn writers() -> Result<f64> {
    let mut nanos = 0.0;
    for thread in fs::read_dir("/proc/self/task")? {
        let folder = thread?.path();
        // One that has ended meanwhile has no files any more.
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        if name.trim() == "chimera-store" {
            let spent = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            nanos += spent.split_whitespace().next().map_or(Ok(0.0), str::parse::<f64>)?;
        }
    }
    Ok(nanos / 1e9)
}

pub(crate) fn processors() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64)
}

/// The load averages, in the system's words.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// A line of `/proc/self/status`, in MiB.
pub(crate) fn memory(name: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no such line")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// The file system that holds `folder`. A disk in memory would answer none of
/// the questions.
pub(crate) fn file_system(folder: &std::path::Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(_, at, _)| folder.starts_with(at));
    let (device, _, kind) = holding.max_by_key(|(_, at, _)| at.len()).context("no mount")?;
    ensure!(kind != "tmpfs", "{} is in memory; move cargo's target folder", folder.display());
    Ok(format!("{kind} on {device}"))
}
