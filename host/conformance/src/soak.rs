//! Many tasks in one instance: it lives through them, goes on doing them, and
//! its memory does not grow.

use std::time::Instant;

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{FabricResult, Fault, GuestFault};
use chimera_layer4_runtime::executor::Probe;

use super::checks::Check;
use super::growth::{Growth, Settling};
use super::payload;
use super::payload::Piece;
use super::subject::{Answer, Subject};

/// How the tasks ended.
#[derive(Default)]
struct Tally {
    done: u32,
    errors: u32,
    /// The first error in place of a result, and at which task.
    first: Option<(u32, String)>,
    last_failed: bool,
    /// What ended the instance.
    broke: Option<Fault>,
}

/// What came of memory that grew.
enum Later {
    /// It stays at so many bytes.
    Settled(u64),
    /// It grew on, or the instance ended by it.
    GrewOn,
    /// There was no time to find out.
    Cut,
}

/// Does the samples over and over.
pub(super) async fn soak(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let Some(mut probe) = subject.started().await? else { return Ok(()) };
    let guesses = || payload::guesses().into_iter().map(|payload| subject.piece(payload)).collect();
    let pieces: Vec<Piece> = if works.is_empty() { guesses() } else { works.to_vec() };
    let mut growth = Growth::over(subject.options.soak_tasks);
    let tally = tasks(subject, &mut probe, &pieces, &mut growth).await?;
    if let Some(fault) = tally.broke {
        let (number, memory) = (tally.done, growth.in_words());
        let message = format!("task {number} ended the instance: {fault}; memory: {memory}");
        subject.lines.fail(Check::Soak, message);
        return Ok(());
    }
    let when = format!("after {} tasks", tally.done);
    subject.ask(&mut probe, &when).await?;
    if growth.goes_on() && probe.is_alive() {
        let later = later(subject, &mut probe, &pieces, &growth).await?;
        judge_growth(subject, &growth, &later);
    }
    if probe.is_alive() {
        let ended = probe.shutdown().await;
        if let Err(fault) = subject.heard(ended)?.answer {
            subject.lines.fail(Check::Shutdown, format!("{when} {fault}"));
        }
    }
    judge_answers(subject, &tally, !works.is_empty());
    let memory = growth.in_words();
    sum_up(subject, &tally, &memory);
    Ok(())
}

async fn tasks(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    pieces: &[Piece],
    growth: &mut Growth,
) -> FabricResult<Tally> {
    let (most, time) = (subject.options.soak_tasks as usize, subject.options.soak_time);
    let (mut tally, began) = (Tally::default(), Instant::now());
    for piece in pieces.iter().cycle().take(most) {
        if began.elapsed() >= time {
            break;
        }
        let ran = subject.execute(probe, piece).await?;
        tally.done += 1;
        match ran.answer {
            Answer::Broke(fault) => {
                tally.broke = Some(fault);
                break;
            }
            Answer::Said(fault) => tally.error(&fault),
            Answer::Result | Answer::NotJson => tally.last_failed = false,
        }
        growth.look(tally.done, ran.memory);
    }
    Ok(tally)
}

/// Does more tasks, with garbage in between where the sample has text, until
/// memory has settled. What collects garbage late does then; a leak goes on.
async fn later(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    pieces: &[Piece],
    growth: &Growth,
) -> FabricResult<Later> {
    let pieces = with_garbage(subject, probe, pieces).await?;
    let (most, time) = (subject.options.soak_tasks, subject.options.soak_time);
    let (mut settling, began) = (Settling::after(growth), Instant::now());
    let mut memory = 0;
    for (number, piece) in (1..=most).zip(pieces.iter().cycle()) {
        if began.elapsed() >= time {
            return Ok(Later::Cut);
        }
        if !probe.is_alive() {
            return Ok(Later::GrewOn);
        }
        memory = subject.execute(probe, piece).await?.memory;
        if settling.has_settled(number, memory) {
            return Ok(Later::Settled(memory));
        }
    }
    Ok(if settling.grew() { Later::GrewOn } else { Later::Settled(memory) })
}

/// The tasks, and after each one with a longer text if such a one works.
async fn with_garbage(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    pieces: &[Piece],
) -> FabricResult<Vec<Piece>> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let sample = first.payload.tree();
    let Some(payload) = sample.as_ref().and_then(payload::longer) else {
        return Ok(pieces.to_vec());
    };
    let longer = Piece { payload, ..first.clone() };
    Ok(match subject.execute(probe, &longer).await?.answer {
        Answer::Result => pieces.iter().flat_map(|piece| [piece.clone(), longer.clone()]).collect(),
        Answer::Said(_) | Answer::NotJson | Answer::Broke(_) => pieces.to_vec(),
    })
}

impl Tally {
    fn error(&mut self, fault: &GuestFault) {
        self.errors += 1;
        // What is unavailable may be so at any time.
        if !matches!(fault, GuestFault::Unavailable { .. }) {
            self.last_failed = true;
            let number = self.done;
            self.first.get_or_insert_with(|| (number, fault.to_string()));
        }
    }
}

fn judge_growth(subject: &mut Subject<'_>, growth: &Growth, later: &Later) {
    let grew = format!("memory grew by {:.0} bytes a task", growth.per_task());
    let memory = growth.in_words();
    let lines = &mut subject.lines;
    match later {
        Later::GrewOn => lines.fail(Check::Soak, format!("{grew}, and on: {memory}")),
        Later::Settled(bytes) => {
            let mib = *bytes as f64 / MEBIBYTE as f64;
            let next = "garbage is kept for long, and a smaller quota ends instances";
            lines.warn(Check::Soak, format!("{grew} and settled at {mib:.0} MiB: {next}"));
        }
        Later::Cut => {
            let message = "there was no time to see whether it settles";
            lines.warn(Check::Soak, format!("{grew}, and {message}: {memory}"));
        }
    }
}

/// What worked before is to work still.
fn judge_answers(subject: &mut Subject<'_>, tally: &Tally, works: bool) {
    let (true, Some((number, fault))) = (works, &tally.first) else { return };
    let (errors, done) = (tally.errors, tally.done);
    let message = format!("from task {number} on {errors} of {done} ended in an error: {fault}");
    if tally.last_failed {
        subject.lines.fail(Check::Soak, message);
    } else {
        subject.lines.warn(Check::Soak, message);
    }
}

fn sum_up(subject: &mut Subject<'_>, tally: &Tally, memory: &str) {
    let (done, wanted) = (tally.done, subject.options.soak_tasks);
    let message = match tally.errors {
        0 => format!("{done} tasks; memory: {memory}"),
        errors if errors == done => format!("{done} tasks, each refused; memory: {memory}"),
        errors => format!("{done} tasks, {errors} with an error; memory: {memory}"),
    };
    if done < wanted {
        let seconds = subject.options.soak_time.as_secs_f64();
        let cut = format!("cut after {seconds} s, of {wanted} tasks: {message}");
        subject.lines.warn(Check::Soak, cut);
    } else {
        subject.lines.pass(Check::Soak, message);
    }
}
