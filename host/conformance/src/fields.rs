//! Whatever a task may be: of each declared type, with every field that it may
//! have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use chimera_layer4_core::{FabricResult, Priority, Task};

use super::checks::Check;
use super::payload::Piece;
use super::subject::{Answer, Subject, is_over_time};

/// A deadline that no check reaches.
const HOUR: Duration = Duration::from_secs(3600);

/// Whether each declared type has a sample that works.
pub(super) fn types(subject: &mut Subject<'_>, works: &[Piece]) {
    let declared = subject.notes.task_types();
    let named: BTreeSet<&str> = works.iter().filter_map(|p| p.task_type.as_deref()).collect();
    let given = subject.options.samples.iter().filter_map(|sample| sample.task_type.as_deref());
    let lines = &mut subject.lines;
    if let Some(unknown) = given.into_iter().find(|name| !declared.iter().any(|d| d == name)) {
        let message =
            format!("a sample is of the type {unknown:?}, which the agent does not declare");
        lines.warn(Check::TaskTypes, message);
    }
    let seen = |name: &String| {
        // Where there is one type only, every task is of it.
        named.contains(name.as_str()) || (declared.len() == 1 && !works.is_empty())
    };
    let missing: Vec<&str> = declared.iter().filter(|n| !seen(n)).map(String::as_str).collect();
    match (declared.len(), missing.as_slice()) {
        (0, _) => lines.not_seen(Check::TaskTypes, "it declares none"),
        (_, []) => lines.pass(Check::TaskTypes, declared.join(", ")),
        (_, missing) => {
            let missing = missing.join(", ");
            let ask = "give one that works, with its \"type\" in a --tasks file";
            lines.not_seen(Check::TaskTypes, format!("there is no sample of {missing}; {ask}"));
        }
    }
}

/// A sample with every priority and everything else that a task may say.
pub(super) async fn fields(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let Some(piece) = works.first() else {
        subject.lines.not_seen(Check::TaskFields, "there is no sample that works");
        return Ok(());
    };
    let Some(mut probe) = subject.started().await? else { return Ok(()) };
    let ways = ways(piece);
    let count = ways.len();
    for (way, piece) in ways {
        if !probe.is_alive() {
            let Some(again) = subject.started().await? else { return Ok(()) };
            probe = again;
        }
        let ran = subject.execute(&mut probe, &piece).await?;
        match &ran.answer {
            Answer::Result | Answer::NotJson => {}
            Answer::Said(fault) => {
                subject.lines.warn(Check::TaskFields, format!("with {way}: {fault}"));
            }
            Answer::Broke(fault) => {
                subject.lines.fail(Check::TaskFields, format!("with {way}: {fault}"));
                if is_over_time(fault) {
                    break;
                }
            }
        }
    }
    subject.lines.pass(Check::TaskFields, format!("a sample works in {count} ways"));
    Ok(())
}

fn ways(piece: &Piece) -> Vec<(&'static str, Piece)> {
    use Priority::{Background, Critical, High, Low};
    let with = |change: &dyn Fn(&mut Task)| {
        let mut changed = piece.clone();
        change(&mut changed.task);
        changed
    };
    let labels = [("", ""), ("name", "value"), ("\u{0}\u{202e}ключ", "значение 😀")];
    let labels: BTreeMap<_, _> = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    vec![
        ("priority critical", with(&|task| task.priority = Critical)),
        ("priority high", with(&|task| task.priority = High)),
        ("priority low", with(&|task| task.priority = Low)),
        ("priority background", with(&|task| task.priority = Background)),
        ("a deadline", with(&|task| task.deadline = Some(SystemTime::now() + HOUR))),
        ("odd metadata", with(&|task| task.metadata.extend(labels.clone()))),
        ("no source layer", with(&|task| task.source_layer.clear())),
        ("created in 1970", with(&|task| task.created_at = SystemTime::UNIX_EPOCH)),
        ("attempt 1000", Piece { attempt: 1_000, ..piece.clone() }),
    ]
}
