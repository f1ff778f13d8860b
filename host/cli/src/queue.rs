//! `chimera task …` and `chimera dead-letters …`: the queue of a data folder,
//! through the host that serves it where there is one.

use std::collections::HashSet;
use std::io::{BufRead, Read};
use std::time::{Duration, SystemTime};

use chimera_layer4_api::tasks::AttemptLog;
use chimera_layer4_core::scheduler::fair_queue::WEIGHTS;
use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::{Filter, Order};
use chimera_layer4_core::scheduler::{Submission, SubmitOptions, TaskState};
use chimera_layer4_core::{FabricConfig, Task, TaskId};
use serde_json::json;

use super::args::{DeadLettersCommand, ListArgs, PageArgs, PickArgs, SubmitArgs, TaskCommand};
use super::backend::{NotCancelled, QueueBackend};
use super::exit::{BadInput, Exit};
use super::output::Output;
use super::{follow, input, task};
use chimera_layer4_fabric::utils;

/// Dead letters that one `--all` names at once.
const PAGE: usize = 1000;
/// Of an answer to a question.
const MOST_ANSWER_BYTES: u64 = 64;

pub(super) async fn task(
    config: FabricConfig,
    command: TaskCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let (queue, submission) = match &command {
        TaskCommand::Submit(args) => {
            // The command reports mistakes in its arguments before it opens the store.
            let submission = submission(&config, args).await?;
            (QueueBackend::open(&config).await?, Some(submission))
        }
        TaskCommand::Show { .. }
        | TaskCommand::Logs { .. }
        | TaskCommand::List(_)
        | TaskCommand::Cancel { .. }
        | TaskCommand::Purge { .. }
        | TaskCommand::Stats { .. } => (QueueBackend::open_to_look(&config).await?, None),
    };
    let done = match command {
        TaskCommand::Submit(args) => submit(&queue, submission, args.wait, output).await,
        TaskCommand::Show { id, .. } => show(&queue, id, output).await,
        TaskCommand::Logs { id, .. } => logs(&queue, id, output).await,
        TaskCommand::List(args) => list(&queue, filter(&args), args.page.after, output).await,
        TaskCommand::Cancel { ids, .. } => cancel(&queue, ids, output).await,
        TaskCommand::Purge { ids, .. } => purge(&queue, ids, output).await,
        TaskCommand::Stats { .. } => stats(&queue, output).await,
    };
    queue.close().await;
    done
}

pub(super) async fn dead_letters(
    config: FabricConfig,
    command: DeadLettersCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let queue = QueueBackend::open_to_look(&config).await?;
    let done = match command {
        DeadLettersCommand::List(args) => {
            let filter = page(Filter::of(Some(TaskState::Dead)), &args.page);
            list(&queue, filter, args.page.after, output).await
        }
        DeadLettersCommand::Show { id, .. } => show(&queue, id, output).await,
        DeadLettersCommand::Requeue(args) => {
            let ids = picked(&queue, &args).await?;
            let requeued = queue.requeue(ids.clone()).await?;
            done(&queue, requeued, &ids, BACK, output).await
        }
        DeadLettersCommand::Purge(args) => {
            let ids = picked(&queue, &args.pick).await?;
            if args.pick.all && !args.yes && !ids.is_empty() {
                may_purge(ids.len(), output).await?;
            }
            done(&queue, queue.purge_dead(&ids).await?, &ids, PURGED_DEAD, output).await
        }
    };
    queue.close().await;
    done
}

async fn submission(config: &FabricConfig, args: &SubmitArgs) -> anyhow::Result<Submission> {
    let payload = task::payload(&args.task).await?;
    let resource_quota = task::quota(&config.default_resource_quota, &args.quota)?;
    let now = SystemTime::now();
    let from_now = |secs: u64, flag: &str| {
        let time = now.checked_add(Duration::from_secs(secs));
        time.ok_or_else(|| BadInput(format!("{flag} {secs}: no clock reaches that far")))
    };
    let deadline = args.deadline.map(|secs| from_now(secs, "--deadline")).transpose()?;
    let not_before = args.delay.map(|secs| from_now(secs, "--delay")).transpose()?;
    let made = utils::task_for(&args.agent_type, payload);
    let id = args.id.unwrap_or(made.id);
    let priority = args.priority;
    let metadata = task::metadata(&args.metadata)?;
    let task = Task { id, priority, deadline, resource_quota, metadata, ..made };
    let options = SubmitOptions {
        idempotency_key: args.key.clone(),
        not_before,
        max_attempts: args.attempts,
    };
    Ok(Submission { task, options })
}

async fn submit(
    queue: &QueueBackend,
    submission: Option<Submission>,
    wait: bool,
    output: &Output,
) -> anyhow::Result<Exit> {
    let Some(submission) = submission else { return Ok(Exit::Success) };
    if wait {
        let QueueBackend::Remote(client) = queue else {
            let message = "--wait: no host serves this data folder; start `chimera serve`";
            return Err(BadInput(message.into()).into());
        };
        let id = queue.submit(submission).await?;
        return follow::to_its_end(client, id, output).await;
    }
    let id = queue.submit(submission).await?;
    if output.is_json() {
        output.value(&json!({ "task_id": id }))?;
    } else {
        output.line(&id.to_string())?;
    }
    Ok(Exit::Success)
}

async fn show(queue: &QueueBackend, id: TaskId, output: &Output) -> anyhow::Result<Exit> {
    let record = queue.get(id).await?;
    note_left_behind(queue, record.state.is_leased(), output);
    if output.is_json() {
        output.value(&record)?;
    } else {
        print_record(&record, output)?;
    }
    Ok(Exit::Success)
}

fn print_record(record: &TaskRecord, output: &Output) -> anyhow::Result<()> {
    let TaskRecord { task, state, attempts, max_attempts, .. } = record;
    output.line(&format!("task       {}", task.id))?;
    output.line(&format!("type       {}", printable(&task.target_agent_type)))?;
    output.line(&format!("priority   {}", task.priority))?;
    let reason = record.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    output.line(&format!("state      {state}{reason}"))?;
    output.line(&format!("submitted  {}", time(record.submitted_at.to_system_time())))?;
    let at = time(record.at.to_system_time());
    output.line(&format!("{:10} {at}", what_at_says(*state)))?;
    output.line(&format!("attempts   {attempts} of {max_attempts}"))?;
    // What was said once is not said again: of a trap it is a long text.
    let mut said: Option<(u32, String)> = None;
    for failed in &record.failed_attempts {
        let genome = failed.genome.map(|genome| format!(" · {genome}")).unwrap_or_default();
        let (number, error) = (failed.number, failed.error.to_string());
        let shown = match &said {
            Some((before, same)) if *same == error => format!("as {before}"),
            _ => printable(&error),
        };
        output.line(&format!("  {number}: {shown}{genome}"))?;
        if said.as_ref().is_none_or(|(_, other)| *other != error) {
            said = Some((number, error));
        }
    }
    match &record.result {
        Some(result) if result.success => output.line(&format!("output     {}", result.output))?,
        Some(result) => {
            let error = result.error.as_deref().unwrap_or_default();
            let is_repeated = said.is_some_and(|(_, said)| said == error);
            let shown = if is_repeated { "as its last attempt".into() } else { printable(error) };
            output.line(&format!("error      {shown}"))?;
        }
        None => {}
    }
    output.line(&format!("input      {}", task.payload))?;
    if let Some(unreadable) = &record.unreadable {
        output.line(&format!("unreadable {}", printable(&unreadable.reason)))?;
        for (name, text) in &unreadable.stored {
            output.line(&format!("  {name} as it is stored: {}", printable(text)))?;
        }
    }
    Ok(())
}

async fn logs(queue: &QueueBackend, id: TaskId, output: &Output) -> anyhow::Result<Exit> {
    let record = queue.get(id).await?;
    let (state, attempts) = (record.state, record.failed_attempts);
    let attempts: Vec<AttemptLog> = attempts.into_iter().map(AttemptLog::from).collect();
    if output.is_json() {
        output.value(&attempts)?;
        return Ok(Exit::Success);
    }
    for AttemptLog { attempt, ended_at, error, log, .. } in &attempts {
        output.line(&format!("attempt {attempt} · {} · {}", time(*ended_at), printable(error)))?;
        if log.bytes_left_out > 0 {
            output.line(&format!("  ({} bytes of its log are left out)", log.bytes_left_out))?;
        }
        for line in &log.lines {
            output.line(&format!("  {:5} {}", line.level.word(), printable(&line.message)))?;
        }
    }
    if attempts.is_empty() {
        output.note(&format!(
            "no attempt of it has failed, it is {state}; the log of a run that ends well is in the \
             host's log"
        ));
    }
    Ok(Exit::Success)
}

fn filter(args: &ListArgs) -> Filter {
    let state = if args.failed { Some(TaskState::Dead) } else { args.state.0 };
    let filter = page(Filter::of(state), &args.page);
    if args.failed { Filter { order: Order::Newest, ..filter } } else { filter }
}

fn page(filter: Filter, args: &PageArgs) -> Filter {
    let PageArgs { priority, reason, limit, .. } = *args;
    let order = if args.newest { Order::Newest } else { Order::Oldest };
    Filter { agent_type: args.agent_type.clone(), priority, reason, order, limit, ..filter }
}

async fn list(
    queue: &QueueBackend,
    mut filter: Filter,
    after: Option<TaskId>,
    output: &Output,
) -> anyhow::Result<Exit> {
    if let Some(id) = after {
        let last = queue.get(id).await?;
        let time = if filter.state.is_some() { last.at } else { last.submitted_at };
        filter.after = Some((time, id));
    }
    let (state, limit) = (filter.state, filter.limit);
    let tasks = queue.list(filter).await?;
    note_left_behind(queue, tasks.iter().any(|task| task.state.is_leased()), output);
    if output.is_json() {
        output.value(&tasks)?;
        return Ok(Exit::Success);
    }
    if !tasks.is_empty() {
        // Not among the results, which a program may read line by line.
        output.note(&head());
    }
    for task in &tasks {
        output.line(&line(task))?;
    }
    match tasks.last() {
        None => output.note(&match state {
            Some(state) => format!("no such tasks are {state}"),
            None => "there are no such tasks".to_owned(),
        }),
        Some(last) if tasks.len() == limit => {
            output.note(&format!("there may be more: --after {}", last.id));
        }
        Some(_) => {}
    }
    Ok(Exit::Success)
}

/// A table's line: its cells, and the agent type and the reason, which have
/// names of any length.
fn row(cells: [&str; 6], rest: [&str; 2]) -> String {
    let [id, state, priority, attempts, submitted, when] = cells;
    let [agent_type, reason] = rest;
    let line = format!(
        "{id:36}  {state:9}  {priority:10}  {attempts:11}  {submitted:20}  {when:32}  {agent_type}  {reason}"
    );
    line.trim_end().to_owned()
}

fn head() -> String {
    row(["TASK", "STATE", "PRIORITY", "ATTEMPTS", "SUBMITTED", "TIME"], ["TYPE", "REASON"])
}

fn line(task: &TaskSummary) -> String {
    let (state, priority) = (task.state.to_string(), task.priority.to_string());
    let attempts = format!("{} attempts", task.attempts);
    let submitted = time(task.submitted_at.to_system_time());
    let when = format!("{} {}", what_at_says(task.state), time(task.at.to_system_time()));
    let reason = task.reason.map(|reason| reason.to_string()).unwrap_or_default();
    let id = task.id.to_string();
    let cells = [&*id, &state, &priority, &attempts, &submitted, &when];
    row(cells, [&printable(&task.agent_type), &reason])
}

/// What a task's time is the time of.
fn what_at_says(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "since",
        TaskState::Delayed => "due",
        TaskState::Claimed | TaskState::Running => "lease until",
        TaskState::Succeeded | TaskState::Dead | TaskState::Cancelled => "ended",
    }
}

async fn cancel(queue: &QueueBackend, ids: Vec<TaskId>, output: &Output) -> anyhow::Result<Exit> {
    let mut cancelled = Vec::new();
    for id in &ids {
        match queue.cancel(*id).await {
            Ok(was_queued) => {
                note_left_behind(queue, !was_queued, output);
                cancelled.push(*id);
            }
            // Said with the others to which it could not be done.
            Err(NotCancelled::Gone) => {}
            Err(NotCancelled::Failed(error)) => return Err(error),
        }
    }
    done(queue, cancelled, &ids, CANCELLED, output).await
}

async fn purge(queue: &QueueBackend, ids: Vec<TaskId>, output: &Output) -> anyhow::Result<Exit> {
    done(queue, queue.purge(ids.clone()).await?, &ids, PURGED, output).await
}

async fn stats(queue: &QueueBackend, output: &Output) -> anyhow::Result<Exit> {
    let stats = queue.stats().await?;
    let leased = |state: TaskState| {
        state.is_leased() && stats.tasks.get(&state.to_string()).is_some_and(|n| *n > 0)
    };
    note_left_behind(queue, TaskState::ALL.into_iter().any(leased), output);
    if output.is_json() {
        output.value(&stats)?;
        return Ok(Exit::Success);
    }
    for state in TaskState::ALL.map(|state| state.to_string()) {
        output.line(&format!("{state:12}{}", stats.tasks.get(&state).unwrap_or(&0)))?;
    }
    for class in WEIGHTS.map(|(priority, _)| priority.to_string()) {
        let count = stats.waiting.get(&class).copied().unwrap_or(0);
        if count > 0 {
            let age = stats.oldest_waiting_secs.get(&class).copied().unwrap_or(0.0);
            output.line(&format!("waiting, {class}: {count}, the oldest for {age:.0} s"))?;
        }
    }
    for (agent_type, count) in &stats.queued_by_type {
        output.line(&format!("queued for {}: {count}", printable(agent_type)))?;
    }
    Ok(Exit::Success)
}

/// Nothing runs in a folder that no host has open.
fn note_left_behind(queue: &QueueBackend, is_leased: bool, output: &Output) {
    if is_leased && matches!(queue, QueueBackend::Local(_)) {
        output.note(
            "no host has this folder open: the last one went down while tasks were claimed or \
             running, and the next one settles them as it starts",
        );
    }
}

/// The tasks that were named, or every dead one.
async fn picked(queue: &QueueBackend, args: &PickArgs) -> anyhow::Result<Vec<TaskId>> {
    if !args.all {
        return Ok(args.ids.clone());
    }
    let mut ids: Vec<TaskId> = Vec::new();
    let dead = Filter::of(Some(TaskState::Dead));
    let (agent_type, reason) = (args.agent_type.clone(), args.reason);
    let mut filter = Filter { agent_type, reason, limit: PAGE, ..dead };
    loop {
        let page = queue.list(filter.clone()).await?;
        let Some(last) = page.last() else { return Ok(ids) };
        filter.after = Some(filter.place(last));
        ids.extend(page.iter().map(|task| task.id));
    }
}

/// Asks whether so many dead letters may go, on standard error and input.
async fn may_purge(count: usize, output: &Output) -> anyhow::Result<()> {
    output.note(&format!("forget {count} dead letters, which cannot be undone? [y/N]"));
    let answer = input::patiently(|| {
        let mut answer = String::new();
        // An answer is one word; a longer one does not count.
        let read = std::io::stdin().lock().take(MOST_ANSWER_BYTES).read_line(&mut answer);
        read.map(|_| answer).map_err(|error| BadInput(format!("standard input: {error}")))
    });
    let answer = answer.await?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    let message = "nothing was purged: the answer was not `y`; --yes purges without asking";
    Err(BadInput(message.into()).into())
}

/// What may be done to tasks: its name, and to which it may.
#[derive(Clone, Copy)]
struct Deed {
    what: &'static str,
    to: &'static str,
}

const BACK: Deed = Deed { what: "back in the queue", to: "dead letters are put back" };
const CANCELLED: Deed = Deed { what: "cancelled", to: "tasks that have not ended are cancelled" };
const PURGED: Deed =
    Deed { what: "purged", to: "tasks that have ended are purged: cancel it first" };
const PURGED_DEAD: Deed = Deed {
    what: "purged",
    to: "dead letters are purged here, and others that have ended by `chimera task purge`",
};

/// Says what was done to which tasks, and to which it could not be done and why.
async fn done(
    queue: &QueueBackend,
    did: Vec<TaskId>,
    asked: &[TaskId],
    Deed { what, to }: Deed,
    output: &Output,
) -> anyhow::Result<Exit> {
    let known: HashSet<&TaskId> = did.iter().collect();
    let others: Vec<&TaskId> = asked.iter().filter(|id| !known.contains(id)).collect();
    if output.is_json() {
        output.value(&json!({ "done": did, "not_done": others }))?;
    } else {
        let plural = if did.len() == 1 { "" } else { "s" };
        output.line(&format!("{} task{plural} {what}", did.len()))?;
        for id in &others {
            match queue.get(**id).await {
                Ok(TaskRecord { state, .. }) => {
                    output.note(&format!("not {what}: task {id} is {state}; only {to}"));
                }
                Err(error) => output.note(&format!("not {what}: {error}")),
            }
        }
    }
    Ok(if others.is_empty() { Exit::Success } else { Exit::BadInput })
}

fn time(time: SystemTime) -> String {
    // A file may hold any number; the form ends with the year 9999.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.min(last)).to_string()
}

/// A text from outside, made safe for a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if chimera_layer4_core::telemetry::is_deceptive(c) { '\u{fffd}' } else { c })
        .collect()
}
