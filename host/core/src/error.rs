//! The library's error.
//!
//! A variant exists where the caller would act differently. Messages carry the
//! value that was wrong, what is allowed and what to do.

use std::time::Duration;

use crate::complaints::first_of;
use crate::genome::lineage::Stage;
use crate::keyvalue::KeyValueError;
use crate::refusal::Refusal;
use crate::scheduler::TaskState;
use crate::scheduler::store::StoreError;
use crate::{AgentId, Breach, Digest, Fault, HostFault, TaskId};

/// What the library returns.
pub type FabricResult<T> = Result<T, FabricError>;

/// Why an operation of the fabric did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// The WebAssembly engine failed.
    #[error("the WebAssembly engine failed: {0}")]
    WasmRuntime(String),
    /// The bytes were not accepted as an agent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The agent's own code failed while the agent was being set up or asked.
    #[error("agent {agent_id}: {fault}")]
    AgentFault {
        /// Which agent.
        agent_id: AgentId,
        /// What happened.
        fault: Fault,
    },
    /// A value could not be turned into JSON or back.
    #[error("not valid JSON: {0}")]
    Serialization(#[from] serde_json::Error),
    /// No such task.
    #[error("there is no task {0}")]
    TaskNotFound(TaskId),
    /// No agent with this id.
    #[error("there is no agent {0}; list the active agents for those that run")]
    AgentNotFound(AgentId),
    /// No agent of this type runs, and none is registered under this name.
    #[error(
        "no agent of type {agent_type:?} runs and none is registered; known: {}{}{}",
        list(.known),
        declared_but_down(.down),
        supported(.task_types)
    )]
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
    /// The type is declared, and its first agents are being started.
    #[error("agents of type {agent_type:?} are being started; ask again in a second")]
    AgentTypeLoading {
        /// The name that was asked for.
        agent_type: String,
    },
    /// The type is declared, and its agents did not start.
    #[error(
        "agents of type {agent_type:?} are down, since they did not start: {reason}; applying the declarations again, as a reload of the settings does, starts them"
    )]
    AgentTypeDown {
        /// The name that was asked for.
        agent_type: String,
        /// Why they did not start.
        reason: String,
    },
    /// The type is declared elsewhere, and that declaration counts.
    #[error(
        "the agent type {agent_type:?} is declared by {by}, and that declaration counts; change or remove it there, or use another name"
    )]
    AgentTypeDeclared {
        /// The name.
        agent_type: String,
        /// Where it is declared.
        by: &'static str,
    },
    /// A limit was met while an agent was being set up or asked.
    #[error("agent {agent_id}: {breach}")]
    ResourceQuotaExceeded {
        /// Which agent.
        agent_id: AgentId,
        /// Which limit.
        breach: Breach,
    },
    /// A housekeeping call into the agent did not return in time.
    #[error(
        "agent {agent_id} did not answer within {:.1} s (setting `agent_timeout_secs`; as the host ends, what is left of `drain_timeout_secs`)", .limit.as_secs_f64()
    )]
    AgentTimeout {
        /// Which agent.
        agent_id: AgentId,
        /// The limit.
        limit: Duration,
    },
    /// All agents that the configuration allows are there.
    #[error(
        "{max_agents} agents run, which is all that `max_agents` allows; end one or raise the setting"
    )]
    TooManyAgents {
        /// The limit.
        max_agents: usize,
    },
    /// So many tasks wait for the agent already.
    #[error(
        "{capacity} tasks wait for agents of type {agent_type:?}, which is all that `task_queue_capacity` allows per type; submit again in {} s", .retry_after.as_secs_f64()
    )]
    QueueFull {
        /// The type whose queue is full.
        agent_type: String,
        /// The limit.
        capacity: usize,
        /// When to come back, by how fast tasks end.
        retry_after: Duration,
    },
    /// Another task was submitted under the same key.
    #[error(
        "the idempotency key {key:?} was used for another task, {first}; a key names one piece of work"
    )]
    IdempotencyKeyTaken {
        /// The key.
        key: String,
        /// The task that has it.
        first: TaskId,
    },
    /// The task has ended already.
    #[error("task {id} has ended: it is {state}")]
    TaskEnded {
        /// Which task.
        id: TaskId,
        /// How.
        state: TaskState,
    },
    /// The task store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What agents keep by key could not be looked at or changed.
    #[error(transparent)]
    KeyValue(#[from] KeyValueError),
    /// No genome of this name is stored.
    #[error("no genome {0} is stored; hand in its bytes, or list those that are")]
    GenomeNotFound(Digest),
    /// A genome failed a check after its bytes were found to be an agent.
    #[error("the genome {genome} was not admitted ({stage}): {reason}")]
    GenomeRejected {
        /// Its name.
        genome: Digest,
        /// Which check.
        stage: Stage,
        /// Why, and what to do.
        reason: String,
    },
    /// What was asked does not go with what is in charge, or on trial, now.
    #[error("{0}")]
    RolloutConflict(String),
    /// What was asked does not go with the refinements that are in force or recorded.
    #[error("{0}")]
    RefinementConflict(String),
    /// Nothing evolved for this agent type here.
    #[error(
        "there is no evolution of {agent_type:?}; list the evolutions for those that there are"
    )]
    EvolutionNotFound {
        /// The name that was asked for.
        agent_type: String,
    },
    /// The genome store did not do what it was asked.
    #[error("{reason}")]
    GenomeStore {
        /// A stable word for what it was.
        code: &'static str,
        /// What happened and what to do.
        reason: String,
    },
    /// The fabric was not started, or is shutting down.
    #[error(
        "the host is {state}; it takes tasks while it runs, and what is queued stays until it is started again"
    )]
    NotRunning {
        /// What it is instead.
        state: &'static str,
    },
    /// Something given to the library is out of range.
    #[error("{}", first_of(.0))]
    InvalidRequest(Vec<String>),
    /// A connection to another part failed.
    #[error("communication failed: {0}")]
    Communication(String),
    /// The Redis store failed.
    #[error("redis: {0}")]
    Redis(String),
    /// The configuration is wrong: every complaint. The message has the first of
    /// them and the number of the others.
    #[error("the configuration is wrong: {}", first_of(.0))]
    Configuration(Vec<String>),
    /// The host failed.
    #[error(transparent)]
    Host(HostFault),
    /// Something that should not happen.
    #[error("internal: {0}")]
    Internal(String),
}

impl FabricError {
    /// The code of [`GenomeRejected`](Self::GenomeRejected).
    pub const GENOME_REJECTED: &'static str = "genome-rejected";
    /// The code of [`InvalidRequest`](Self::InvalidRequest).
    pub const INVALID_REQUEST: &'static str = "invalid-request";
    /// The code of [`Internal`](Self::Internal).
    pub const INTERNAL: &'static str = "internal";

    /// The error for a fault outside any task.
    #[must_use]
    pub fn from_fault(agent_id: AgentId, fault: Fault, timeout: Duration) -> Self {
        match fault {
            Fault::OverQuota(breach) if breach.quota == crate::QuotaKind::AgentTimeout => {
                FabricError::AgentTimeout { agent_id, limit: timeout }
            }
            Fault::OverQuota(breach) => FabricError::ResourceQuotaExceeded { agent_id, breach },
            Fault::Host(fault) => FabricError::Host(fault),
            Fault::Guest(_) | Fault::Stopped | Fault::Cancelled => {
                FabricError::AgentFault { agent_id, fault }
            }
        }
    }

    /// Whether an agent's own code failed, or met a limit, in a call of the
    /// host's: the host itself did what it should.
    #[must_use]
    pub fn is_of_an_agent(&self) -> bool {
        matches!(
            self,
            FabricError::AgentFault { .. }
                | FabricError::ResourceQuotaExceeded { .. }
                | FabricError::AgentTimeout { .. }
        )
    }

    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            FabricError::WasmRuntime(_) => "wasm-runtime",
            FabricError::Refused(refusal) => refusal.code(),
            FabricError::AgentFault { fault, .. } => fault.code(),
            FabricError::Serialization(_) => "serialization",
            FabricError::TaskNotFound(_) => "task-not-found",
            FabricError::AgentNotFound(_) => "agent-not-found",
            FabricError::AgentTypeNotFound { .. } => "agent-type-not-found",
            FabricError::AgentTypeLoading { .. } => "agent-type-loading",
            FabricError::AgentTypeDown { .. } => "agent-type-down",
            FabricError::AgentTypeDeclared { .. } => "agent-type-declared",
            FabricError::ResourceQuotaExceeded { breach, .. } => breach.quota.code(),
            FabricError::AgentTimeout { .. } => "agent-timeout",
            FabricError::TooManyAgents { .. } => "too-many-agents",
            FabricError::QueueFull { .. } => "queue-full",
            FabricError::IdempotencyKeyTaken { .. } => "idempotency-key-taken",
            FabricError::TaskEnded { .. } => "task-ended",
            FabricError::Store(error) => error.code(),
            FabricError::KeyValue(_) => "key-value-store",
            FabricError::GenomeNotFound(_) => "genome-not-found",
            FabricError::GenomeRejected { .. } => Self::GENOME_REJECTED,
            FabricError::RolloutConflict(_) => "rollout-conflict",
            FabricError::RefinementConflict(_) => "refinement-conflict",
            FabricError::EvolutionNotFound { .. } => "evolution-not-found",
            FabricError::GenomeStore { code, .. } => code,
            FabricError::NotRunning { .. } => "not-running",
            FabricError::InvalidRequest(_) => Self::INVALID_REQUEST,
            FabricError::Communication(_) => "communication",
            FabricError::Redis(_) => "redis",
            FabricError::Configuration(_) => "configuration",
            FabricError::Host(fault) => fault.code(),
            FabricError::Internal(_) => Self::INTERNAL,
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn declared_but_down(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("; declared, but down, since they did not start: {}", names.join(", "))
}

fn supported(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("; task types that agents support: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, GuestFault, LimitSource, QuotaKind};

    fn agent() -> AgentId {
        "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
    }

    fn breach(quota: QuotaKind) -> Breach {
        Breach { quota, during: Call::Init, set_by: LimitSource::Host, detail: "-".into() }
    }

    fn of(fault: impl Into<Fault>) -> FabricError {
        FabricError::from_fault(agent(), fault.into(), Duration::from_secs(60))
    }

    #[test]
    fn a_fault_outside_a_task_says_whose_it_is() {
        let timeout = of(breach(QuotaKind::AgentTimeout));
        assert_eq!(timeout.code(), "agent-timeout");
        assert!(timeout.to_string().contains("within 60.0 s (setting `agent_timeout_secs`;"));
        assert_eq!(of(breach(QuotaKind::Memory)).code(), "over-memory");
        let message = "no".to_owned();
        let failed = of(GuestFault::Failed { during: Call::Init, message: message.clone() });
        assert_eq!(failed.code(), "failed");
        assert!(failed.to_string().contains(&agent().to_string()), "{failed}");
        assert_eq!(of(HostFault::NoRoom { message }).code(), "no-room");
        assert_eq!(of(Fault::Cancelled).code(), "cancelled");
        assert_eq!(of(Fault::Stopped).code(), "stopped");
    }

    #[test]
    fn every_error_has_a_code_of_its_own_and_says_what_to_do() {
        let agent_type = "echo".to_owned();
        let known = vec!["parrot".to_owned()];
        let task = TaskId::from(agent().as_uuid());
        let json = serde_json::from_str::<u8>("x").unwrap_err();
        let errors = [
            FabricError::WasmRuntime("-".into()),
            FabricError::Refused(Refusal::NotGranted { imports: vec!["a:b/c".into()] }),
            FabricError::Serialization(json),
            FabricError::TaskNotFound(task),
            FabricError::AgentNotFound(agent()),
            FabricError::AgentTypeNotFound {
                agent_type: agent_type.clone(),
                known,
                down: Vec::new(),
                task_types: Vec::new(),
            },
            FabricError::AgentTypeLoading { agent_type: agent_type.clone() },
            FabricError::AgentTypeDown { agent_type: agent_type.clone(), reason: "-".into() },
            FabricError::AgentTypeDeclared { agent_type: agent_type.clone(), by: "a deployment" },
            FabricError::TooManyAgents { max_agents: 10 },
            FabricError::QueueFull { agent_type, capacity: 7, retry_after: Duration::from_secs(2) },
            FabricError::IdempotencyKeyTaken { key: "k".into(), first: task },
            FabricError::TaskEnded { id: task, state: TaskState::Dead },
            FabricError::Store(StoreError::Closed),
            FabricError::KeyValue(KeyValueError::Conflict),
            FabricError::GenomeNotFound(Digest::of(b"")),
            FabricError::GenomeRejected {
                genome: Digest::of(b""),
                stage: Stage::Smoke,
                reason: "-".into(),
            },
            FabricError::RolloutConflict("-".into()),
            FabricError::RefinementConflict("-".into()),
            FabricError::EvolutionNotFound { agent_type: "parrot".into() },
            FabricError::GenomeStore { code: "genome-store-failed", reason: "-".into() },
            FabricError::NotRunning { state: "not started" },
            FabricError::InvalidRequest(vec!["a is wrong".into(), "so is b".into()]),
            FabricError::Communication("-".into()),
            FabricError::Redis("-".into()),
            FabricError::Configuration(vec!["c is wrong".into()]),
            FabricError::Internal("-".into()),
        ];
        let mut codes: Vec<_> = errors.iter().map(FabricError::code).collect();
        let all: String = errors.iter().map(|error| format!("{error}\n")).collect();
        for expected in
            ["known: parrot", "raise the setting", "submit again in 2 s", "a is wrong; so is b"]
        {
            assert!(all.contains(expected), "{expected}\n{all}");
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), errors.len());
    }

    #[test]
    fn a_type_that_is_not_found_names_those_that_would_do() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let said_with = |known: &[&str], down: &[&str], task_types: &[&str]| {
            let (agent_type, known, down) = ("ecko".to_owned(), names(known), names(down));
            let task_types = names(task_types);
            FabricError::AgentTypeNotFound { agent_type, known, down, task_types }.to_string()
        };
        let said = |known: &[&str], down: &[&str]| said_with(known, down, &[]);
        let begin = "no agent of type \"ecko\" runs and none is registered; known: ";
        assert_eq!(said(&[], &[]), format!("{begin}none"));
        assert_eq!(said(&["echo", "parrot"], &[]), format!("{begin}echo, parrot"));
        let down = "; declared, but down, since they did not start: a, b";
        assert_eq!(said(&["echo"], &["a", "b"]), format!("{begin}echo{down}"));
        let supported = "; task types that agents support: c, d";
        assert_eq!(said_with(&["echo"], &[], &["c", "d"]), format!("{begin}echo{supported}"));
    }

    #[test]
    fn a_fault_of_the_host_is_not_an_agents() {
        let message = || "-".to_owned();
        for (error, is_of_an_agent) in [
            (of(breach(QuotaKind::AgentTimeout)), true),
            (of(breach(QuotaKind::Memory)), true),
            (of(GuestFault::Failed { during: Call::Init, message: message() }), true),
            (of(Fault::Stopped), true),
            (of(HostFault::NoRoom { message: message() }), false),
            (FabricError::AgentNotFound(agent()), false),
            (FabricError::Internal(message()), false),
        ] {
            assert_eq!(error.is_of_an_agent(), is_of_an_agent, "{error}");
        }
    }

    /// An error that passes through the fabric reads as the part that made it wrote it.
    #[test]
    fn an_error_of_a_part_keeps_its_words() {
        let store = StoreError::Failed { reason: "the disk".into() };
        let text = store.to_string();
        let error = FabricError::from(store);
        assert_eq!((error.code(), error.to_string()), ("store-failed", text));
        let refusal = Refusal::TooLarge { bytes: 2, limit: 1 };
        let (code, text) = (refusal.code(), refusal.to_string());
        let error = FabricError::from(refusal);
        assert_eq!((error.code(), error.to_string()), (code, text));
        let host = HostFault::Internal { message: "-".into() };
        assert_eq!(of(host.clone()).to_string(), Fault::Host(host).to_string());
    }
}
