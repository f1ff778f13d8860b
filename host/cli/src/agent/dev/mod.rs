//! `chimera agent dev`: from a saved file to a running agent, again and again.
//!
//! Each round builds what is there, checks it and swaps it in. A failure is
//! reported, and the last good agent keeps running.

mod failed;
mod report;
mod sources;
mod stage;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Instant;

use chimera_layer4_core::FabricConfig;

use self::failed::Failed;
use self::report::Reporter;
use self::sources::Sources;
use self::stage::Stage;
use crate::args::agent::DevArgs;
use crate::exit::{BadInput, Exit};
use crate::output::Output;
use crate::{component, task};
use chimera_layer4_toolchain as toolchain;
use chimera_layer4_toolchain::BuildError;

const BUILD: &str = "build";

/// Runs until `interrupted`, and shuts down gracefully then.
pub(crate) async fn run(
    config: FabricConfig,
    args: DevArgs,
    output: &Output,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    let mut interrupted = pin!(interrupted);
    // What was mistyped is reported before anything is built.
    match args.task.as_deref() {
        // Standard input can be read once, and each version is to have the task.
        Some("-") => {
            let message = "--task is -, and dev runs the task again and again; give JSON or @FILE";
            return Err(BadInput(message.into()).into());
        }
        Some(typed) => tokio::select! {
            biased;
            () = &mut interrupted => return Ok(Exit::Interrupted),
            payload = task::payload(typed) => drop(payload?),
        },
        None => {}
    }
    let most = config.components.max_component_bytes();
    let mut sources = Sources::watch(&args.folder)?;
    let mut stage = Stage::open(config, &args).await?;
    let reporter = Reporter::new(*output);
    reporter.watching(&args.folder)?;
    let ended = tokio::select! {
        biased;
        () = &mut interrupted => Ok(()),
        failed = rounds(&args, most, &mut sources, &mut stage, &reporter, output) => failed,
    };
    stage.close().await?;
    ended?;
    output.note("ended in good order");
    Ok(Exit::Success)
}

/// One round for each change, until a report cannot be written or no round can succeed.
async fn rounds(
    args: &DevArgs,
    most: u64,
    sources: &mut Sources,
    stage: &mut Stage,
    reporter: &Reporter,
    output: &Output,
) -> anyhow::Result<()> {
    let mut is_first = true;
    loop {
        sources.follow(outside(&args.folder).await);
        // Looked at before the build: what changes meanwhile is for the next one.
        let mut built_from = sources.look()?;
        if let Err(Failed { during, error }) = round(args, most, stage, reporter, output).await {
            // Without a project at the start, the command was run in the wrong folder.
            let not_a_project = matches!(error.downcast_ref(), Some(BuildError::NotAProject(_)));
            if is_first && not_a_project {
                return Err(error);
            }
            reporter.failed(during, &error, stage.running())?;
        }
        is_first = false;
        sources.pass_over_locks(&mut built_from)?;
        let changed = sources.change(&built_from).await?;
        reporter.changed(&changed)?;
    }
}

/// Found anew each time, since a manifest may name others now.
async fn outside(folder: &Path) -> Option<Vec<PathBuf>> {
    let folder = folder.to_path_buf();
    tokio::task::spawn_blocking(move || toolchain::outside(&folder)).await.ok().flatten()
}

async fn round(
    args: &DevArgs,
    most: u64,
    stage: &mut Stage,
    reporter: &Reporter,
    output: &Output,
) -> Result<(), Failed> {
    let began = Instant::now();
    let built = component::build(&args.folder, *output).await.map_err(Failed::during(BUILD))?;
    let component = component::read(&built, most, *output).await;
    let component = component.map_err(Failed::during(BUILD))?;
    let bytes = component.bytes.len() as u64;
    reporter.built(began.elapsed(), bytes).map_err(Failed::during("report"))?;

    let put = Box::pin(stage.put(component)).await?;
    reporter.put(&put).map_err(Failed::during("report"))?;
    let Some(typed) = &args.task else { return Ok(()) };
    // Read again, since a file of tasks may have changed too.
    let payload = task::payload(typed).await.map_err(Failed::during("run"))?;
    let ran = Box::pin(stage.run(payload)).await.map_err(Failed::during("run"))?;
    reporter.ran(&ran).map_err(Failed::during("report"))
}
