//! `chimera genome`: what is stored, what became of it, what is in charge.

pub(super) mod backend;
mod print;
pub(super) mod rollout;

use std::path::Path;

use chimera_layer4_api::genomes::{AdmittedGenome, BenchTask, Benchmark, BenchmarkRequest};
use chimera_layer4_core::{FabricConfig, JsonText};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::backend::Genomes;
pub(super) use self::print::what_became_of_state;
use super::args::genome::{BenchArgs, GenomeCommand, PushArgs};
use super::exit::{BadInput, Exit};
use super::output::{Output, in_order};
use super::progress::Bar;
use super::{component, input, lines, weights};
use chimera_layer4_fabric::NewGenome;

/// Does what the command says.
pub(super) async fn run(
    config: FabricConfig,
    command: GenomeCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let most = config.components.max_component_bytes();
    let genomes = open(config, &command).await?;
    match &command {
        GenomeCommand::Push(args) => {
            let done = push(&genomes, args, most, *output).await?;
            tell(&done, output, || print::pushed(&done, args.samples, output))?;
        }
        GenomeCommand::List { .. } => {
            let done = genomes.list().await?;
            tell(&done, output, || print::stored(&done, output))?;
        }
        GenomeCommand::Show(args) => {
            let done = genomes.show(genomes.named(&args.genome).await?).await?;
            tell(&done, output, || print::whole(&done, output))?;
        }
        GenomeCommand::History { agent_type, .. } => {
            let done = genomes.history(agent_type).await?;
            tell(&done, output, || print::history(&done, agent_type, output))?;
        }
        GenomeCommand::Diff { from, to, .. } => {
            let (from, to) = (genomes.named(from).await?, genomes.named(to).await?);
            let done = genomes.diff(from, to).await?;
            tell(&done, output, || print::whole(&done, output))?;
        }
        GenomeCommand::Bench(args) => {
            let done = bench(&genomes, args, *output).await?;
            tell(&done, output, || print::benchmark(&done, output))?;
        }
        GenomeCommand::Promote(args) => {
            let genome = genomes.named(&args.genome).await?;
            let done = genomes.host()?.promote_genome(&args.agent_type, genome).await?;
            tell(&done, output, || print::swapped(&done, output))?;
        }
        GenomeCommand::Rollback { agent_type, .. } => {
            let done = genomes.host()?.roll_back_genome(agent_type).await?;
            tell(&done, output, || print::swapped(&done, output))?;
        }
        GenomeCommand::Pin(args) => {
            genomes.pin(genomes.named(&args.genome).await?, true).await?;
            let message = "kept until it is unpinned";
            tell(&json!({ "pinned": true }), output, || Ok(output.line(message)?))?;
        }
        GenomeCommand::Unpin(args) => {
            genomes.pin(genomes.named(&args.genome).await?, false).await?;
            let message = "kept no longer than others";
            tell(&json!({ "pinned": false }), output, || Ok(output.line(message)?))?;
        }
        GenomeCommand::Verify { .. } => {
            let done = genomes.verify().await?;
            tell(&done, output, || print::verified(&done, output))?;
            if !done.findings.is_empty() {
                return Ok(Exit::HostFailed);
            }
        }
        GenomeCommand::Gc(args) => {
            let done = genomes.collect(args).await?;
            tell(&done, output, || print::gone(&done, output))?;
        }
    }
    Ok(Exit::Success)
}

/// Only a push makes a data folder that is not there.
async fn open(config: FabricConfig, command: &GenomeCommand) -> anyhow::Result<Genomes> {
    match command {
        GenomeCommand::Push(_) => Genomes::open(config).await,
        GenomeCommand::List { .. }
        | GenomeCommand::Show(_)
        | GenomeCommand::History { .. }
        | GenomeCommand::Diff { .. }
        | GenomeCommand::Bench(_)
        | GenomeCommand::Promote(_)
        | GenomeCommand::Rollback { .. }
        | GenomeCommand::Pin(_)
        | GenomeCommand::Unpin(_)
        | GenomeCommand::Verify { .. }
        | GenomeCommand::Gc(_) => Genomes::open_to_look(config).await,
    }
}

/// What was done: JSON for a program, or what `show` prints for a reader.
pub(super) fn tell(
    done: &impl Serialize,
    output: &Output,
    show: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if output.is_json() { output.value(&in_order(done)?) } else { show() }
}

async fn push(
    genomes: &Genomes,
    args: &PushArgs,
    most: u64,
    output: Output,
) -> anyhow::Result<AdmittedGenome> {
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

async fn bench(genomes: &Genomes, args: &BenchArgs, output: Output) -> anyhow::Result<Benchmark> {
    let host = genomes.host()?;
    let genome = genomes.named(&args.genome).await?;
    let tasks = match &args.tasks {
        None => Vec::new(),
        Some(file) => read_tasks("--tasks", file).await?,
    };
    let weights = weights::read(&args.weight)?;
    let bar = Bar::new(output, "running tasks on both");
    let agent_type = args.agent_type.clone();
    let wanted = BenchmarkRequest { agent_type, genome, tasks, weights };
    let done = host.benchmark_genome(&wanted).await;
    drop(bar);
    Ok(done?)
}

const TASK: &str = "a line is like {\"payload\": …, \"expected\": …}";

/// A line of a file of tasks. A key that is not known may be a mistyped `expected`,
/// without which an output is not judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let wrong = |message: String| BadInput(format!("{name}, line {}: {message}", index + 1));
        let Line { payload, expected } =
            lines::object(line.as_bytes()).map_err(|why| wrong(format!("{why}; {TASK}")))?;
        let payload = payload.ok_or_else(|| wrong(format!("there is no `payload`; {TASK}")))?;
        Ok(BenchTask { payload, expected })
    };
    numbered.map(read).collect()
}
