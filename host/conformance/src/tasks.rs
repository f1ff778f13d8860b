//! The agent's own work: the samples, or what many agents take.

use std::time::Duration;

use chimera_layer4_core::{FabricResult, GuestFault, Task};
use chimera_layer4_runtime::executor::Probe;

use super::checks::Check;
use super::options::{Expected, Sample};
use super::payload::Piece;
use super::payload::{self, Payload};
use super::subject::{Answer, Ran, Subject, is_over_time};

/// Runs of a sample that answers `unavailable`, as a host would make them.
const ATTEMPTS: u32 = 3;
/// The longest wait before another one.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Runs every sample, or what many agents take. Those that gave a result.
pub(super) async fn samples(subject: &mut Subject<'_>) -> FabricResult<Vec<Piece>> {
    let Some(mut probe) = subject.started().await? else { return Ok(Vec::new()) };
    let options = subject.options;
    if options.samples.is_empty() {
        return guessed(subject, probe).await;
    }
    let (mut works, mut results, mut refused) = (Vec::new(), 0, 0);
    let mut slowest = Duration::ZERO;
    for (number, sample) in (1..).zip(&options.samples) {
        if !probe.is_alive() {
            let Some(again) = subject.started().await? else { break };
            probe = again;
        }
        let mut piece = of_sample(subject, sample);
        let ran = patiently(subject, &mut probe, &mut piece, sample.expect).await?;
        slowest = slowest.max(ran.wall);
        match (&ran.answer, sample.expect) {
            (Answer::Result, Expected::Result) => {
                results += 1;
                works.push(piece);
            }
            (Answer::Said(fault), expected) if is_expected(fault, expected) => refused += 1,
            // Its line is another one, and the rest can be seen all the same.
            (Answer::NotJson, _) => works.push(piece),
            (answer, expected) => {
                let (shown, found) = (&piece.payload.name, in_words(answer));
                let wanted = wanted(expected);
                let message = format!("sample {number}, {shown}: wanted was {wanted}, and {found}");
                subject.lines.fail(Check::Tasks, message);
            }
        }
        if matches!(&ran.answer, Answer::Broke(fault) if is_over_time(fault)) {
            break;
        }
    }
    subject.ask(&mut probe, "after tasks").await?;
    let millis = slowest.as_secs_f64() * 1e3;
    let message = format!(
        "{results} with a result and {refused} with an error, as wanted; the slowest {millis:.1} ms"
    );
    subject.lines.pass(Check::Tasks, message);
    Ok(works)
}

fn of_sample(subject: &Subject<'_>, sample: &Sample) -> Piece {
    let piece = subject.piece(Payload::of(&sample.payload));
    let task = Task { metadata: sample.metadata.clone(), ..piece.task };
    Piece { task, task_type: sample.task_type.clone(), ..piece }
}

async fn guessed(subject: &mut Subject<'_>, mut probe: Probe) -> FabricResult<Vec<Piece>> {
    for payload in payload::guesses() {
        if !probe.is_alive() {
            let Some(again) = subject.started().await? else { break };
            probe = again;
        }
        let mut piece = subject.piece(payload);
        let ran = patiently(subject, &mut probe, &mut piece, Expected::Result).await?;
        match ran.answer {
            Answer::Result => {
                subject.ask(&mut probe, "after a task").await?;
                let name = &piece.payload.name;
                let message = format!("a guess, {name}, gave a result; give your own with --task");
                subject.lines.pass(Check::Tasks, message);
                return Ok(vec![piece]);
            }
            // What it is to answer is a line of its own.
            Answer::Broke(fault) if is_over_time(&fault) => break,
            Answer::Broke(_) | Answer::Said(_) | Answer::NotJson => {}
        }
    }
    let ask = "no guess gave a result; give payloads that do with --task or --tasks";
    subject.lines.not_seen(Check::Tasks, ask);
    Ok(Vec::new())
}

/// Runs a task, and again where it answers `unavailable`. The piece keeps the
/// attempt that counted.
async fn patiently(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    piece: &mut Piece,
    expected: Expected,
) -> FabricResult<Ran> {
    loop {
        let ran = subject.execute(probe, piece).await?;
        let Answer::Said(GuestFault::Unavailable { retry_after_ms, .. }) = &ran.answer else {
            return Ok(ran);
        };
        if expected == Expected::Unavailable || piece.attempt == ATTEMPTS {
            return Ok(ran);
        }
        let wait = Duration::from_millis(retry_after_ms.unwrap_or_default());
        tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        piece.attempt += 1;
    }
}

fn is_expected(fault: &GuestFault, expected: Expected) -> bool {
    matches!(
        (fault, expected),
        (GuestFault::InvalidInput { .. }, Expected::InvalidInput)
            | (GuestFault::Unavailable { .. }, Expected::Unavailable)
            | (GuestFault::Failed { .. }, Expected::Failed)
    )
}

fn wanted(expected: Expected) -> &'static str {
    match expected {
        Expected::Result => "a result",
        Expected::InvalidInput => "invalid-input",
        Expected::Unavailable => "unavailable",
        Expected::Failed => "failed",
    }
}

pub(super) fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Result => "it gave a result".into(),
        Answer::Said(fault) => fault.to_string(),
        Answer::NotJson => "its output was no JSON".into(),
        Answer::Broke(fault) => fault.to_string(),
    }
}
