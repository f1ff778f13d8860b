//! Lifecycles in a second of tasks that cost nothing to run.

use anyhow::Result;

use crate::bare;
use crate::load::Manner::{Batches, Executes, Tracked};
use crate::load::{Done, Load, Manner};
use crate::runner::Runner;
use crate::scene::{Queue, Scene, folder};
use crate::submitter::Submitter;
use crate::table::{Figure, Goal, Report, Table, median};

const SLOTS: usize = 1024;
const GOAL: f64 = 40_000.0;
/// Clients and how they go about it.
const MANNERS: [(usize, Manner); 4] =
    [(16, Batches(64)), (16, Tracked(64)), (8, Tracked(256)), (1024, Executes)];
/// Rows of one commit.
const ROWS: [i64; 2] = [100, 1000];

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    let mut ours = [const { Vec::new() }; MANNERS.len()];
    let mut bare = [const { Vec::new() }; ROWS.len()];
    for _ in 0..scene.rounds() {
        for ((clients, manner), done) in MANNERS.into_iter().zip(&mut ours) {
            done.push(scene.runtime.block_on(lifecycles(scene, clients, manner))?);
        }
        for (rows, rates) in ROWS.into_iter().zip(&mut bare) {
            let folder = folder()?;
            let table = bare::Table::open(folder.path())?;
            let (warm, span) = scene.spans();
            table.lifecycles(rows, warm)?;
            rates.push(table.lifecycles(rows, span)?);
        }
    }
    let bare = bare.map(|mut rates| median(&mut rates));
    let heads = Done::HEADS.into_iter().chain(["of bare 100", "of bare 1000", "goal"]);
    let mut table = Table::new("durable tasks of 256 bytes", heads);
    for ((clients, manner), done) in MANNERS.into_iter().zip(ours) {
        let (name, done) = (format!("{clients} clients, {manner}"), Done::median(&done));
        let ratios = bare.map(|bare| Figure::Times.show(done.rate / bare));
        let goal = report.judge(&name, done.rate, Figure::PerSecond, Goal::Least(GOAL));
        table.row(name, done.cells().into_iter().chain(ratios).chain([goal]));
    }
    for (rows, rate) in ROWS.into_iter().zip(bare) {
        table.row(format!("bare SQLite, {rows} rows a commit"), [Figure::PerSecond.show(rate)]);
    }
    table.print()
}

async fn lifecycles(scene: &Scene, clients: usize, manner: Manner) -> Result<Done> {
    let queue = Queue::durable(Runner::good(SLOTS)).await?;
    queue.scheduler.start();
    let submitter = Submitter::Queue(queue.scheduler.clone());
    let done = Load { submitter, kind: "noop", manner, clients }.measure(scene.spans()).await?;
    queue.end().await;
    Ok(done)
}
