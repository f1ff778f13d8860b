//! `chimera genome`: what is stored, what became of it, what is in charge.

pub(super) mod args;
pub(super) mod backend;
pub(super) mod rollout;

use std::path::Path;

use chimera_layer4_core::genome::lineage::SAMPLE;
use chimera_layer4_core::{Digest, JsonText, Layer4Config};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::args::{BenchArgs, GenomeCommand, PushArgs};
use self::backend::Genomes;
use super::backend::encoded;
use super::client::JSON;
use super::exit::{BadInput, Exit};
use super::output::Output;
use super::progress::Bar;
use super::{component, input, task, weights};
use chimera_layer4_fabric::fabric::{BenchTask, NewGenome};

/// Does what the command says.
pub(super) async fn run(
    config: Layer4Config,
    command: GenomeCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let most = config.max_component_bytes();
    let genomes = match &command {
        GenomeCommand::Push(_) => Genomes::open(config).await?,
        _ => Genomes::open_to_look(config).await?,
    };
    let done = match &command {
        GenomeCommand::Push(args) => push(&genomes, args, most, *output).await?,
        GenomeCommand::List { .. } => genomes.list().await?,
        GenomeCommand::Show(args) => genomes.show(genomes.named(&args.genome).await?).await?,
        GenomeCommand::History { agent_type, .. } => genomes.history(agent_type).await?,
        GenomeCommand::Diff { from, to, .. } => {
            let (from, to) = (genomes.named(from).await?, genomes.named(to).await?);
            genomes.diff(from, to).await?
        }
        GenomeCommand::Bench(args) => bench(&genomes, args, *output).await?,
        GenomeCommand::Promote(args) => {
            let genome = genomes.named(&args.genome).await?;
            let path = format!("/v1/agent-types/{}/genome", encoded(&args.agent_type));
            genomes.host()?.ask("PUT", &path, Some(json!({ "genome": genome }))).await?
        }
        GenomeCommand::Rollback { agent_type, .. } => {
            let path = format!("/v1/agent-types/{}/rollback", encoded(agent_type));
            genomes.host()?.ask("POST", &path, None).await?
        }
        GenomeCommand::Pin(args) => {
            genomes.pin(genomes.named(&args.genome).await?, true).await?;
            json!({ "pinned": true })
        }
        GenomeCommand::Unpin(args) => {
            genomes.pin(genomes.named(&args.genome).await?, false).await?;
            json!({ "pinned": false })
        }
        GenomeCommand::Verify { .. } => genomes.verify().await?,
        GenomeCommand::Gc(args) => genomes.collect(args).await?,
    };
    if output.is_json() {
        output.value(&done)?;
    } else {
        print(&command, &done, output)?;
    }
    let damaged = matches!(command, GenomeCommand::Verify { .. })
        && done.get("findings").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    Ok(if damaged { Exit::HostFailed } else { Exit::Success })
}

async fn push(
    genomes: &Genomes,
    args: &PushArgs,
    most: u64,
    output: Output,
) -> anyhow::Result<Value> {
    let brought = match args.component.to_str().and_then(|typed| typed.strip_prefix("oci:")) {
        Some(named) => from_layout(named, most)?,
        None => backend::new_genome(component::read(&args.component, most, output).await?.bytes),
    };
    let parent = match &args.parent {
        Some(typed) => Some(genomes.named(typed).await?),
        None => None,
    };
    let bar = Bar::new(output, "checking");
    let new = NewGenome {
        author: if args.author.is_empty() { brought.author.clone() } else { args.author.clone() },
        parent,
        agent_type: args.agent_type.clone(),
        allow: args.allow.clone(),
        recorded_samples: args.samples,
        ..brought
    };
    let pushed = genomes.push(new).await;
    drop(bar);
    pushed
}

/// A genome of an OCI layout, as other tools write one. What is named as a whole
/// may be a folder with a colon in its name.
fn from_layout(named: &str, most: u64) -> Result<NewGenome, BadInput> {
    let (folder, reference) = match named.split_once(':') {
        Some((folder, reference)) if !Path::new(named).is_dir() => (folder, Some(reference)),
        _ => (named, None),
    };
    NewGenome::of_layout(Path::new(folder), reference, most)
        .map_err(|error| BadInput(error.to_string()))
}

async fn bench(genomes: &Genomes, args: &BenchArgs, output: Output) -> anyhow::Result<Value> {
    let host = genomes.host()?;
    let genome = genomes.named(&args.genome).await?;
    let tasks = match &args.tasks {
        None => Vec::new(),
        Some(file) => read_tasks("--tasks", file).await?,
    };
    let weights = weights::read(&args.weight)?;
    let bar = Bar::new(output, "running tasks on both");
    let agent_type = &args.agent_type;
    let body = serde_json::to_vec(&Bench { agent_type, genome, tasks, weights })?;
    let done = host.ask_with("POST", "/v1/benchmarks", JSON, body).await;
    drop(bar);
    done
}

const TASK: &str = "a line is like {\"payload\": …, \"expected\": …}";

/// What the API takes to hold a genome against the one in charge.
#[derive(Serialize)]
struct Bench<'a, W> {
    agent_type: &'a str,
    genome: Digest,
    tasks: Vec<BenchTask>,
    weights: W,
}

/// A line of a file of tasks. Another program may say more of each.
#[derive(Deserialize)]
struct Line {
    payload: Option<JsonText>,
    expected: Option<JsonText>,
}

/// The tasks of a file, one to a line: what a benchmark takes of each. `flag` is
/// what named the file.
pub(super) async fn read_tasks(flag: &str, file: &Path) -> anyhow::Result<Vec<BenchTask>> {
    let (name, file) = (format!("{flag} {}", file.display()), file.to_path_buf());
    input::patiently(move || tasks(&name, &file)).await
}

fn tasks(name: &str, file: &Path) -> Result<Vec<BenchTask>, BadInput> {
    let text = input::all(input::open(file, name)?, name)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let wrong = |words: String| BadInput(format!("{name}, line {}: {words}", index + 1));
        let Line { payload, expected } = serde_json::from_str(line)
            .map_err(|error| wrong(format!("{}; {TASK}", task::in_line(&error))))?;
        let payload = payload.ok_or_else(|| wrong(format!("there is no `payload`; {TASK}")))?;
        Ok(BenchTask { payload, expected })
    };
    lines.map(read).collect()
}

fn print(command: &GenomeCommand, done: &Value, output: &Output) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match command {
        GenomeCommand::Push(args) => {
            output.line(&text(&done["genome"]))?;
            let new = if done["new"] == true { "admitted and stored" } else { "stored already" };
            let contract = done.pointer("/report/contract").unwrap_or(&Value::Null);
            output.note(&format!("{new} · chimera:agent@{}", text(contract)));
            let smoke =
                done.pointer("/report/smoke").and_then(Value::as_array).into_iter().flatten();
            let is_sample = |step: &&Value| text(&step["what"]).starts_with(SAMPLE);
            let tried = smoke.filter(is_sample).count();
            if let Some(note) = done["note"].as_str() {
                output.note(&format!("note: {note}"));
            }
            if tried < args.samples {
                let asked = args.samples;
                output
                    .note(&format!("{tried} of {asked} samples were tried: no more are recorded"));
            }
        }
        GenomeCommand::List { .. } => {
            for one in done.as_array().into_iter().flatten() {
                let active = one["active_for"].as_array().into_iter().flatten().map(text);
                let active: Vec<String> = active.collect();
                let (genome, bytes) = (text(&one["genome"]), &one["bytes"]);
                output.line(format!("{genome}  {bytes:>10}  {}", active.join(", ")).trim_end())?;
            }
        }
        GenomeCommand::History { agent_type, .. } => {
            let tree = text(&done["tree"]);
            if tree.is_empty() {
                output.note(&format!("nothing is recorded of {agent_type}"));
            } else {
                output.line(tree.trim_end())?;
            }
        }
        GenomeCommand::Promote(_) | GenomeCommand::Rollback { .. } => {
            output.line(&format!(
                "{} agents of {} run {}; tasks waited {} µs",
                done["agents"].as_array().map_or(0, Vec::len),
                text(&done["agent_type"]),
                text(&done["to"]),
                done["switch_micros"]
            ))?;
            output.note(&what_became_of_state(&done["state"]));
            let behind = done["behind"].as_array().map_or(0, Vec::len);
            if behind > 0 {
                output.note(&format!(
                    "{behind} more did not start with it and go on with what they ran; the log says \
                     why, and promoting it again tries these again"
                ));
            }
        }
        GenomeCommand::Verify { .. } => {
            output.line(&format!("{} genomes, {} bytes", done["genomes"], done["bytes"]))?;
            for finding in done["findings"].as_array().into_iter().flatten() {
                output.note(&text(finding));
            }
        }
        GenomeCommand::Gc(_) => {
            let removed = done["removed"].as_array().map_or(0, Vec::len);
            output
                .line(&format!("{removed} genomes removed, {} bytes freed", done["freed_bytes"]))?;
        }
        GenomeCommand::Bench(_) => print_benchmark(done, output)?,
        GenomeCommand::Pin(_) => output.line("kept until it is unpinned")?,
        GenomeCommand::Unpin(_) => output.line("kept no longer than others")?,
        GenomeCommand::Show(_) | GenomeCommand::Diff { .. } => {
            output.line(&serde_json::to_string_pretty(done)?)?;
        }
    }
    Ok(())
}

pub(crate) fn what_became_of_state(state: &Value) -> String {
    match state["why"].as_str() {
        Some(why) => format!("their state began anew: {why}"),
        None => format!(
            "{} bytes of state were carried over; no task began for {} µs meanwhile",
            state["bytes"], state["paused_micros"]
        ),
    }
}

fn print_benchmark(done: &Value, output: &Output) -> anyhow::Result<()> {
    let comparison = &done["comparison"];
    output.line(&format!("{} runs of each", comparison["pairs"]))?;
    for measure in ["success", "agreement", "latency", "cpu", "memory"] {
        let of = &comparison[measure];
        let answer = of["answer"].as_str().unwrap_or("not measured").replace('-', " ");
        let interval = if of["ratio"].is_null() { &of["difference"] } else { &of["ratio"] };
        let range = match (interval["low"].as_f64(), interval["high"].as_f64()) {
            (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
            _ => String::new(),
        };
        output.line(format!("{measure:10} {answer:12} {range}").trim_end())?;
    }
    let fitness = &done["fitness"];
    match fitness["disqualified"].as_str() {
        Some(why) => output.line(&format!("disqualified: {why}"))?,
        None => output.line(&format!(
            "score {:.4}, where the one in charge has 0.5",
            fitness["score"].as_f64().unwrap_or_default()
        ))?,
    }
    Ok(())
}
