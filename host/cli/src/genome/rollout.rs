//! `chimera rollout`: a genome on trial.

use chimera_layer4_core::Layer4Config;
use chimera_layer4_core::genome::{Plan, WhenUnsure};
use serde_json::{Value, json};

use super::args::{RolloutCommand, StartArgs};
use super::backend::Genomes;
use crate::backend::encoded;
use crate::client::Client;
use crate::exit::{BadInput, Exit};
use crate::output::Output;

/// Does what the command says, through the host that serves the folder.
pub(crate) async fn run(
    config: &Layer4Config,
    command: RolloutCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let client = Client::required(config).await?;
    let done: Value = match &command {
        RolloutCommand::Start(args) => start(client, args).await?,
        RolloutCommand::Show { agent_type: None, .. } => {
            client.ask("GET", "/v1/rollouts", None).await?
        }
        RolloutCommand::Show { agent_type: Some(name), .. } => {
            client.ask("GET", &format!("/v1/rollouts/{}", encoded(name)), None).await?
        }
        RolloutCommand::Promote { agent_type, .. } => {
            let path = format!("/v1/rollouts/{}/promote", encoded(agent_type));
            client.ask("POST", &path, None).await?
        }
        RolloutCommand::Abort { agent_type, .. } => {
            let path = format!("/v1/rollouts/{}/abort", encoded(agent_type));
            client.ask("POST", &path, None).await?
        }
    };
    if output.is_json() {
        output.value(&done)?;
        return Ok(Exit::Success);
    }
    match done.as_array() {
        Some(all) if all.is_empty() => output.note("no rollout is under way"),
        Some(all) => all.iter().try_for_each(|one| print(one, output))?,
        None => print(&done, output)?,
    }
    Ok(Exit::Success)
}

async fn start(client: Client, args: &StartArgs) -> anyhow::Result<Value> {
    if let Some(step) = args.steps.iter().find(|step| !step.is_finite()) {
        return Err(BadInput(format!("--steps has {step}; allowed is above 0 to 1")).into());
    }
    let mut plan = Plan::default();
    if !args.steps.is_empty() {
        plan.steps.clone_from(&args.steps);
    }
    plan.least_per_step = args.step_tasks.unwrap_or(plan.least_per_step);
    plan.policy.most_samples = args.most_tasks.unwrap_or(plan.policy.most_samples);
    if args.promote_when_unsure {
        plan.when_unsure = WhenUnsure::Promote;
    }
    let genomes = Genomes::Host(client);
    let genome = genomes.named(&args.genome).await?;
    let body = json!({ "agent_type": args.agent_type, "genome": genome, "plan": plan });
    genomes.host()?.ask("POST", "/v1/rollouts", Some(body)).await
}

fn print(one: &Value, output: &Output) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    output.line(&format!(
        "{}: {}, {:.0} % of tasks",
        text(&one["agent_type"]),
        text(&one["state"]),
        one["share"].as_f64().unwrap_or_default() * 100.0
    ))?;
    for side in ["champion", "candidate"] {
        let of = one.get(side).unwrap_or(&Value::Null);
        let (genome, tasks) = (text(&of["genome"]), &of["tasks"]);
        output.line(&format!("  {side:9} {genome}  {tasks} tasks"))?;
    }
    for finding in one["findings"].as_array().into_iter().flatten() {
        let finding: chimera_layer4_core::genome::Finding =
            serde_json::from_value(finding.clone())?;
        output.line(&format!("  {finding}"))?;
    }
    Ok(())
}
