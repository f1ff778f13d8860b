//! Lifecycles in a second of tasks that a component runs.

use anyhow::Result;
use chimera_layer4::fabric::InstancePolicy;
use chimera_layer4::fabric::config::TaskStoreKind;

use crate::host::{self, AgentSpec};
use crate::load::Manner::{Direct, Tracked};
use crate::load::{Done, Load, Manner};
use crate::scene::{Scene, folder};
use crate::submitter::Submitter;
use crate::table::{Figure, Goal, Report, Table};

/// Agents of the type. More than the machine has processors, since the next
/// task of an agent is on its way while another's runs.
const AGENTS: [usize; 4] = [2, 4, 8, 16];
/// The number that is judged.
const JUDGED: usize = 16;
const CLIENTS: usize = 16;
const BATCH: usize = 64;

pub(crate) fn ask(scene: &Scene, report: &mut Report) -> Result<()> {
    let echo = host::component("agents/echo")?;
    let policies = [
        ("resident", InstancePolicy::default(), 25_000.0),
        ("an instance for each", InstancePolicy::Fresh, 20_000.0),
    ];
    let data = folder()?;
    let mut all = policies.map(|_| AGENTS.map(|_| (Vec::new(), Vec::new())));
    for _ in 0..scene.rounds() {
        for ((_, instances, _), of_policy) in policies.into_iter().zip(&mut all) {
            for (agents, (queued, direct)) in AGENTS.into_iter().zip(of_policy) {
                let spec = AgentSpec { name: "echo", component: &echo, agents, instances };
                let kind = TaskStoreKind::Embedded;
                let fabric = scene.runtime.block_on(host::open(data.path(), kind, &[spec]))?;
                let submitter = Submitter::Fabric(fabric.clone());
                let measure = |manner: Manner| {
                    let load = Load {
                        submitter: submitter.clone(),
                        kind: "echo",
                        manner,
                        clients: CLIENTS,
                    };
                    scene.runtime.block_on(load.measure(scene.spans()))
                };
                queued.push(measure(Tracked(BATCH))?);
                direct.push(measure(Direct)?);
                scene.runtime.block_on(fabric.shutdown())?;
            }
        }
    }
    for ((policy, _, goal), of_policy) in policies.into_iter().zip(all) {
        let title = format!("echo, {policy}; {CLIENTS} clients, {}", Tracked(BATCH));
        let heads = Done::HEADS.into_iter().chain(["run_task", "of that", "goal"]);
        let mut table = Table::new(title, heads);
        for (agents, (queued, direct)) in AGENTS.into_iter().zip(of_policy) {
            let (queued, direct) = (Done::median(&queued), Done::median(&direct));
            let goal = if agents == JUDGED {
                let name = format!("echo, {policy}, {agents} agents");
                report.judge(name, queued.rate, Figure::PerSecond, Goal::Least(goal))
            } else {
                String::new()
            };
            let beside = [
                Figure::PerSecond.show(direct.rate),
                Figure::Times.show(queued.rate / direct.rate),
                goal,
            ];
            table.row(format!("{agents} agents"), queued.cells().into_iter().chain(beside));
        }
        table.print()?;
    }
    Ok(())
}
