//! Calls in the wrong order. A host promises not to make them; an agent that
//! answers them rather than traps shows its author what went wrong.

use chimera_layer4_core::{FabricResult, Fault};
use chimera_layer4_runtime::executor::Probe;

use super::checks::Check;
use super::payload::Payload;
use super::payload::Piece;
use super::subject::{Answer, Subject, is_contract_error, is_over_time};

/// What is called out of order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Capabilities,
    Task,
    Health,
    Shutdown,
    Init,
}

const CALLS: [Call; 5] = [Call::Capabilities, Call::Task, Call::Health, Call::Shutdown, Call::Init];

/// What came of one call.
enum Found {
    /// It was answered; with an error, in these words.
    Answered(String),
    /// A task or `init` was done as if it were in order.
    Obeyed,
    Broke(Fault),
}

/// Each call in an instance of its own, before `init`.
pub(super) async fn before_init(subject: &mut Subject<'_>) -> FabricResult<()> {
    let piece = subject.piece(Payload::of(&serde_json::Value::Null));
    let mut seen = Seen::default();
    for call in CALLS.into_iter().filter(|call| *call != Call::Init) {
        let mut probe = subject.probe(&subject.options.config)?;
        let made = probe.instantiate().await;
        if subject.heard(made)?.answer.is_err() {
            return Ok(()); // Said where it is started in order.
        }
        if seen.add(call, make(subject, &mut probe, call, &piece).await?) {
            break;
        }
    }
    seen.write(subject, Check::BeforeInit, "init was not called");
    Ok(())
}

/// `init` once more, and then a task.
pub(super) async fn second_init(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let Some(mut probe) = subject.started().await? else { return Ok(()) };
    let any = subject.piece(Payload::of(&serde_json::Value::Null));
    let message = match make(subject, &mut probe, Call::Init, &any).await? {
        Found::Answered(message) => message,
        Found::Obeyed => {
            let message = "it was accepted; once in the life of an instance is enough";
            subject.lines.warn(Check::SecondInit, message);
            message.to_owned()
        }
        Found::Broke(fault) => {
            let message = format!("{fault}; answer with an error instead");
            subject.lines.fail(Check::SecondInit, message);
            return Ok(());
        }
    };
    if let Some(piece) = works.first() {
        let answer = subject.execute(&mut probe, piece).await?.answer;
        if let Answer::Broke(fault) = answer {
            subject.lines.fail(Check::SecondInit, format!("afterwards {fault}"));
        }
    }
    subject.lines.pass(Check::SecondInit, message);
    Ok(())
}

/// Each call in an instance of its own, after `shutdown`.
pub(super) async fn after_shutdown(subject: &mut Subject<'_>, works: &[Piece]) -> FabricResult<()> {
    let piece = match works.first() {
        Some(piece) => piece.clone(),
        None => subject.piece(Payload::of(&serde_json::Value::Null)),
    };
    let mut seen = Seen::default();
    for call in CALLS {
        let Some(mut probe) = subject.started().await? else { return Ok(()) };
        subject.execute(&mut probe, &piece).await?;
        if !probe.is_alive() {
            subject.lines.not_seen(Check::AfterShutdown, "the task before it ended the instance");
            return Ok(());
        }
        let ended = probe.shutdown().await;
        if let Err(fault) = subject.heard(ended)?.answer {
            subject.lines.fail(Check::Shutdown, format!("after a task {fault}"));
            subject.lines.not_seen(Check::AfterShutdown, "shutdown did not succeed");
            return Ok(());
        }
        if seen.add(call, make(subject, &mut probe, call, &piece).await?) {
            break;
        }
    }
    subject.lines.pass(Check::Shutdown, "it succeeds after tasks");
    seen.write(subject, Check::AfterShutdown, "it was shut down");
    Ok(())
}

/// Makes a call that is out of order.
async fn make(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    call: Call,
    piece: &Piece,
) -> FabricResult<Found> {
    subject.notes.out_of_order = true;
    let found = made(subject, probe, call, piece).await;
    subject.notes.out_of_order = false;
    found
}

async fn made(
    subject: &mut Subject<'_>,
    probe: &mut Probe,
    call: Call,
    piece: &Piece,
) -> FabricResult<Found> {
    let found = |answer: Result<(), Fault>| match answer {
        Ok(()) => Found::Answered(String::new()),
        Err(fault) if is_contract_error(&fault) => Found::Answered(fault.to_string()),
        Err(fault) => Found::Broke(fault),
    };
    Ok(match call {
        Call::Capabilities => {
            let called = probe.capabilities().await;
            found(subject.heard(called)?.answer.map(drop))
        }
        Call::Task => match subject.execute(probe, piece).await?.answer {
            Answer::Result | Answer::NotJson => Found::Obeyed,
            Answer::Said(fault) => Found::Answered(fault.to_string()),
            Answer::Broke(fault) => Found::Broke(fault),
        },
        Call::Health => {
            let called = probe.health().await;
            found(subject.heard(called)?.answer.map(drop))
        }
        Call::Shutdown => {
            let called = probe.shutdown().await;
            found(subject.heard(called)?.answer)
        }
        Call::Init => {
            let called = probe.init().await;
            match subject.heard(called)?.answer {
                Ok(()) => Found::Obeyed,
                answer => found(answer),
            }
        }
    })
}

/// What came of all of them.
#[derive(Default)]
struct Seen {
    broke: Vec<String>,
    obeyed: bool,
    /// The words for a task, which say the most.
    message: Option<String>,
    answered: u32,
}

impl Seen {
    /// Notes it. Whether it hung: the next one may, too.
    fn add(&mut self, call: Call, found: Found) -> bool {
        match found {
            Found::Broke(fault) => {
                self.broke.push(fault.to_string());
                return is_over_time(&fault);
            }
            Found::Obeyed => self.obeyed = true,
            Found::Answered(message) if call == Call::Task => self.message = Some(message),
            Found::Answered(_) => self.answered += 1,
        }
        false
    }

    fn write(self, subject: &mut Subject<'_>, check: Check, though: &str) {
        let lines = &mut subject.lines;
        if !self.broke.is_empty() {
            let message = self.broke.join("; ");
            return lines.fail(check, format!("{message}; answer with an error instead"));
        }
        if self.obeyed {
            return lines.warn(check, format!("it did as if nothing were wrong, though {though}"));
        }
        let (message, others) = (self.message.unwrap_or_default(), self.answered);
        lines.pass(check, format!("{message}; {others} other calls were answered"));
    }
}
