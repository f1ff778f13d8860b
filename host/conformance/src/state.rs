//! The optional export `state`: what is saved is accepted, and other bytes
//! break nothing.

use chimera_layer4_core::{FabricResult, Fault, GuestFault};

use super::checks::Check;
use super::payload::Piece;
use super::subject::{Answer, Subject, is_contract_error};
use super::tasks::in_words;

/// What no agent wrote.
const FOREIGN: &[u8] = b"\xffchimera agent check: this is no state\x00";

/// Saves, restores, and hands over what is no state.
pub(super) async fn state(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    if !subject.genome.offers_state() {
        let message = "it does not export `chimera:agent/state`, which is optional";
        subject.lines.not_seen(Check::State, message);
        return Ok(());
    }
    let Some(saved) = save(subject, works).await? else { return Ok(()) };
    for (name, foreign) in [
        ("what is no state", FOREIGN),
        ("no bytes", &[]),
        ("half of its state", saved.get(..saved.len() / 2).unwrap_or_default()),
    ] {
        let Some(mut probe) = subject.started().await? else { return Ok(()) };
        let restored = probe.restore(foreign).await;
        match subject.heard(restored)?.answer {
            Ok(()) if foreign == FOREIGN => {
                let message = format!("{name} was taken; refuse it with invalid-input");
                subject.lines.warn(Check::State, message);
            }
            Ok(()) | Err(Fault::Guest(GuestFault::InvalidInput { .. })) => {}
            Err(fault) if is_contract_error(&fault) => {
                let message = format!("{name}: {fault}; refuse it with invalid-input");
                subject.lines.warn(Check::State, message);
            }
            Err(fault) => subject.lines.fail(Check::State, format!("{name}: {fault}")),
        }
    }
    subject.lines.pass(Check::State, format!("{} bytes, taken by another instance", saved.len()));
    Ok(())
}

/// What it saves after a task, if another instance takes it.
async fn save(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<Option<Vec<u8>>> {
    let Some(mut old) = subject.started().await? else { return Ok(None) };
    if let Some(piece) = works.first() {
        subject.execute(&mut old, piece).await?;
        if !old.is_alive() {
            return Ok(None);
        }
    }
    let saved = old.save().await;
    let saved = match subject.heard(saved)?.answer {
        Ok(saved) => saved,
        Err(fault) if is_contract_error(&fault) => {
            subject.lines.warn(Check::State, format!("it does not save: {fault}"));
            return Ok(None);
        }
        Err(fault) => {
            subject.lines.fail(Check::State, fault.to_string());
            return Ok(None);
        }
    };
    let Some(mut new) = subject.started().await? else { return Ok(None) };
    let restored = new.restore(&saved).await;
    if let Err(fault) = subject.heard(restored)?.answer {
        subject.lines.fail(Check::State, format!("what it saved itself: {fault}"));
        return Ok(None);
    }
    subject.capabilities(&mut new, "after restore").await?;
    for (who, probe) in [("after save", &mut old), ("after restore", &mut new)] {
        let Some(piece) = works.first().filter(|_| probe.is_alive()) else { continue };
        let answer = subject.execute(probe, piece).await?.answer;
        if !matches!(answer, Answer::Result | Answer::NotJson) {
            subject.lines.fail(Check::State, format!("{who}: {}", in_words(&answer)));
        }
    }
    Ok(Some(saved))
}
