//! Heartbeats: asks each agent for its health, restarts unhealthy ones, collects their metrics.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::{AgentHealth, HealthStatus};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::registry::{AgentRegistry, Turn};
use crate::telemetry::Telemetry;
use crate::telemetry::log::{self, Failed};

/// A round of heartbeats every `interval`, until the handle is aborted.
///
/// An agent that is still being asked is left out of the next round, so one
/// that hangs until its timeout delays no other agent.
pub(crate) fn start(
    agents: Arc<AgentRegistry>,
    telemetry: Arc<Telemetry>,
    interval: Duration,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(interval);
        // After a pause of the process one round is enough.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await; // The first is at once; agents were just started.
        // Dropped with this task, which ends whatever is being asked.
        let mut asking = JoinSet::new();
        loop {
            tick.tick().await;
            while asking.try_join_next().is_some() {}
            for entry in agents.all() {
                if let Some(turn) = entry.try_turn_to_ask() {
                    let telemetry = Arc::clone(&telemetry);
                    asking.spawn(async move { check(&turn, &telemetry).await });
                }
            }
        }
    })
}

/// Looks at the machine and at the agents' figures every `interval`, until the handle
/// is aborted.
pub(crate) fn take_figures(
    agents: Arc<AgentRegistry>,
    telemetry: Arc<Telemetry>,
    interval: Duration,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let agents = agents.all();
            telemetry.look(agents.iter().map(|entry| (entry.id(), entry.agent.totals().cpu)));
        }
    })
}

/// One heartbeat of one agent.
pub(crate) async fn check(Turn { entry, .. }: &Turn, telemetry: &Telemetry) {
    // An agent whose every instance is at work is alive; its tasks' own limits
    // see to it that it cannot hide behind them.
    let Some(health) = entry.agent.health().await else { return };
    let status = health.status;
    entry.set_health(health.clone());
    if status != HealthStatus::Unhealthy {
        return;
    }
    let why = health.message.unwrap_or_default();
    log::failed(&entry.runner(), Failed::Health(&why));
    entry.set_health(match entry.agent.restart().await {
        Ok(()) => {
            telemetry.restarted(&entry.runner());
            let message = Some(format!("restarted, because it was unhealthy: {why}"));
            AgentHealth { status: HealthStatus::Healthy, message }
        }
        Err(error) => {
            log::failed(&entry.runner(), Failed::Restart(&error));
            let message = Some(format!("the restart failed: {error}"));
            AgentHealth { status: HealthStatus::Unhealthy, message }
        }
    });
}
