//! Why an operation was not done, for either draft.

use chimera_layer4_core::keyvalue::KeyValueError;
use wasmtime::component::ResourceTableError;

use crate::sandbox::limits::memory::OverMemory;

/// Why an operation was not done.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it")]
pub enum Failure {
    /// The agent has no grant.
    AccessDenied,
    /// The message that the guest gets.
    Other(String),
    /// The call ends.
    Trap(wasmtime::Error),
}

pub(super) type Answer<T> = Result<T, Failure>;

impl From<KeyValueError> for Failure {
    fn from(error: KeyValueError) -> Self {
        if let KeyValueError::Failed { reason } = &error {
            tracing::error!(reason, "an agent's key-value store failed");
            return Self::Other("the host's key-value store failed; its log says why".into());
        }
        Self::Other(error.to_string())
    }
}

impl From<OverMemory> for Failure {
    fn from(over: OverMemory) -> Self {
        Self::Trap(over.into())
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
