//! Why a run did not succeed, and which side caused it.
//!
//! The cause decides what happens next, so the kinds are types that are
//! matched without a `_` arm: a fault of the guest counts against the agent, a
//! breach names its quota, a fault of the host is ours, and being stopped or
//! cancelled counts against no side.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a run did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "detail")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Fault {
    /// The agent failed, or said that it cannot do this task.
    #[error(transparent)]
    Guest(GuestFault),
    /// The run met one of its limits.
    #[error(transparent)]
    OverQuota(Breach),
    /// The host failed; the agent did nothing wrong.
    #[error(transparent)]
    Host(HostFault),
    /// The agent or the whole host is shutting down.
    #[error("stopped, because the agent or the host is shutting down")]
    Stopped,
    /// The submitter took the task back.
    #[error("cancelled by its submitter")]
    Cancelled,
}

impl Fault {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Guest(fault) => fault.code(),
            Fault::OverQuota(breach) => breach.quota.code(),
            Fault::Host(fault) => fault.code(),
            Fault::Stopped => "stopped",
            Fault::Cancelled => "cancelled",
        }
    }
}

/// The calls that the host makes into a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Call {
    /// Making the instance, which runs its start functions.
    Instantiate,
    /// `init`.
    Init,
    /// `capabilities`.
    Capabilities,
    /// `execute-task`.
    ExecuteTask,
    /// `health`.
    Health,
    /// `shutdown`.
    Shutdown,
    /// `save`.
    Save,
    /// `restore`.
    Restore,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Instantiate => "instantiation",
            Call::Init => "`init`",
            Call::Capabilities => "`capabilities`",
            Call::ExecuteTask => "`execute-task`",
            Call::Health => "`health`",
            Call::Shutdown => "`shutdown`",
            Call::Save => "`save`",
            Call::Restore => "`restore`",
        })
    }
}

/// The agent failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "fault")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum GuestFault {
    /// The agent says that the input is wrong. Another attempt ends the same way.
    #[error("{during} refused its input: {message}")]
    InvalidInput {
        /// Where it happened.
        during: Call,
        /// The agent's own words.
        message: String,
    },
    /// The agent says that something it needs is away. It may work later.
    #[error("{during} lacked something outside the agent: {message}")]
    Unavailable {
        /// Where it happened.
        during: Call,
        /// The agent's own words.
        message: String,
        /// Milliseconds before another attempt makes sense, if the agent knows.
        retry_after_ms: Option<u64>,
    },
    /// The agent says that it failed for good.
    #[error("{during} failed: {message}")]
    Failed {
        /// Where it happened.
        during: Call,
        /// The agent's own words.
        message: String,
    },
    /// The guest trapped.
    #[error("{during} trapped: {code}{}", in_parentheses(.message))]
    Trap {
        /// Where it happened.
        during: Call,
        /// What kind of trap.
        code: TrapCode,
        /// Innermost frames of the guest and what it wrote last, such as the
        /// message and place of a panic; may be empty.
        message: String,
    },
    /// The guest called `exit`, which ends an instance in the middle of a call.
    #[error(
        "{during} called exit with status {status}; an agent returns from its calls instead{}",
        in_parentheses(.message)
    )]
    Exited {
        /// Where it happened.
        during: Call,
        /// The status that it gave.
        status: i32,
        /// What it wrote last; may be empty.
        #[serde(default)]
        message: String,
    },
    /// The output is not what the contract promises.
    #[error("{during} returned an output that is not JSON: {reason}")]
    BadOutput {
        /// Where it happened.
        during: Call,
        /// What is wrong with it.
        reason: String,
    },
    /// The output is JSON that the host does not take. Another attempt ends the same way.
    #[error("{during} returned an output that this host does not take: {reason}")]
    RefusedOutput {
        /// Where it happened.
        during: Call,
        /// What is too much of it, and what is allowed.
        reason: String,
    },
}

fn in_parentheses(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl GuestFault {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            GuestFault::InvalidInput { .. } => "invalid-input",
            GuestFault::Unavailable { .. } => "unavailable",
            GuestFault::Failed { .. } => "failed",
            GuestFault::Trap { .. } => "trap",
            GuestFault::Exited { .. } => "exited",
            GuestFault::BadOutput { .. } => "bad-output",
            GuestFault::RefusedOutput { .. } => "refused-output",
        }
    }

    /// Whether the call returned, so that its instance may go on.
    #[must_use]
    pub fn returned(&self) -> bool {
        match self {
            GuestFault::InvalidInput { .. }
            | GuestFault::Unavailable { .. }
            | GuestFault::Failed { .. }
            | GuestFault::BadOutput { .. }
            | GuestFault::RefusedOutput { .. } => true,
            GuestFault::Trap { .. } | GuestFault::Exited { .. } => false,
        }
    }
}

/// The kinds of trap, in the words of the WebAssembly specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TrapCode {
    /// `unreachable` was executed: what a panic ends in.
    Unreachable,
    /// The call stack ran out.
    StackOverflow,
    /// A memory was accessed out of bounds.
    MemoryOutOfBounds,
    /// A table was accessed out of bounds.
    TableOutOfBounds,
    /// An indirect call met no function, or one of another type.
    BadIndirectCall,
    /// Arithmetic without a result: division by zero, overflow.
    Arithmetic,
    /// A component-model rule was broken: a bad pointer, a re-entered instance.
    ComponentModel,
    /// Anything else.
    Other,
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrapCode::Unreachable => "unreachable code was reached, as after a panic",
            TrapCode::StackOverflow => "the call stack ran out",
            TrapCode::MemoryOutOfBounds => "memory was accessed out of bounds",
            TrapCode::TableOutOfBounds => "a table was accessed out of bounds",
            TrapCode::BadIndirectCall => "an indirect call met no fitting function",
            TrapCode::Arithmetic => "arithmetic without a result",
            TrapCode::ComponentModel => "a rule of the component model was broken",
            TrapCode::Other => "the guest could not go on",
        })
    }
}

/// The limits that a run can meet. The CPU share is not among them: a guest
/// over its share waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum QuotaKind {
    /// `max_memory_mb`.
    Memory,
    /// `max_execution_time_secs`.
    ExecutionTime,
    /// The task's deadline.
    Deadline,
    /// The host's limit for housekeeping calls, `agent_timeout_secs`.
    AgentTimeout,
    /// What one call may make the host hold on the guest's behalf.
    HostMemory,
    /// Open handles: streams, folders, spans.
    Handles,
    /// Open file descriptors: files, folders, sockets.
    Descriptors,
    /// Instances, memories or tables inside one component.
    Instances,
    /// `max_network_mbps`, where it is none.
    Network,
}

impl QuotaKind {
    /// Every limit.
    pub const ALL: [QuotaKind; 9] = [
        QuotaKind::Memory,
        QuotaKind::ExecutionTime,
        QuotaKind::Deadline,
        QuotaKind::AgentTimeout,
        QuotaKind::HostMemory,
        QuotaKind::Handles,
        QuotaKind::Descriptors,
        QuotaKind::Instances,
        QuotaKind::Network,
    ];

    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            QuotaKind::Memory => "over-memory",
            QuotaKind::ExecutionTime => "over-execution-time",
            QuotaKind::Deadline => "past-deadline",
            QuotaKind::AgentTimeout => "agent-timeout",
            QuotaKind::HostMemory => "over-host-memory",
            QuotaKind::Handles => "over-handles",
            QuotaKind::Descriptors => "over-descriptors",
            QuotaKind::Instances => "over-instances",
            QuotaKind::Network => "no-network",
        }
    }

    /// The name that an operator sets, or the limit's own where it is fixed.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            QuotaKind::Memory => "max_memory_mb",
            QuotaKind::ExecutionTime => "max_execution_time_secs",
            QuotaKind::Deadline => "deadline",
            QuotaKind::AgentTimeout => "agent_timeout_secs",
            QuotaKind::HostMemory => "host memory per call",
            QuotaKind::Handles => "open handles",
            QuotaKind::Descriptors => "open file descriptors",
            QuotaKind::Instances => "instances in one component",
            QuotaKind::Network => "max_network_mbps",
        }
    }
}

/// Who set the limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LimitSource {
    /// The task's own quota.
    Task,
    /// The agent's quota.
    Agent,
    /// The host, for every guest alike.
    Host,
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitSource::Task => "the task's quota",
            LimitSource::Agent => "the agent's quota",
            LimitSource::Host => "the host's own limit",
        })
    }
}

/// A run met one of its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{during} went over {}: {detail} ({set_by})", .quota.setting())]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Breach {
    /// Which limit.
    pub quota: QuotaKind,
    /// In which call.
    pub during: Call,
    /// Who set the limit.
    pub set_by: LimitSource,
    /// What was asked for and what is allowed, with units.
    pub detail: String,
}

/// The host failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "fault")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum HostFault {
    /// Every instance slot of the engine is taken.
    #[error("no room for another instance: {message}; raise `max_agents`, or wait for one to end")]
    NoRoom {
        /// What the engine said.
        message: String,
    },
    /// A granted folder cannot be opened.
    #[error("the granted folder {path} cannot be opened: {reason}")]
    Folder {
        /// The folder on the host.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Every file descriptor that agents may have is taken.
    #[error(
        "no file descriptor for the agent: {message}; raise the limit on open files \
         (`ulimit -n`, `LimitNOFILE`)"
    )]
    NoDescriptors {
        /// Whose, and how many there are.
        message: String,
    },
    /// The host went down, or lost the lease, while the task was in its hands.
    #[error("the host went down {times} times while the task was in its hands")]
    Crashed {
        /// Runs and claims that were lost.
        times: u32,
    },
    /// No agent of the task's type could be started.
    #[error("no agent could be started for the task: {message}")]
    NoAgent {
        /// Why, as the operator would be told.
        message: String,
    },
    /// What is stored of the task cannot be read.
    #[error("what is stored of the task cannot be read: {reason}")]
    Unreadable {
        /// Which part, and what is wrong with it.
        reason: String,
    },
    /// Something that should not happen.
    #[error("internal: {message}")]
    Internal {
        /// What is known.
        message: String,
    },
}

impl HostFault {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            HostFault::NoRoom { .. } => "no-room",
            HostFault::Folder { .. } => "folder-unavailable",
            HostFault::NoDescriptors { .. } => "no-descriptors",
            HostFault::Crashed { .. } => "host-crashed",
            HostFault::NoAgent { .. } => "no-agent",
            HostFault::Unreadable { .. } => "unreadable",
            HostFault::Internal { .. } => "host-internal",
        }
    }
}

impl From<GuestFault> for Fault {
    fn from(fault: GuestFault) -> Self {
        Fault::Guest(fault)
    }
}

impl From<Breach> for Fault {
    fn from(breach: Breach) -> Self {
        Fault::OverQuota(breach)
    }
}

impl From<HostFault> for Fault {
    fn from(fault: HostFault) -> Self {
        Fault::Host(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_names_the_setting_the_call_and_who_set_it() {
        let breach = Breach {
            quota: QuotaKind::Memory,
            during: Call::ExecuteTask,
            set_by: LimitSource::Agent,
            detail: "wanted 65 MiB of 64 MiB".into(),
        };
        assert_eq!(
            Fault::from(breach).to_string(),
            "`execute-task` went over max_memory_mb: wanted 65 MiB of 64 MiB (the agent's quota)"
        );
    }

    #[test]
    fn a_fault_survives_its_json() {
        let fault = Fault::Guest(GuestFault::Unavailable {
            during: Call::Init,
            message: "no oracle".into(),
            retry_after_ms: Some(50),
        });
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
    }

    #[test]
    fn a_fault_of_an_earlier_version_is_read() {
        let json = r#"{"kind":"guest","detail":{"fault":"exited","during":"init","status":2}}"#;
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(
            fault.to_string(),
            "`init` called exit with status 2; an agent returns from its calls instead"
        );
    }

    #[test]
    fn a_trap_shows_what_the_guest_wrote_last_and_ends_its_instance() {
        let (during, code) = (Call::ExecuteTask, TrapCode::Unreachable);
        let trap = |message: &str| GuestFault::Trap { during, code, message: message.into() };
        assert!(trap("at main.rs").to_string().ends_with(" (at main.rs)"));
        assert!(!trap("").to_string().contains('('));
        let exited = GuestFault::Exited { during, status: 1, message: String::new() };
        assert!(!trap("").returned() && !exited.returned());
        let message = || "-".to_owned();
        for fault in [
            GuestFault::InvalidInput { during, message: message() },
            GuestFault::Unavailable { during, message: message(), retry_after_ms: None },
            GuestFault::Failed { during, message: message() },
            GuestFault::BadOutput { during, reason: message() },
            GuestFault::RefusedOutput { during, reason: message() },
        ] {
            assert!(fault.returned(), "{fault}");
        }
    }

    #[test]
    fn every_fault_has_a_code_of_its_own() {
        use QuotaKind as Q;
        let during = Call::ExecuteTask;
        let message = || "m".to_owned();
        let quotas = [
            Q::Memory,
            Q::ExecutionTime,
            Q::Deadline,
            Q::AgentTimeout,
            Q::HostMemory,
            Q::Handles,
            Q::Descriptors,
            Q::Instances,
            Q::Network,
        ];
        let breach = |quota| Breach { quota, during, set_by: LimitSource::Task, detail: message() };
        let mut faults: Vec<Fault> = quotas.into_iter().map(|quota| breach(quota).into()).collect();
        faults.extend([
            GuestFault::InvalidInput { during, message: message() }.into(),
            GuestFault::Failed { during, message: message() }.into(),
            GuestFault::Trap { during, code: TrapCode::Arithmetic, message: message() }.into(),
            GuestFault::Exited { during, status: 1, message: message() }.into(),
            GuestFault::BadOutput { during, reason: message() }.into(),
            GuestFault::RefusedOutput { during, reason: message() }.into(),
            GuestFault::Unavailable { during, message: message(), retry_after_ms: None }.into(),
            HostFault::NoRoom { message: message() }.into(),
            HostFault::Folder { path: message(), reason: message() }.into(),
            HostFault::Unreadable { reason: message() }.into(),
            HostFault::NoDescriptors { message: message() }.into(),
            HostFault::Internal { message: message() }.into(),
            Fault::Stopped,
            Fault::Cancelled,
        ]);
        let mut codes: Vec<_> = faults.iter().map(Fault::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), faults.len());
        for call in
            [Call::Instantiate, Call::Init, Call::Capabilities, Call::Health, Call::Shutdown]
        {
            assert!(!call.to_string().is_empty());
        }
    }
}
