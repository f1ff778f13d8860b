//! The lines about what becomes of agents and their types, each with its code. Who reads
//! `executor.log` searches for these words: they stay.

use chimera_layer4_core::FabricError;
use chimera_layer4_core::refinement::RefinementEntry;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;

use tracing::field::display;

use crate::telemetry::metrics::Runner;

/// What had declarations of agent types applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedBy {
    /// The start, those of the settings.
    Start,
    /// A reload of the settings.
    Reload,
    /// The start, those that were deployed before.
    Deployments,
    /// A change of the agents folder.
    Folder,
}

impl AppliedBy {
    /// The code and the text for what was done, and the text for what was not.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Start => ["agent-type-changed", "started", "not started"],
            Self::Reload => ["reload", "reloaded", "not reloaded"],
            Self::Deployments => {
                ["agent-type-changed", "deployed", "a deployed agent type did not start"]
            }
            Self::Folder => [
                "agent-type-changed",
                "the agents folder changed",
                "an agent of the agents folder was refused",
            ],
        }
    }
}

/// A line for a declaration that was applied: what was done, and what its operator may want
/// to know, or why it was not.
pub(crate) fn agent_type(
    agent_type: &str,
    by: AppliedBy,
    done: Result<(&'static str, Option<String>), &FabricError>,
) {
    let [code, changed, refused] = by.words();
    match done {
        Ok((done, None)) => tracing::info!(
            target: EXECUTOR_LOG, code, agent_type, done, "{changed}"
        ),
        Ok((done, Some(note))) => tracing::warn!(
            target: EXECUTOR_LOG, code, agent_type, done, note, "{changed}"
        ),
        Err(error) => tracing::error!(
            target: EXECUTOR_LOG, code = "agent-failed",
            agent_type, %error, "{refused}"
        ),
    }
}

/// A line for an agent type that a client had deployed or retired: what was done, or why it
/// was not.
pub(crate) fn deployment(agent_type: &str, done: Result<&'static str, &FabricError>) {
    match done {
        Ok(done) => tracing::info!(
            target: EXECUTOR_LOG, code = "agent-type-changed",
            agent_type, done, "a deployment changed"
        ),
        // Its caller has the error, and may be another one than who reads the log.
        Err(error) => tracing::warn!(
            target: EXECUTOR_LOG, code = "agent-failed",
            agent_type, %error, "a deployment was refused"
        ),
    }
}

/// A line for a change of what becomes of tasks that are submitted to an agent type, or why it
/// was refused. Values of parameters may be secrets.
pub(crate) fn refinement(agent_type: &str, changed: Result<&RefinementEntry, &FabricError>) {
    match changed {
        Ok(entry) => {
            let RefinementEntry { number, author, source_layer, reason, .. } = entry;
            let (done, in_force) = (entry.change.word(), entry.in_force);
            let now = entry.refinement.as_ref();
            let route_to = now.and_then(|now| now.route_to.as_deref());
            let priority = now.and_then(|now| now.priority).map(display);
            tracing::info!(
                target: EXECUTOR_LOG, code = "agent-type-refined",
                agent_type, number, done, in_force, route_to, priority, author, source_layer, reason,
                "a refinement changed"
            );
        }
        Err(error) => tracing::warn!(
            target: EXECUTOR_LOG, code = "refinement-refused",
            agent_type, %error, "a refinement was refused"
        ),
    }
}

/// A line for an agent that went for a change which was refused, and that does not start again.
pub(crate) fn not_brought_back(agent_type: &str, error: &FabricError) {
    tracing::error!(
        target: EXECUTOR_LOG, code = "agent-failed",
        agent_type, %error, "an agent could not be brought back"
    );
}

/// What happened to an agent.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    Started,
    Restarted,
    Ended,
}

/// A line for an agent that starts or stops.
pub(crate) fn agent(runner: &Runner<'_>, life: Life) {
    let Runner { agent_id: agent, agent_type, genome } = *runner;
    match life {
        Life::Started => tracing::info!(
            target: EXECUTOR_LOG, code = "agent-spawned",
            %agent, agent_type, %genome, "an agent spawned"
        ),
        Life::Restarted => tracing::info!(
            target: EXECUTOR_LOG, code = "agent-restarted",
            %agent, agent_type, %genome, "an agent was restarted"
        ),
        Life::Ended => tracing::info!(
            target: EXECUTOR_LOG, code = "agent-terminated",
            %agent, agent_type, %genome, "an agent terminated"
        ),
    }
}

/// What an agent failed at.
#[derive(Clone, Copy)]
pub(crate) enum Failed<'a> {
    /// Its caller has the error, and answers or logs it in its own words.
    Start(&'a FabricError),
    /// It reported itself unhealthy, or did not answer.
    Health(&'a str),
    Restart(&'a FabricError),
    End(&'a FabricError),
}

/// A line for an agent that failed by itself, and not with a task.
pub(crate) fn failed(runner: &Runner<'_>, what: Failed<'_>) {
    let Runner { agent_id: agent, agent_type, genome } = *runner;
    match what {
        Failed::Start(error) => tracing::info!(
            target: EXECUTOR_LOG, code = "agent-failed",
            %agent, agent_type, %genome, %error, "an agent did not start"
        ),
        Failed::Health(why) => tracing::warn!(
            target: EXECUTOR_LOG, code = "agent-failed",
            %agent, agent_type, %genome, why, "unhealthy, restarted"
        ),
        Failed::Restart(error) => tracing::error!(
            target: EXECUTOR_LOG, code = "agent-failed",
            %agent, agent_type, %genome, %error, "the restart failed"
        ),
        Failed::End(error) => tracing::warn!(
            target: EXECUTOR_LOG, code = "agent-failed",
            %agent, agent_type, %genome, %error, "an agent did not end in good order"
        ),
    }
}
