//! Exit codes: part of the program's interface, listed in its help and in
//! `docs/src/troubleshooting.md`.

use std::process::ExitCode;

use chimera_layer4_api::{ClientError, Problem};
use chimera_layer4_core::{FabricError, FabricResult, Fault, HostFault};

use chimera_layer4_evolution::EvolutionError;
use chimera_layer4_toolchain::BuildError;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success = 0,
    /// The agent failed: it said so, trapped, or broke the contract.
    AgentFailed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A file, a folder, a setting or a task is wrong.
    BadInput = 3,
    /// The component was refused before it ran, or does not keep the contract.
    Refused = 4,
    /// A quota was met.
    OverQuota = 5,
    /// A project did not build.
    BuildFailed = 6,
    /// The host failed.
    HostFailed = 7,
    /// Ended by SIGINT or SIGTERM; 130 as after the former, whichever it was.
    Interrupted = 130,
}

/// The table in `chimera --help`.
pub(super) const HELP: &str = "\
Exit codes:
  0    done
  1    the agent failed: it said so, trapped, or broke the contract
  2    the command line is wrong
  3    a file, folder, setting or task is wrong
  4    the component was refused, or checked and found not to keep the contract
  5    a quota was met
  6    a project did not build
  7    the host failed
  130  interrupted";

/// Input that cannot be used: what it is, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadInput(pub(super) String);

/// How a host ended, whatever its agents' own `shutdown` did: the log names those
/// that failed, and a guest has no say in how the program ends. Whether all of
/// them ended well.
///
/// # Errors
/// The host itself failed.
pub(super) fn despite_agents(ended: FabricResult<()>) -> FabricResult<bool> {
    match ended {
        Err(error) if error.is_of_an_agent() => Ok(false),
        ended => ended.map(|()| true),
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    pub(super) fn of(error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<FabricError>() {
            return Self::of_library(error);
        }
        if let Some(error) = error.downcast_ref::<EvolutionError>() {
            return Self::of_evolution(error);
        }
        if let Some(problem) = error.downcast_ref::<ClientError>().and_then(ClientError::problem) {
            return Self::of_problem(problem);
        }
        match error.downcast_ref::<BuildError>() {
            Some(BuildError::NotAProject(_) | BuildError::Files { .. }) => Exit::BadInput,
            Some(_) => Exit::BuildFailed,
            None if error.is::<BadInput>() => Exit::BadInput,
            None => Exit::HostFailed,
        }
    }

    fn of_problem(problem: &Problem) -> Self {
        if problem.is_of_a_component() {
            Exit::Refused
        } else if problem.is_of_the_request() {
            Exit::BadInput
        } else {
            Exit::HostFailed
        }
    }

    pub(super) fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Guest(_) => Exit::AgentFailed,
            Fault::OverQuota(_) => Exit::OverQuota,
            Fault::Host(HostFault::Folder { .. }) => Exit::BadInput,
            Fault::Host(_) => Exit::HostFailed,
            Fault::Stopped | Fault::Cancelled => Exit::Interrupted,
        }
    }

    fn of_evolution(error: &EvolutionError) -> Self {
        match error {
            EvolutionError::Options(_)
            | EvolutionError::Busy(_)
            | EvolutionError::Differs { .. }
            | EvolutionError::Generator { .. } => Exit::BadInput,
            EvolutionError::Start(_) => Exit::AgentFailed,
            EvolutionError::State { .. } => Exit::HostFailed,
            EvolutionError::Fabric(error) => Self::of_library(error),
        }
    }

    fn of_library(error: &FabricError) -> Self {
        match error {
            FabricError::Refused(_) | FabricError::GenomeRejected { .. } => Exit::Refused,
            FabricError::AgentFault { fault, .. } => Self::of_fault(fault),
            FabricError::ResourceQuotaExceeded { .. } | FabricError::AgentTimeout { .. } => {
                Exit::OverQuota
            }
            FabricError::Configuration(_)
            | FabricError::InvalidRequest(_)
            | FabricError::Serialization(_)
            | FabricError::TaskNotFound(_)
            | FabricError::TaskEnded { .. }
            | FabricError::GenomeNotFound(_)
            | FabricError::RolloutConflict(_)
            | FabricError::RefinementConflict(_)
            | FabricError::AgentTypeNotFound { .. }
            | FabricError::AgentTypeDeclared { .. }
            | FabricError::IdempotencyKeyTaken { .. } => Exit::BadInput,
            FabricError::Host(HostFault::Folder { .. }) => Exit::BadInput,
            _ => Exit::HostFailed,
        }
    }
}
