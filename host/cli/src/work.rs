//! `chimera work …`: a host without a server, that works off its queue.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use chimera_layer4_api::tasks::labels;
use chimera_layer4_core::scheduler::{SchedulerStats, Submission, SubmitOptions, TaskState};
use chimera_layer4_core::{
    AgentConfig, ExecutionResult, FabricConfig, FabricError, FabricResult, InstancePolicy,
    JsonText, Priority, ResourceQuota, Task, TaskId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::args::WorkArgs;
use super::exit::{BadInput, Exit, despite_agents};
use super::lines::{self, Lines};
use super::output::Output;
use super::{component, input, task};
use chimera_layer4_fabric::{AgentSource, Fabric, utils};

/// Tasks of the input that are waited for at once.
const MOST_WAITED_FOR: usize = 4096;
/// One line of the input: as much as a task may have.
const MOST_LINE_BYTES: usize = chimera_layer4_core::scheduler::submission::MOST_TASK_BYTES;
/// Lines that are submitted together.
const MOST_AT_ONCE: usize = 256;
/// Before a queue that was full is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often an empty queue is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// One line of `--tasks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    payload: JsonText,
    #[serde(default, rename = "type")]
    agent_type: Option<String>,
    id: Option<TaskId>,
    #[serde(default)]
    priority: Priority,
    key: Option<String>,
    /// Seconds from now.
    deadline: Option<u64>,
    /// Seconds from now.
    delay: Option<u64>,
    attempts: Option<u32>,
    #[serde(default, deserialize_with = "labels")]
    metadata: BTreeMap<String, String>,
}

/// What was done, for the last line and the exit code.
#[derive(Debug, Default)]
struct Tally {
    submitted: u64,
    refused: u64,
    succeeded: u64,
    failed: u64,
    /// By the first task that failed.
    failure: Option<Exit>,
}

impl Tally {
    /// What failed counts before what was refused: its agent had it.
    fn exit(&self) -> Exit {
        let refused = (self.refused > 0).then_some(Exit::BadInput);
        self.failure.or(refused).unwrap_or(Exit::Success)
    }
}

/// What every line has in common.
struct Terms<'a> {
    /// The agent type, where there is one only.
    only: Option<&'a str>,
    quota: &'a ResourceQuota,
    output: &'a Output,
}

/// Runs what the queue holds, and what the input adds, until nothing is left.
pub(super) async fn run(
    config: FabricConfig,
    args: WorkArgs,
    output: &Output,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    let quota = task::quota(&config.default_resource_quota, &args.quota)?;
    let agents = agents(&args, &quota, &config, output).await?;
    let only = match agents.as_slice() {
        [(only, ..)] => Some(only.clone()),
        _ => None,
    };
    let fabric = Fabric::new(config)?;
    // First the folder: where another host has it, no agent starts.
    fabric.open().await?;
    let terms = Terms { only: only.as_deref(), quota: &quota, output };
    let mut tally = Tally::default();
    let worked = tokio::select! {
        biased;
        () = interrupted => None,
        worked = work(&fabric, agents, &args, &terms, &mut tally) => Some(worked),
    };
    if worked.is_none() {
        output
            .note("ending: what runs may finish, the rest stays queued; once more to end at once");
    }
    let left = fabric.tasks().stats().await.ok();
    let ended = fabric.shutdown().await;
    let Some(worked) = worked else { return Ok(Exit::Interrupted) };
    worked?;
    despite_agents(ended)?;
    summarize(left, &tally, &args, output);
    Ok(tally.exit())
}

async fn work(
    fabric: &Fabric,
    agents: Vec<NamedAgent>,
    args: &WorkArgs,
    terms: &Terms<'_>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    start_agents(fabric, agents).await?;
    fabric.start().await?;
    match &args.tasks {
        None => {}
        Some(path) if path.as_os_str() == "-" => {
            feed(fabric, tokio::io::stdin(), terms, tally).await?;
        }
        Some(path) => {
            let (path, name) = (path.clone(), format!("--tasks {}", path.display()));
            let file = input::patiently(move || input::open(&path, &name)).await?;
            feed(fabric, tokio::fs::File::from_std(file), terms, tally).await?;
        }
    }
    until_empty(fabric, args.keep_running).await
}

/// Notes the tasks that stay in the queue, and what was done with the input.
fn summarize(left: Option<SchedulerStats>, tally: &Tally, args: &WorkArgs, output: &Output) {
    if let Some(left) = left.filter(|left| !left.queued_by_type.is_empty()) {
        for (agent_type, count) in &left.queued_by_type {
            output.note(&format!("{count} tasks wait for {agent_type:?}, which has no --agent"));
        }
    }
    if !output.is_json() && args.tasks.is_some() {
        let Tally { submitted, refused, succeeded, failed, .. } = tally;
        output.note(&format!(
            "submitted {submitted} · refused {refused} · succeeded {succeeded} · failed {failed}"
        ));
    }
}

type NamedAgent = (String, Vec<u8>, AgentConfig);

async fn agents(
    args: &WorkArgs,
    quota: &ResourceQuota,
    config: &FabricConfig,
    output: &Output,
) -> anyhow::Result<Vec<NamedAgent>> {
    let (agents_given, most) = (args.agent.len(), config.max_agents);
    if agents_given > most {
        let message = format!("--agent is given {agents_given} times, and `max_agents` is {most}");
        return Err(BadInput(format!("{message}; set LAYER4_MAX_AGENTS={agents_given}")).into());
    }
    let mut agents: Vec<NamedAgent> = Vec::new();
    for typed in &args.agent {
        let (name, path) = match typed.split_once('=') {
            Some((name, path)) => (Some(name.to_owned()), PathBuf::from(path)),
            None => (None, PathBuf::from(typed)),
        };
        let component =
            component::read(&path, config.components.max_component_bytes(), *output).await?;
        let name = name.unwrap_or(component.name);
        if agents.iter().any(|(other, ..)| *other == name) {
            return Err(BadInput(format!("--agent {name:?} is given twice; give it once")).into());
        }
        let agent = task::agent(&name, quota.clone(), &args.grants, InstancePolicy::default())?;
        agents.push((name, component.bytes, agent));
    }
    Ok(agents)
}

/// Starts an agent of each type, before any task is claimed. A task that is claimed
/// again and again for an agent that cannot start ends as a dead letter.
///
/// # Errors
/// What the first one failed with, as `run` and `serve` have it.
async fn start_agents(fabric: &Fabric, agents: Vec<NamedAgent>) -> anyhow::Result<()> {
    for (name, bytes, agent) in agents {
        tracing::debug!(agent_type = name, bytes = bytes.len(), "an agent type is registered");
        fabric.agents().register(&name, AgentSource::Bytes(bytes.into()), agent)?;
        let started = fabric.agents().start_registered(&name).await;
        started.with_context(|| format!("--agent {name}"))?;
    }
    Ok(())
}

/// Submits each line and prints each result, in the order in which tasks end.
async fn feed(
    fabric: &Fabric,
    input: impl AsyncRead + Unpin,
    terms: &Terms<'_>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut lines = Lines::new(input, MOST_LINE_BYTES);
    let mut waiting: JoinSet<FabricResult<ExecutionResult>> = JoinSet::new();
    let (mut number, mut open) = (0_u64, true);
    // Lines that the queue had no room for, and when to try again.
    let (mut left, mut again) = (Vec::new(), Instant::now());
    while open || !waiting.is_empty() || !left.is_empty() {
        let reads = open && left.is_empty() && waiting.len() < MOST_WAITED_FOR;
        tokio::select! {
            read = lines.read(), if reads => {
                open = read?;
                loop {
                    number += 1;
                    match submission(lines.take(), terms) {
                        Ok(None) => {}
                        Ok(Some(submission)) => left.push((number, submission)),
                        Err(reason) => refuse(number, &reason, terms.output, tally)?,
                    }
                    // What is here already is submitted together.
                    if left.len() >= MOST_AT_ONCE || !lines.has_next() {
                        break;
                    }
                    lines.read().await?;
                }
                again = take(fabric, &mut left, &mut waiting, terms, tally).await?;
            }
            () = sleep_until(again), if !left.is_empty() => {
                again = take(fabric, &mut left, &mut waiting, terms, tally).await?;
            }
            Some(ended) = waiting.join_next() => report(ended??, terms.output, tally)?,
        }
    }
    Ok(())
}

/// Submits lines. Those that there is no room for stay, until the time that is
/// the answer: the input can wait too.
async fn take(
    fabric: &Fabric,
    left: &mut Vec<(u64, Submission)>,
    waiting: &mut JoinSet<FabricResult<ExecutionResult>>,
    terms: &Terms<'_>,
    tally: &mut Tally,
) -> anyhow::Result<Instant> {
    let batch = left.iter().map(|(_, submission)| submission.clone()).collect();
    let answers = fabric.tasks().submit_tracked(batch).await?;
    let mut wait = Duration::ZERO;
    for ((line, submission), answer) in std::mem::take(left).into_iter().zip(answers) {
        match answer {
            Ok(task) => {
                tally.submitted += 1;
                let id = task.id();
                event(terms.output, &json!({ "event": "submitted", "line": line, "task_id": id }))?;
                waiting.spawn(task.result());
            }
            Err(FabricError::QueueFull { retry_after, .. }) => {
                wait = retry_after.min(LONGEST_WAIT);
                left.push((line, submission));
            }
            Err(error) => refuse(line, &error.to_string(), terms.output, tally)?,
        }
    }
    Ok(Instant::now() + wait)
}

fn refuse(line: u64, reason: &str, output: &Output, tally: &mut Tally) -> anyhow::Result<()> {
    tally.refused += 1;
    if !output.is_json() {
        output.note(&format!("line {line}: {reason}"));
    }
    event(output, &json!({ "event": "refused", "line": line, "error": reason }))
}

/// What a line asks for; nothing where it is blank.
fn submission(
    line: Result<Vec<u8>, String>,
    terms: &Terms<'_>,
) -> Result<Option<Submission>, String> {
    if line.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
        return Ok(None);
    }
    let line: Line = line.and_then(|text| lines::object(&text)).map_err(|why| {
        format!("not a task: {why}; a line is an object like {{\"payload\": …, \"type\": \"…\"}}")
    })?;
    let agent_type = line.agent_type.as_deref().or(terms.only);
    let agent_type = agent_type.ok_or("\"type\" is missing, and there are several agents")?;
    let now = SystemTime::now();
    let from_now =
        |secs| now.checked_add(Duration::from_secs(secs)).ok_or("no clock reaches that far");
    let deadline = line.deadline.map(from_now).transpose()?;
    let not_before = line.delay.map(from_now).transpose()?;
    let made = utils::task_for(agent_type, line.payload);
    let id = line.id.unwrap_or(made.id);
    let (priority, resource_quota) = (line.priority, terms.quota.clone());
    let metadata = line.metadata;
    let task = Task { id, priority, deadline, resource_quota, metadata, ..made };
    let options =
        SubmitOptions { idempotency_key: line.key, not_before, max_attempts: line.attempts };
    Ok(Some(Submission { task, options }))
}

/// A task that ended, for a program.
#[derive(Serialize)]
struct Ended<'a> {
    event: &'static str,
    result: &'a ExecutionResult,
}

/// A task that succeeded.
#[derive(Serialize)]
struct Done<'a> {
    output: &'a JsonText,
    task_id: TaskId,
}

fn report(result: ExecutionResult, output: &Output, tally: &mut Tally) -> anyhow::Result<()> {
    if result.success {
        tally.succeeded += 1;
    } else {
        tally.failed += 1;
        let failure = result.fault.as_ref().map_or(Exit::AgentFailed, Exit::of_fault);
        tally.failure.get_or_insert(failure);
    }
    if output.is_json() {
        let ended = Ended { event: "ended", result: &result };
        return Ok(output.line(&serde_json::to_string(&ended)?)?);
    }
    let id = result.task_id;
    match &result.error {
        None => {
            output.line(&serde_json::to_string(&Done { task_id: id, output: &result.output })?)?
        }
        Some(error) => output.line(&json!({ "task_id": id, "error": error }).to_string())?,
    }
    Ok(())
}

fn event(output: &Output, event: &Value) -> anyhow::Result<()> {
    if output.is_json() {
        output.line(&event.to_string())?;
    }
    Ok(())
}

/// Waits until nothing is left that could be run.
async fn until_empty(fabric: &Fabric, keep_running: bool) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let stats = fabric.tasks().stats().await?;
        let runnable = |(name, _): &&(String, u64)| fabric.agents().knows_type(name);
        let leased = stats.count(TaskState::Claimed) + stats.count(TaskState::Running);
        let left = leased > 0
            || stats.active_tasks > 0
            || stats.queued_by_type.iter().any(|one| runnable(&one));
        if !left && !keep_running {
            return Ok(());
        }
    }
}
