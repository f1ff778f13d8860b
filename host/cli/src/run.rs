//! `chimera run`: one agent, one task, no server.

use std::time::{Duration, Instant};

use chimera_layer4_core::telemetry::LogLevel;
use chimera_layer4_core::{
    AgentConfig, ExecutionResult, FabricConfig, FabricError, InstancePolicy, RunTelemetry, Task,
};
use serde::Serialize;

use super::args::RunArgs;
use super::exit::Exit;
use super::output::Output;
use super::{component, task};
use chimera_layer4_fabric::{Fabric, utils};
use chimera_layer4_runtime::RunReport;
use chimera_layer4_runtime::genome::Loading;

/// What the task really cost.
#[derive(Debug, Serialize)]
struct Cost {
    wall_seconds: f64,
    cpu_seconds: f64,
    memory_peak_mb: f64,
    /// Both ways; absent without a grant for HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_bytes: Option<[u64; 2]>,
    /// Absent when the compiled code was in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    compile_seconds: Option<f64>,
    load_seconds: f64,
    /// Instantiating and initialising the agent.
    instantiate_seconds: f64,
    cache_hit: bool,
}

/// Wall time of many runs.
#[derive(Debug, Serialize)]
struct Spread {
    tasks: usize,
    failed: usize,
    p50_seconds: f64,
    p99_seconds: f64,
    max_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    result: &'a ExecutionResult,
    cost: &'a Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<&'a Spread>,
    telemetry: &'a RunTelemetry,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_error: Option<String>,
}

/// The runs of a task on one agent.
struct Runs {
    /// Of each, in their order.
    walls: Vec<Duration>,
    failed: usize,
    /// By the first that failed.
    exit: Exit,
    last: Option<RunReport>,
}

pub(super) async fn run(
    config: FabricConfig,
    args: RunArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    // What was mistyped is reported before anything is built or compiled.
    let payload = task::payload(&args.task).await?;
    let quota = task::quota(&config.default_resource_quota, &args.quota)?;
    let draft = Task { resource_quota: quota.clone(), ..utils::task_for("agent", payload) };
    let wrong = draft.complaints();
    if !wrong.is_empty() {
        return Err(FabricError::InvalidRequest(wrong).into());
    }
    let instances = if args.fresh { InstancePolicy::Fresh } else { InstancePolicy::default() };
    let mut agent = task::agent("agent", quota, &args.grants, instances)?;
    let most = config.components.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    agent.agent_type = component.name.clone();

    let fabric = Fabric::new(config)?;
    fabric.start().await?;
    let (loading, started) = start(&fabric, &component.bytes, agent).await?;
    let template = Task { target_agent_type: component.name, ..draft };
    let Runs { walls, failed, exit, last } = repeat(&fabric, &template, args.repeat).await?;
    let ended = fabric.shutdown().await;
    let Some(report) = last else { return Ok(Exit::Success) };

    let shutdown_error = report.shutdown_fault.as_ref().map(ToString::to_string);
    let shutdown_error = shutdown_error.or_else(|| ended.err().map(|error| error.to_string()));
    let cost = Cost::of(&report, loading, started);
    let spread = (args.repeat > 1).then(|| spread(walls, failed));
    let telemetry = report.telemetry.clone();
    let result = report.into_result(template.id);
    if output.is_json() {
        let (result, cost, repeated, telemetry) = (&result, &cost, spread.as_ref(), &telemetry);
        output.value(&Report { result, cost, repeated, telemetry, shutdown_error })?;
    } else {
        print(&result, &cost, spread.as_ref(), &telemetry, shutdown_error.as_deref(), output)?;
    }
    Ok(exit)
}

/// Loads the component and starts its agent; what the loading took, and the start.
async fn start(
    fabric: &Fabric,
    component: &[u8],
    agent: AgentConfig,
) -> anyhow::Result<(Loading, Duration)> {
    let genome = fabric.agents().load(component).await?;
    let loading = genome.loading();
    tracing::debug!(
        genome = %genome.digest(),
        bytes = component.len(),
        from_cache = loading.cached,
        compile_seconds = loading.compile.as_secs_f64(),
        load_seconds = loading.load.as_secs_f64(),
        "the component is loaded"
    );
    let starting = Instant::now();
    fabric.agents().spawn_genome(genome, agent).await?;
    Ok((loading, starting.elapsed()))
}

/// Runs the task so many times, each time under an id of its own.
async fn repeat(fabric: &Fabric, template: &Task, times: u32) -> anyhow::Result<Runs> {
    let mut runs = Runs { walls: Vec::new(), failed: 0, exit: Exit::Success, last: None };
    for _ in 0..times {
        let task = Task { id: utils::generate_task_id(), ..template.clone() };
        let report = Box::pin(fabric.tasks().run_once(&task)).await?;
        runs.walls.push(report.wall);
        tracing::debug!(
            task = %task.id,
            wall_seconds = report.wall.as_secs_f64(),
            waited_seconds = report.waited.as_secs_f64(),
            instantiate_seconds = report.new_instance.map(|took| took.as_secs_f64()),
            succeeded = report.result.is_ok(),
            "a run has ended"
        );
        if let Err(fault) = &report.result {
            if runs.failed == 0 {
                runs.exit = Exit::of_fault(fault);
            }
            runs.failed += 1;
        }
        runs.last = Some(report);
    }
    Ok(runs)
}

impl Cost {
    /// `started` is what the start of the agent took, which made the instance where
    /// the run did not.
    fn of(report: &RunReport, loading: Loading, started: Duration) -> Self {
        let usage = &report.usage;
        let sent_and_received = usage.network_tx_bytes.zip(usage.network_rx_bytes);
        Self {
            wall_seconds: report.wall.as_secs_f64(),
            cpu_seconds: usage.cpu_seconds,
            memory_peak_mb: usage.memory_peak_mb,
            network_bytes: sent_and_received.map(|(sent, received)| [sent, received]),
            compile_seconds: (!loading.cached).then_some(loading.compile.as_secs_f64()),
            load_seconds: loading.load.as_secs_f64(),
            instantiate_seconds: report.new_instance.unwrap_or(started).as_secs_f64(),
            cache_hit: loading.cached,
        }
    }
}

fn spread(mut walls: Vec<Duration>, failed: usize) -> Spread {
    walls.sort_unstable();
    // Nearest rank: the smallest value with at least this share at or below it.
    let at = |share: f64| {
        let rank = (share * walls.len() as f64).ceil() as usize;
        walls.get(rank.saturating_sub(1)).map_or(0.0, Duration::as_secs_f64)
    };
    Spread {
        tasks: walls.len(),
        failed,
        p50_seconds: at(0.5),
        p99_seconds: at(0.99),
        max_seconds: at(1.0),
    }
}

fn print(
    result: &ExecutionResult,
    cost: &Cost,
    spread: Option<&Spread>,
    telemetry: &RunTelemetry,
    shutdown_error: Option<&str>,
    output: &Output,
) -> anyhow::Result<()> {
    for line in telemetry.log.iter().filter(|line| line.level >= LogLevel::Info) {
        output.note(&format!("agent: {}", line.message));
    }
    if telemetry.dropped.log_bytes > 0 {
        output.note(&format!(
            "agent: {} more bytes of log were dropped",
            telemetry.dropped.log_bytes
        ));
    }
    match &result.error {
        None => output.value(&result.output)?,
        Some(error) => output.note(&format!("error: {error}")),
    }
    if let Some(error) = shutdown_error {
        output
            .note(&format!("warning: the result stands, but the agent did not end well: {error}"));
    }
    if let Some(spread) = spread {
        output.note(&format!(
            "tasks {} · failed {} · p50 {} · p99 {} · max {}",
            spread.tasks,
            spread.failed,
            time(spread.p50_seconds),
            time(spread.p99_seconds),
            time(spread.max_seconds)
        ));
    }
    let last = if spread.is_some() { "the last task: " } else { "" };
    output.note(&format!("{last}{}", cost_line(cost)));
    Ok(())
}

fn cost_line(cost: &Cost) -> String {
    let cache = match cost.compile_seconds {
        None => "cache hit".to_owned(),
        Some(compile) => format!("compiled in {}, cache miss", time(compile)),
    };
    let network = cost.network_bytes.map_or(String::new(), |[sent, received]| {
        format!(" · sent {sent} B, received {received} B")
    });
    format!(
        "wall {} · cpu {} · peak memory {:.1} MiB{network} · {cache} · loaded in {} · instantiated in {}",
        time(cost.wall_seconds),
        time(cost.cpu_seconds),
        cost.memory_peak_mb,
        time(cost.load_seconds),
        time(cost.instantiate_seconds)
    )
}

/// Seconds in the unit that fits.
pub(super) fn time(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_by_nearest_rank() {
        let spread = spread((1..=100).rev().map(Duration::from_secs).collect(), 2);
        assert_eq!(
            (spread.p50_seconds, spread.p99_seconds, spread.max_seconds),
            (50.0, 99.0, 100.0)
        );
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!([time(0.000_012_4), time(0.0123), time(12.0)], ["12 µs", "12.3 ms", "12.00 s"]);
    }
}
