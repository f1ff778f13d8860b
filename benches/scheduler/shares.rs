//! Whether every class gets its share while all of them wait.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chimera_layer4::fabric::Priority;
use chimera_layer4::fabric::queue::store::{
    ClaimRequest, Durability, SubmitTerms, TaskStore, TypeSlots,
};
use chimera_layer4::fabric::queue::{Submission, fair_queue::WEIGHTS};

use crate::runner::{REMEMBERED, Runner};
use crate::scene::{CAPACITY, Queue, Scene, folder, now, owner, sqlite, task};
use crate::table::{Figure, Goal, Report, Table};

/// Of a class's share, in hundredths.
const WITHIN: f64 = 5.0;
/// Tasks in one claim.
const STEPS: [usize; 3] = [1, 7, 512];
/// Runs at once.
const SLOTS: [usize; 2] = [8, 1024];

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    let rounds = scene.pick(1_000, 100);
    let heads = WEIGHTS.map(|(class, _)| name(class)).into_iter();
    let heads = heads.chain(["furthest off", "background at the latest after", "goal"]);
    let mut table = Table::new("tasks that all five classes have waiting", heads);
    for step in STEPS {
        let claimed = scene.runtime.block_on(claims(step, rounds))?;
        enter(&mut table, report, format!("claims of {step}"), &claimed)?;
    }
    for slots in SLOTS {
        let ran = scene.runtime.block_on(runs(slots, rounds))?;
        enter(&mut table, report, format!("a scheduler with {slots} slots"), &ran)?;
    }
    table.print()
}

fn enter(table: &mut Table, report: &mut Report, name: String, served: &[Priority]) -> Result<()> {
    let credits: u32 = WEIGHTS.iter().map(|(_, credits)| credits).sum();
    let mut furthest = 0.0_f64;
    let counts = WEIGHTS.map(|(class, share)| {
        let count = served.iter().filter(|served| **served == class).count();
        let due = served.len() as f64 * f64::from(share) / f64::from(credits);
        furthest = furthest.max((count as f64 / due - 1.0).abs() * 100.0);
        count.to_string()
    });
    let lots = served.split(|class| *class == Priority::Background);
    let longest = lots.map(<[Priority]>::len).max().unwrap_or_default();
    ensure!(longest < served.len(), "{name}: no background task was served");
    let goal = report.judge(
        format!("furthest from 16:8:4:2:1, {name}"),
        furthest,
        Figure::Percent,
        Goal::Most(WITHIN),
    );
    let rest = [Figure::Percent.show(furthest), format!("{longest} others"), goal];
    table.row(name, counts.into_iter().chain(rest));
    Ok(())
}

/// So many that no class runs out in so many rounds of credits.
fn backlog(rounds: usize) -> impl Iterator<Item = Submission> {
    let each = 16 * rounds + 2 * STEPS.iter().max().unwrap_or(&0);
    WEIGHTS.into_iter().flat_map(move |(class, _)| (0..each).map(move |_| task("noop", class)))
}

async fn claims(step: usize, rounds: usize) -> Result<Vec<Priority>> {
    let folder = folder()?;
    let store = sqlite(folder.path()).await?;
    let terms = SubmitTerms { now: now(), capacity: CAPACITY, promise: Durability::Durable };
    store.submit(backlog(rounds).collect(), terms).await?;
    let mut claimed = Vec::new();
    while claimed.len() < 31 * rounds {
        let (agent_type, free) = ("noop".into(), usize::MAX);
        let room = TypeSlots { agent_type, free, reserved: 0, starts: None };
        let (owner, until) = (owner(), now().after(Duration::from_secs(30)));
        let most = step.min(31 * rounds - claimed.len());
        let request = ClaimRequest { owner, now: now(), until, rooms: vec![room], most };
        claimed.extend(store.claim(request).await?.tasks.iter().map(|task| task.body.priority));
    }
    store.close().await;
    Ok(claimed)
}

/// The classes of the first runs that a scheduler begins.
async fn runs(slots: usize, rounds: usize) -> Result<Vec<Priority>> {
    let most = (31 * rounds).min(REMEMBERED);
    let runner = Runner::good(slots);
    let queue = Queue::durable(runner.clone()).await?;
    for answer in queue.scheduler.submit_batch(backlog(rounds).collect()).await? {
        answer?;
    }
    queue.scheduler.start();
    let started = Instant::now();
    while runner.good_runs() < most as u64 {
        ensure!(started.elapsed() < Duration::from_secs(60), "the queue stands still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    queue.end().await;
    let ran = runner.classes.lock().map(|classes| classes.iter().copied().take(most).collect());
    ran.map_err(|error| anyhow::anyhow!("{error}"))
}

fn name(class: Priority) -> &'static str {
    match class {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
        Priority::Background => "background",
    }
}
