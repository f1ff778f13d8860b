//! Payloads that an agent may not expect. Each is to be answered, with a result
//! or with an error of the contract, and the next task is to be done.

use chimera_layer4_core::FabricResult;
use serde_json::Value;

use super::checks::Check;
use super::payload::Piece;
use super::payload::{self, Payload};
use super::subject::{Answer, Subject, is_over_time};
use super::tasks::in_words;

/// Odd shapes, any characters, a mebibyte.
pub(super) async fn payloads(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let sample = works.first().and_then(|piece| piece.payload.tree());
    let like = match works.first() {
        Some(piece) => piece.clone(),
        None => subject.piece(Payload::of(&Value::Null)),
    };
    answered(subject, Check::OddInput, &like, payload::odd()).await?;
    answered(subject, Check::Unicode, &like, payload::unicode(sample.as_ref())).await?;
    answered(subject, Check::LargeInput, &like, payload::large(sample.as_ref())).await
}

/// Tasks with these payloads, and otherwise as one that works.
async fn answered(
    subject: &mut Subject<'_>,
    check: Check,
    like: &Piece,
    payloads: Vec<Payload>,
) -> FabricResult<()> {
    let Some(mut probe) = subject.started().await? else { return Ok(()) };
    let (mut results, mut errors, mut broken) = (0, 0, Vec::new());
    for payload in payloads {
        if !probe.is_alive() {
            let Some(again) = subject.started().await? else { return Ok(()) };
            probe = again;
        }
        let piece = Piece { payload, ..like.clone() };
        match subject.execute(&mut probe, &piece).await?.answer {
            Answer::Result | Answer::NotJson => results += 1,
            Answer::Said(_) => errors += 1,
            Answer::Broke(fault) => {
                let over_time = is_over_time(&fault);
                broken.push(format!("{}: {fault}", piece.payload.name));
                if over_time {
                    break;
                }
            }
        }
    }
    let lines = &mut subject.lines;
    match broken.as_slice() {
        [] => lines.pass(check, format!("{results} ended with a result, {errors} with an error")),
        [only] => lines.fail(check, format!("{only}; answer with an error instead")),
        [first, rest @ ..] => {
            let more = rest.len();
            lines.fail(check, format!("{first}, and {more} more; answer with an error instead"));
        }
    }
    Ok(())
}

/// After each kind of error that was seen, the next task in the same instance.
pub(super) async fn goes_on(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let Some(next) = works.first() else {
        subject.lines.not_seen(Check::GoesOn, "there is no sample that works");
        return Ok(());
    };
    let refused: Vec<(&str, Piece)> =
        subject.notes.refused.iter().map(|(code, piece)| (*code, piece.clone())).collect();
    let mut seen = Vec::new();
    for (code, piece) in &refused {
        let Some(mut probe) = subject.started().await? else { return Ok(()) };
        let error = subject.execute(&mut probe, piece).await?;
        if let Answer::Broke(fault) = &error.answer {
            let name = &piece.payload.name;
            let message = format!("{name} was answered with {code} before, and now {fault}");
            subject.lines.fail(Check::GoesOn, message);
            continue;
        }
        let when = format!("after the error {code}");
        subject.ask(&mut probe, &when).await?;
        if !probe.is_alive() {
            continue; // Which has a line of its own.
        }
        match subject.execute(&mut probe, next).await?.answer {
            Answer::Result | Answer::NotJson => seen.push(*code),
            answer => {
                let (name, found) = (&next.payload.name, in_words(&answer));
                let message = format!("{when} it no longer does {name}: {found}");
                subject.lines.fail(Check::GoesOn, message);
            }
        }
    }
    match seen.as_slice() {
        [] => subject.lines.not_seen(Check::GoesOn, "no error came before a task"),
        seen => {
            let message = format!("it does the next task after {}", seen.join(", "));
            subject.lines.pass(Check::GoesOn, message);
        }
    }
    Ok(())
}
