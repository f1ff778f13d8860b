//! The errors that the specification names, and those that it does not.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use chimera_layer4_core::complaints;

use crate::host::fabric::FabricError;
use crate::host::{AgentId, TaskId};

/// What the library returns.
pub type Layer4Result<T> = Result<T, Layer4Error>;

/// An error of a crate that this one does not tie its users to.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an operation did not happen.
///
/// The first ten are the specification's. `Debug` prints the code and the message, since
/// that is what a `main` that returns an error shows.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Layer4Error {
    /// The WebAssembly engine failed. The specification has wasmtime's own error here.
    #[error(transparent)]
    WasmRuntime(BoxError),
    /// A value could not be turned into JSON or back.
    #[error("not valid JSON: {0}")]
    Serialization(#[from] serde_json::Error),
    /// No such task.
    #[error("there is no task {0}")]
    TaskNotFound(TaskId),
    /// No agent with this id.
    #[error("there is no agent {0}; `get_active_agents` lists those that run")]
    AgentNotFound(AgentId),
    /// A limit was met while an agent was being set up or asked: which agent and which.
    #[error("{0}")]
    ResourceQuotaExceeded(String),
    /// An agent's `init`, `health` or `shutdown` did not return within so many seconds.
    #[error("an agent did not answer within {0} s (setting `agent_timeout_secs`)")]
    AgentTimeout(u64),
    /// A connection to another part failed.
    #[error("communication failed: {0}")]
    Communication(#[from] io::Error),
    /// Redis failed. The specification has the error of the crate `redis` here.
    #[error(transparent)]
    Redis(BoxError),
    /// The configuration is wrong: every complaint.
    #[error("the configuration is wrong: {0}")]
    Configuration(String),
    /// Something that should not happen.
    #[error("internal: {0}")]
    Internal(String),
    /// No agent of this type runs, and none is registered under this name.
    #[error("{}", type_not_found(.agent_type, .known, .down, .task_types))]
    AgentTypeNotFound {
        /// The name that was asked for.
        agent_type: String,
        /// The names that would do.
        known: Vec<String>,
        /// The names that are declared and would do if their agents had started.
        down: Vec<String>,
        /// The task types that agents say they support, which would do too.
        task_types: Vec<String>,
    },
    /// So many tasks wait for the type already.
    #[error("{}", queue_full(.agent_type, *.capacity, *.retry_after))]
    QueueFull {
        /// The type whose queue is full.
        agent_type: String,
        /// The limit.
        capacity: usize,
        /// When to come back, by how fast tasks end.
        retry_after: Duration,
    },
    /// All agents that the configuration allows are there.
    #[error("{}", too_many_agents(*.max_agents))]
    TooManyAgents {
        /// The limit.
        max_agents: usize,
    },
    /// The fabric was not started, or was shut down.
    #[error("{}", not_running(.state))]
    NotRunning {
        /// What it is instead.
        state: &'static str,
    },
    /// Something given to the library is out of range: every complaint.
    #[error("{}", complaints::first_of(.0))]
    InvalidRequest(Vec<String>),
    /// Anything else: what the fabric's own error says.
    #[error(transparent)]
    Fabric(Box<FabricError>),
}

impl Layer4Error {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Layer4Error::WasmRuntime(_) => "wasm-runtime",
            Layer4Error::Serialization(_) => "serialization",
            Layer4Error::TaskNotFound(_) => "task-not-found",
            Layer4Error::AgentNotFound(_) => "agent-not-found",
            Layer4Error::ResourceQuotaExceeded(_) => "resource-quota-exceeded",
            Layer4Error::AgentTimeout(_) => "agent-timeout",
            Layer4Error::Communication(_) => "communication",
            Layer4Error::Redis(_) => "redis",
            Layer4Error::Configuration(_) => "configuration",
            Layer4Error::Internal(_) => FabricError::INTERNAL,
            Layer4Error::AgentTypeNotFound { .. } => "agent-type-not-found",
            Layer4Error::QueueFull { .. } => "queue-full",
            Layer4Error::TooManyAgents { .. } => "too-many-agents",
            Layer4Error::NotRunning { .. } => "not-running",
            Layer4Error::InvalidRequest(_) => FabricError::INVALID_REQUEST,
            Layer4Error::Fabric(error) => error.code(),
        }
    }
}

impl fmt::Debug for Layer4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.code())
    }
}

impl From<FabricError> for Layer4Error {
    fn from(error: FabricError) -> Self {
        match error {
            FabricError::WasmRuntime(_) => Layer4Error::WasmRuntime(Box::new(error)),
            FabricError::Serialization(error) => Layer4Error::Serialization(error),
            FabricError::TaskNotFound(id) => Layer4Error::TaskNotFound(id),
            FabricError::AgentNotFound(id) => Layer4Error::AgentNotFound(id),
            FabricError::ResourceQuotaExceeded { .. } => {
                Layer4Error::ResourceQuotaExceeded(error.to_string())
            }
            FabricError::AgentTimeout { limit, .. } => {
                let part = u64::from(limit.subsec_nanos() > 0);
                Layer4Error::AgentTimeout(limit.as_secs().saturating_add(part))
            }
            FabricError::Communication(reason) => {
                Layer4Error::Communication(io::Error::other(reason))
            }
            FabricError::Redis(_) => Layer4Error::Redis(Box::new(error)),
            FabricError::Configuration(complaints) => {
                Layer4Error::Configuration(complaints::first_of(&complaints))
            }
            FabricError::Internal(reason) => Layer4Error::Internal(reason),
            FabricError::AgentTypeNotFound { agent_type, known, down, task_types } => {
                Layer4Error::AgentTypeNotFound { agent_type, known, down, task_types }
            }
            FabricError::QueueFull { agent_type, capacity, retry_after } => {
                Layer4Error::QueueFull { agent_type, capacity, retry_after }
            }
            FabricError::TooManyAgents { max_agents } => Layer4Error::TooManyAgents { max_agents },
            FabricError::NotRunning { state } => Layer4Error::NotRunning { state },
            FabricError::InvalidRequest(complaints) => Layer4Error::InvalidRequest(complaints),
            FabricError::Refused(_)
            | FabricError::AgentFault { .. }
            | FabricError::AgentTypeLoading { .. }
            | FabricError::AgentTypeDown { .. }
            | FabricError::AgentTypeDeclared { .. }
            | FabricError::IdempotencyKeyTaken { .. }
            | FabricError::TaskEnded { .. }
            | FabricError::Store(_)
            | FabricError::KeyValue(_)
            | FabricError::GenomeNotFound(_)
            | FabricError::GenomeRejected { .. }
            | FabricError::RolloutConflict(_)
            | FabricError::RefinementConflict(_)
            | FabricError::EvolutionNotFound { .. }
            | FabricError::GenomeStore { .. }
            | FabricError::Host(_) => Layer4Error::Fabric(Box::new(error)),
        }
    }
}

/// The fabric's own error, whose words are shown.
fn type_not_found(
    agent_type: &str,
    known: &[String],
    down: &[String],
    task_types: &[String],
) -> FabricError {
    FabricError::AgentTypeNotFound {
        agent_type: agent_type.to_owned(),
        known: known.to_vec(),
        down: down.to_vec(),
        task_types: task_types.to_vec(),
    }
}

fn too_many_agents(max_agents: usize) -> FabricError {
    FabricError::TooManyAgents { max_agents }
}

fn not_running(state: &'static str) -> FabricError {
    FabricError::NotRunning { state }
}

fn queue_full(agent_type: &str, capacity: usize, retry_after: Duration) -> FabricError {
    FabricError::QueueFull { agent_type: agent_type.to_owned(), capacity, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::utils;

    #[test]
    fn an_error_of_the_fabric_keeps_its_code_and_its_words() {
        let (task, agent) = (utils::generate_task_id(), utils::generate_agent_id());
        let agent_type = || "a".to_owned();
        for error in [
            FabricError::WasmRuntime("why".into()),
            FabricError::TaskNotFound(task),
            FabricError::Communication("why".into()),
            FabricError::Redis("why".into()),
            FabricError::Configuration(vec!["why".into()]),
            FabricError::Internal("why".into()),
            FabricError::TooManyAgents { max_agents: 3 },
            FabricError::InvalidRequest(vec!["one".into(), "two".into()]),
            FabricError::NotRunning { state: "draining" },
            FabricError::AgentTypeLoading { agent_type: agent_type() },
            FabricError::RolloutConflict("why".into()),
            FabricError::RefinementConflict("why".into()),
            FabricError::AgentTypeNotFound {
                agent_type: agent_type(),
                known: vec![],
                down: vec!["late".into()],
                task_types: vec!["sum".into()],
            },
            FabricError::QueueFull {
                agent_type: agent_type(),
                capacity: 3,
                retry_after: Duration::from_secs(1),
            },
        ] {
            let (code, words) = (error.code(), error.to_string());
            let outside = Layer4Error::from(error);
            assert_eq!((outside.code(), outside.to_string()), (code, words));
            assert_eq!(format!("{outside:?}"), format!("{code}: {outside}"));
        }
        let gone = Layer4Error::from(FabricError::AgentNotFound(agent));
        assert!(gone.to_string().contains("`get_active_agents`"), "{gone}");
        for (limit, secs) in [(Duration::from_millis(1500), 2), (Duration::from_secs(2), 2)] {
            let late = FabricError::AgentTimeout { agent_id: agent, limit };
            assert!(matches!(late.into(), Layer4Error::AgentTimeout(shown) if shown == secs));
        }
    }

    /// The shapes that the specification gives, but for two payloads of other crates.
    #[test]
    fn the_ten_are_made_as_the_specification_has_them() {
        let _: [fn(BoxError) -> Layer4Error; 2] = [Layer4Error::WasmRuntime, Layer4Error::Redis];
        let _: fn(serde_json::Error) -> Layer4Error = Layer4Error::Serialization;
        let _: fn(TaskId) -> Layer4Error = Layer4Error::TaskNotFound;
        let _: fn(AgentId) -> Layer4Error = Layer4Error::AgentNotFound;
        let _: fn(u64) -> Layer4Error = Layer4Error::AgentTimeout;
        let _: fn(io::Error) -> Layer4Error = Layer4Error::Communication;
        let _: [fn(String) -> Layer4Error; 3] =
            [Layer4Error::ResourceQuotaExceeded, Layer4Error::Configuration, Layer4Error::Internal];
    }
}
