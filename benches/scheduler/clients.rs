//! What many clients get done, each with one task at a time.

use anyhow::Result;

use crate::load::Manner::{Executes, Singles};
use crate::load::{Done, Load, Manner};
use crate::runner::Runner;
use crate::scene::{Queue, Scene};
use crate::submitter::Submitter;
use crate::table::{Figure, Goal, Report, Table};

const SLOTS: usize = 1024;
const CLIENTS: [usize; 6] = [1, 4, 16, 64, 256, 1024];
const MANNERS: [Manner; 2] = [Singles, Executes];
/// What a point may lie below the highest before it, and be noise.
const NO_FALL: f64 = 0.9;

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    let mut all = MANNERS.map(|_| CLIENTS.map(|_| Vec::new()));
    for _ in 0..scene.rounds() {
        for (manner, curve) in MANNERS.into_iter().zip(&mut all) {
            for (clients, done) in CLIENTS.into_iter().zip(curve) {
                done.push(scene.runtime.block_on(point(scene, clients, manner))?);
            }
        }
    }
    for (manner, curve) in MANNERS.into_iter().zip(all) {
        let heads = Done::HEADS.into_iter().chain(["a task takes", "of the best before"]);
        let mut table = Table::new(format!("clients, {manner}"), heads);
        let (mut best, mut least) = (0.0_f64, f64::INFINITY);
        for (clients, done) in CLIENTS.into_iter().zip(curve) {
            let done = Done::median(&done);
            let share = if best > 0.0 { done.rate / best } else { 1.0 };
            (best, least) = (best.max(done.rate), least.min(share));
            // Little's law.
            let takes = Figure::Nanos.show(clients as f64 / done.rate * 1e9);
            let more = [takes, Figure::Times.show(share)];
            table.row(format!("{clients}"), done.cells().into_iter().chain(more));
        }
        table.print()?;
        let name = format!("no fall with more clients, {manner}");
        report.judge(name, least, Figure::Times, Goal::Least(NO_FALL));
    }
    Ok(())
}

async fn point(scene: &Scene, clients: usize, manner: Manner) -> Result<Done> {
    let queue = Queue::durable(Runner::good(SLOTS)).await?;
    queue.scheduler.start();
    let submitter = Submitter::Queue(queue.scheduler.clone());
    let done = Load { submitter, kind: "noop", manner, clients }.measure(scene.spans()).await?;
    queue.end().await;
    Ok(done)
}
