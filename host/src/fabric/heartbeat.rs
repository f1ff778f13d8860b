//! Looks after the agents: asks each how it is, restarts the sick.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::{AgentHealth, HealthStatus};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::agents::{Agents, Entry};

/// Agents asked at once: enough that some may hang, few enough that a round
/// leaves the cores to tasks.
const AT_ONCE: usize = 64;

/// A round of heartbeats every `interval`, until the handle is aborted.
pub(super) fn start(agents: Arc<Agents>, interval: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(interval);
        // After a pause of the process one round is enough.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await; // The first is at once; agents were just started.
        loop {
            tick.tick().await;
            round(&agents).await;
        }
    })
}

/// Asks every agent. Many at once, so that one that hangs until its timeout
/// holds up nobody but itself; ending the round ends the asking.
async fn round(agents: &Agents) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for entry in agents.all() {
        let permits = Arc::clone(&permits);
        asking.spawn(async move {
            let _permit = permits.acquire().await;
            check(&entry).await;
        });
    }
    asking.join_all().await;
}

/// One heartbeat of one agent.
pub(super) async fn check(entry: &Entry) {
    // An agent whose every instance is at work is alive; its tasks' own limits
    // see to it that it cannot hide behind them.
    let Some(health) = entry.agent.health().await else { return };
    let status = health.status;
    entry.set_health(health.clone());
    if status != HealthStatus::Unhealthy {
        return;
    }
    let why = health.message.unwrap_or_default();
    tracing::warn!(agent = %entry.id(), %why, "unhealthy, restarted");
    if let Err(error) = entry.agent.restart().await {
        tracing::error!(agent = %entry.id(), %error, "the restart failed");
        let message = Some(format!("the restart failed: {error}"));
        entry.set_health(AgentHealth { status: HealthStatus::Unhealthy, message });
    }
}
