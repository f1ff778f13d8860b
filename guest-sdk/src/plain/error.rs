//! Why a call of an agent in the specification's form did not succeed.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

use serde::de::Error as _;

use super::{AgentId, TaskId};
use crate::AgentError;

/// What a fallible call of an agent returns.
pub type Layer4Result<T> = Result<T, Layer4Error>;

/// An error of any kind.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call did not succeed. What the host does next depends on the variant:
///
/// | variant | the host |
/// | --- | --- |
/// | `Serialization` | takes the input for wrong and never tries again; of `init`, as the last row |
/// | `AgentTimeout`, `Communication`, `Redis` | takes something outside for absent and tries again later |
/// | the others | takes the work for failed and never tries again |
///
/// An [`AgentError`] turned into one of these keeps its case, its words and its time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Layer4Error {
    /// A component failed.
    WasmRuntime(BoxError),
    /// Data is not of the form that is expected. `?` on a result of `serde_json` makes it.
    Serialization(serde_json::Error),
    /// There is no such task.
    TaskNotFound(TaskId),
    /// There is no such agent.
    AgentNotFound(AgentId),
    /// A limit was met.
    ResourceQuotaExceeded(String),
    /// Something did not answer in so many seconds.
    AgentTimeout(u64),
    /// Something outside could not be reached. `?` on a result of I/O makes it.
    Communication(io::Error),
    /// The event bus failed.
    Redis(BoxError),
    /// A setting is wrong.
    Configuration(String),
    /// Anything else.
    Internal(String),
}

impl Display for Layer4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WasmRuntime(error) => write!(f, "the component failed: {error}"),
            Self::Serialization(error) => write!(f, "the data does not fit: {error}"),
            Self::TaskNotFound(id) => write!(f, "there is no task `{id}`"),
            Self::AgentNotFound(id) => write!(f, "there is no agent `{id}`"),
            Self::ResourceQuotaExceeded(message) => write!(f, "a quota is exceeded: {message}"),
            Self::AgentTimeout(seconds) => write!(f, "there is no answer after {seconds} s"),
            Self::Communication(error) => write!(f, "the communication failed: {error}"),
            Self::Redis(error) => write!(f, "Redis failed: {error}"),
            Self::Configuration(message) => write!(f, "the configuration is wrong: {message}"),
            Self::Internal(message) => f.write_str(message),
        }
    }
}

impl Error for Layer4Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::WasmRuntime(error) | Self::Redis(error) => Some(&**error),
            Self::Serialization(error) => Some(error),
            Self::Communication(error) => Some(error),
            _ => None,
        }
    }
}

impl From<serde_json::Error> for Layer4Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Serialization(error)
    }
}

impl From<io::Error> for Layer4Error {
    fn from(error: io::Error) -> Self {
        Self::Communication(error)
    }
}

impl From<AgentError> for Layer4Error {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::InvalidInput(message) => {
                Self::Serialization(serde_json::Error::custom(message))
            }
            AgentError::Unavailable { .. } => Self::Communication(io::Error::other(error)),
            AgentError::Failed(message) => Self::Internal(message),
        }
    }
}

/// The case that the host acts on.
impl From<Layer4Error> for AgentError {
    fn from(error: Layer4Error) -> Self {
        match error {
            Layer4Error::Serialization(error) => AgentError::invalid_input(error),
            Layer4Error::Communication(error) => match error.downcast::<AgentError>() {
                Ok(error) => error,
                Err(error) => AgentError::unavailable(Layer4Error::Communication(error)),
            },
            Layer4Error::AgentTimeout(_) | Layer4Error::Redis(_) => AgentError::unavailable(error),
            // A quota that one attempt meets, the next one meets too.
            Layer4Error::ResourceQuotaExceeded(_)
            | Layer4Error::WasmRuntime(_)
            | Layer4Error::TaskNotFound(_)
            | Layer4Error::AgentNotFound(_)
            | Layer4Error::Configuration(_)
            | Layer4Error::Internal(_) => AgentError::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn json_error() -> serde_json::Error {
        serde_json::from_str::<u8>("true").unwrap_err()
    }

    #[test]
    fn each_variant_leads_to_a_case_with_its_words() {
        let rows = [
            (Layer4Error::WasmRuntime("trap".into()), "failed: the component failed: trap"),
            (
                Layer4Error::Serialization(json_error()),
                "invalid input: invalid type: boolean `true`, expected u8 at line 1 column 4",
            ),
            (Layer4Error::TaskNotFound("t".into()), "failed: there is no task `t`"),
            (Layer4Error::AgentNotFound("a".into()), "failed: there is no agent `a`"),
            (
                Layer4Error::ResourceQuotaExceeded("64 MiB".into()),
                "failed: a quota is exceeded: 64 MiB",
            ),
            (Layer4Error::AgentTimeout(5), "unavailable: there is no answer after 5 s"),
            (
                Layer4Error::Communication(io::Error::other("reset")),
                "unavailable: the communication failed: reset",
            ),
            (Layer4Error::Redis("away".into()), "unavailable: Redis failed: away"),
            (
                Layer4Error::Configuration("no model".into()),
                "failed: the configuration is wrong: no model",
            ),
            (Layer4Error::Internal("a bug".into()), "failed: a bug"),
        ];
        for (error, expected) in rows {
            assert_eq!(AgentError::from(error).to_string(), expected);
        }
    }

    #[test]
    fn an_agent_error_comes_back_as_it_was() {
        for error in [
            AgentError::invalid_input("no rows"),
            AgentError::unavailable("index"),
            AgentError::unavailable_for("index", Duration::from_secs(2)),
            AgentError::failed("gave up"),
        ] {
            assert_eq!(AgentError::from(Layer4Error::from(error.clone())), error);
        }
    }

    #[test]
    fn a_foreign_error_is_the_source() {
        let rows = [
            (Layer4Error::from(json_error()), true),
            (io::Error::other("reset").into(), true),
            (Layer4Error::WasmRuntime("trap".into()), true),
            (Layer4Error::Redis("away".into()), true),
            (Layer4Error::Internal("a bug".into()), false),
        ];
        for (error, has_source) in rows {
            assert_eq!(error.source().is_some(), has_source, "{error}");
        }
        assert!(Layer4Error::from(json_error()).to_string().starts_with("the data does not fit"));
    }
}
