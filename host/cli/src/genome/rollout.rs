//! `chimera rollout`: a genome on trial.

use chimera_layer4_api::Client;
use chimera_layer4_api::genomes::{RolloutRequest, RolloutView};
use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::genome::{Plan, WhenUnsure};

use super::backend::Genomes;
use super::tell;
use crate::args::genome::{RolloutCommand, StartArgs};
use crate::client;
use crate::exit::{BadInput, Exit};
use crate::output::Output;

/// Does what the command says, through the host that serves the folder.
pub(crate) async fn run(
    config: &FabricConfig,
    command: RolloutCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let client = client::required(config).await?;
    let one = match &command {
        RolloutCommand::Show { agent_type: None, .. } => {
            let all = client.rollouts().await?;
            return tell(&all, output, || match &all[..] {
                [] => {
                    output.note("no rollout is under way");
                    Ok(())
                }
                all => all.iter().try_for_each(|one| print(one, output)),
            })
            .map(|()| Exit::Success);
        }
        RolloutCommand::Start(args) => start(client, args).await?,
        RolloutCommand::Show { agent_type: Some(name), .. } => client.rollout(name).await?,
        RolloutCommand::Promote { agent_type, .. } => client.promote_rollout(agent_type).await?,
        RolloutCommand::Abort { agent_type, .. } => client.abort_rollout(agent_type).await?,
    };
    tell(&one, output, || print(&one, output)).map(|()| Exit::Success)
}

async fn start(client: Client, args: &StartArgs) -> anyhow::Result<RolloutView> {
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
    let agent_type = args.agent_type.clone();
    Ok(genomes.host()?.start_rollout(&RolloutRequest { agent_type, genome, plan }).await?)
}

fn print(one: &RolloutView, output: &Output) -> anyhow::Result<()> {
    let (agent_type, state, share) = (&one.agent_type, one.state.word(), one.share * 100.0);
    output.line(&format!("{agent_type}: {state}, {share:.0} % of tasks"))?;
    for (side, of) in [("champion", &one.champion), ("candidate", &one.candidate)] {
        output.line(&format!("  {side:9} {}  {} tasks", of.genome, of.tasks))?;
    }
    one.findings.iter().try_for_each(|finding| output.line(&format!("  {finding}")))?;
    Ok(())
}
