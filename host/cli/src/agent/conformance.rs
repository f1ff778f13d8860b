//! `chimera agent check --run`: a component driven through the contract.

use std::path::Path;

use chimera_layer4_core::{FabricConfig, FabricResult, InstancePolicy, ResourceQuota, Task};

use crate::args::agent::CheckArgs;
use crate::component::Component;
use crate::exit::BadInput;
use crate::output::Output;
use crate::{input, lines, progress, task};
use chimera_layer4_conformance as conformance;
use chimera_layer4_conformance::{Options, Report, Sample, Verdict};
use chimera_layer4_fabric::{Fabric, utils};

/// Seconds for each call, unless they are given: the user waits that long for a
/// call that hangs.
const CALL_SECS: u64 = 10;

/// What was typed. The time for a task is that for every other call too.
pub(super) async fn options(
    config: &mut FabricConfig,
    args: &CheckArgs,
) -> anyhow::Result<Options> {
    let defaults = &config.default_resource_quota;
    let max_execution_time_secs = defaults.max_execution_time_secs.min(CALL_SECS);
    let defaults = ResourceQuota { max_execution_time_secs, ..defaults.clone() };
    let quota = task::quota(&defaults, &args.quota)?;
    config.agent_timeout_secs = quota.max_execution_time_secs;
    let agent = task::agent("checked", quota, &args.grants, InstancePolicy::default())?;
    let mut options = Options::new(agent);
    for typed in &args.task {
        let sample = Sample::new(task::payload(typed).await?);
        check(&sample).map_err(|wrong| BadInput(format!("--task: {wrong}")))?;
        options.samples.push(sample);
    }
    if let Some(path) = &args.tasks {
        let path = path.clone();
        options.samples.extend(input::patiently(move || samples(&path)).await?);
    }
    for typed in &args.bad_param {
        options.bad_parameters.push(task::parameter("--bad-param", typed)?);
    }
    Ok(options)
}

fn samples(path: &Path) -> Result<Vec<Sample>, BadInput> {
    let name = format!("--tasks {}", path.display());
    let text = input::all(input::open(path, &name)?, &name)?;
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (u32, &str)| {
        let wrong = |message: String| BadInput(format!("{name}, line {number}: {message}"));
        let sample = lines::object(line.as_bytes()).map_err(|why| {
            let form = "{\"payload\": …, \"type\": …, \"metadata\": {…}, \"expect\": …}";
            wrong(format!("{why}; a line is like {form}"))
        })?;
        check(&sample).map_err(wrong)?;
        Ok(sample)
    };
    numbered.map(read).collect()
}

/// Holds a sample to the rules for every task: what no agent is ever handed says
/// nothing about an agent.
fn check(sample: &Sample) -> Result<(), String> {
    let Sample { payload, metadata, .. } = sample;
    let made = utils::task_for("checked", payload.clone());
    let wrong = Task { metadata: metadata.clone(), ..made }.complaints();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Runs the checks, with a progress bar.
pub(super) async fn run(
    fabric: &Fabric,
    component: &Component,
    options: &Options,
    output: Output,
) -> FabricResult<Report> {
    let _bar = progress::Bar::new(output, &format!("checking {}", component.name));
    conformance::check(fabric, &component.bytes, options).await
}

/// The table, and how many lines came out how.
pub(super) fn print(report: &Report, output: &Output) -> std::io::Result<()> {
    for line in &report.lines {
        output.line(&format!("{:8}  {:14}  {}", line.verdict, line.check, line.reason))?;
    }
    let count = |verdict| format!("{} {verdict}", report.count(verdict));
    let counts = [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::NotSeen].map(count);
    let (tasks, seconds) = (report.tasks, report.seconds);
    output.line(&format!("{} · {tasks} tasks in {seconds:.1} s", counts.join(" · ")))
}
