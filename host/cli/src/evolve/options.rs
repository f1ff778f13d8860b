//! From what was typed to an evolution's options.

use std::path::PathBuf;
use std::time::Duration;

use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::genome::Axis;

use crate::args::evolve::EvolveArgs;
use crate::exit::BadInput;
use crate::{genome, task, weights};
use chimera_layer4_evolution::{EvolutionOptions, Feature, Generator, folder_in};
use chimera_layer4_fabric::BenchTask;

/// Everything but the start's component, which is read when the rest is known
/// to be in order.
pub(super) async fn options(
    config: &FabricConfig,
    args: &EvolveArgs,
) -> anyhow::Result<EvolutionOptions> {
    let folder = config.data_dir.as_deref().map(folder_in);
    let folder =
        folder.ok_or_else(|| BadInput("there is no data folder; give --data-dir".into()))?;
    let axes: Result<Vec<Feature>, BadInput> = args.axis.iter().map(|typed| axis(typed)).collect();
    Ok(EvolutionOptions {
        agent_type: args.agent_type.clone(),
        start: Vec::new().into(),
        generator: generator(args)?,
        generator_timeout: seconds("--generator-timeout", args.generator_timeout)?,
        tasks: genome::read_tasks("--tasks", &args.tasks).await?,
        held_out: held_out(args).await?,
        generations: args.generations,
        population: args.population,
        elites: args.elites,
        seed: args.seed,
        weights: weights::read(&args.weight)?,
        objective: args.objective.clone(),
        axes: axes?,
        cpu_budget: match args.cpu_budget {
            None => None,
            Some(budget) => Some(seconds("--cpu-budget", budget)?),
        },
        folder,
        quota: task::quota(&config.default_resource_quota, &args.quota)?,
        anew: args.fresh,
    })
}

/// Paths are made absolute: the same command given elsewhere is another one.
fn generator(args: &EvolveArgs) -> Result<Generator, BadInput> {
    if let Some(folder) = &args.candidates {
        let found = folder.canonicalize().and_then(|found| found.read_dir().map(|_| found));
        let wrong = |error| BadInput(format!("--candidates {}: {error}", folder.display()));
        return found.map(Generator::Folder).map_err(wrong);
    }
    let mut command = args.command.clone();
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        let found = PathBuf::from(&**program).canonicalize();
        let found = found.map_err(|error| BadInput(format!("--command {program}: {error}")))?;
        *program = found.into_os_string().into_string().map_err(|path| {
            BadInput(format!("--command {}: the path is not UTF-8", path.display()))
        })?;
    }
    command.extend(args.arguments.iter().cloned());
    Ok(Generator::Command(command))
}

/// Tasks that were trained on say nothing of others.
async fn held_out(args: &EvolveArgs) -> anyhow::Result<Vec<BenchTask>> {
    let Some(file) = &args.held_out else { return Ok(Vec::new()) };
    let is_same = file.canonicalize().ok().zip(args.tasks.canonicalize().ok());
    if is_same.is_some_and(|(one, other)| one == other) {
        let message =
            format!("--held-out {}: it is the file of --tasks; give others", file.display());
        return Err(BadInput(message).into());
    }
    genome::read_tasks("--held-out", file).await
}

fn seconds(flag: &str, typed: f64) -> Result<Duration, BadInput> {
    Duration::try_from_secs_f64(typed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| BadInput(format!("{flag} is {typed}; allowed is a number above 0")))
}

/// `NAME=POINTER:LOW..HIGH/CELLS`, read from its end: a pointer may hold anything.
fn axis(typed: &str) -> Result<Feature, BadInput> {
    let parts = || {
        let (name, rest) = typed.split_once('=')?;
        let (pointer, range) = rest.rsplit_once(':')?;
        let (range, cells) = range.rsplit_once('/')?;
        let (low, high) = range.split_once("..")?;
        let (low, high) = (low.parse().ok()?, high.parse().ok()?);
        let axis = Axis { name: name.to_owned(), low, high, cells: cells.parse().ok()? };
        Some(Feature { axis, pointer: pointer.to_owned() })
    };
    parts().ok_or_else(|| {
        let form = "NAME=POINTER:LOW..HIGH/CELLS, as in fill=/fill_variance:0..0.1/5";
        BadInput(format!("--axis {typed}: it is given as {form}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_read_from_its_end() {
        let read = axis("a=/x:y/z:-1..2.5/4").unwrap();
        assert_eq!(read.pointer, "/x:y/z");
        assert_eq!(read.axis, Axis { name: "a".into(), low: -1.0, high: 2.5, cells: 4 });
        for typed in ["a", "a=/x", "a=/x:1..2", "a=/x:1-2/3", "a=/x:1..2/x"] {
            assert!(axis(typed).is_err(), "{typed}");
        }
    }
}
