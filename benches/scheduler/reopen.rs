//! The process that opens a store in which tasks wait.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chimera_layer4::fabric::Digest;
use chimera_layer4::fabric::queue::Settlement;
use chimera_layer4::fabric::queue::store::{ClaimRequest, Settled, TaskStore, TypeSlots};
use chimera_layer4::fabric::stores::sqlite::SqliteStore;

use crate::backlog::TYPES;
use crate::machine::memory;
use crate::scene::{now, owner, sqlite};
use crate::table::median;

/// The argument that makes this program such a process.
pub(crate) const CHILD: &str = "--open-backlog";
/// The numbers that it prints: nanoseconds until the store is open and of the
/// first claim, mebibytes by which it has grown then, after all claims and at
/// the most, nanoseconds of a claim of one task and for each of a hundred.
pub(crate) const FIGURES: usize = 7;

/// Tasks in one claim, and how often. Together fewer than the smallest backlog
/// has, whatever the class.
const CLAIMS: [(usize, usize); 2] = [(1, 200), (100, 7)];

pub(crate) fn measure(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for figure in runtime.block_on(open_and_claim(folder))? {
        writeln!(io::stdout(), "{figure}")?;
    }
    Ok(())
}

async fn open_and_claim(folder: &Path) -> Result<[f64; FIGURES]> {
    let before = memory("VmRSS:")?;
    let started = Instant::now();
    let store = sqlite(folder).await?;
    let opened = nanos(started);
    let mut claimed = Vec::new();
    let first = claim(&store, 1, &mut claimed).await?;
    let grown = memory("VmRSS:")? - before;
    let mut each = Vec::new();
    for (most, times) in CLAIMS {
        let mut all = Vec::new();
        for _ in 0..times {
            all.push(claim(&store, most, &mut claimed).await? / most as f64);
        }
        each.push(median(&mut all));
    }
    let used = memory("VmRSS:")? - before;
    let peak = memory("VmHWM:")? - before;
    // As it was found, for the next process.
    store.settle(claimed, now()).await?;
    store.close().await;
    let [one, hundred] = each.try_into().unwrap_or_default();
    Ok([opened, first, grown, used, peak, one, hundred])
}

async fn claim(store: &SqliteStore, most: usize, into: &mut Vec<Settled>) -> Result<f64> {
    let room = |name: &'static str| TypeSlots {
        agent_type: name.into(),
        free: 1024,
        reserved: 0,
        starts: Some(Digest::of(b"none")),
    };
    let request = ClaimRequest {
        owner: owner(),
        now: now(),
        until: now().after(Duration::from_secs(30)),
        rooms: TYPES.map(room).to_vec(),
        most,
    };
    let started = Instant::now();
    let claim = store.claim(request).await?;
    let took = nanos(started);
    ensure!(claim.tasks.len() == most, "{} tasks in place of {most}", claim.tasks.len());
    let back = |lease| Settled { lease, settlement: Settlement::GiveBack, genome: None };
    into.extend(claim.tasks.into_iter().map(|task| back(task.lease)));
    Ok(took)
}

fn nanos(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64
}
