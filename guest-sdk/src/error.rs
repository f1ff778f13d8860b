//! Why a call did not succeed, in the three cases that the host tells apart.

use std::fmt::{self, Display};
use std::time::Duration;

/// Why a call did not succeed. The case decides what the host does next, so
/// choose by that and put the reason into the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentError {
    /// The input is wrong and will stay wrong: never tried again.
    InvalidInput(String),
    /// Something outside the agent was not there: tried again later.
    Unavailable {
        /// What was missing.
        message: String,
        /// How long to wait before another attempt makes sense, where known.
        retry_after: Option<Duration>,
    },
    /// The work failed for good: not tried again.
    Failed(String),
}

impl AgentError {
    /// The input is wrong and will stay wrong.
    pub fn invalid_input(message: impl Display) -> Self {
        Self::InvalidInput(message.to_string())
    }

    /// Something outside the agent was not there.
    pub fn unavailable(message: impl Display) -> Self {
        Self::Unavailable { message: message.to_string(), retry_after: None }
    }

    /// Something outside the agent was not there, and this says when it may be.
    pub fn unavailable_for(message: impl Display, retry_after: Duration) -> Self {
        Self::Unavailable { message: message.to_string(), retry_after: Some(retry_after) }
    }

    /// The work failed for good.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// What happened, without the case.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidInput(message) | Self::Failed(message) => message,
            Self::Unavailable { message, .. } => message,
        }
    }
}

impl Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput(message) => write!(f, "invalid input: {message}"),
            Self::Unavailable { message, retry_after: Some(wait) } => {
                write!(f, "unavailable: {message} (try again after {wait:?})")
            }
            Self::Unavailable { message, .. } => write!(f, "unavailable: {message}"),
            Self::Failed(message) => write!(f, "failed: {message}"),
        }
    }
}

impl std::error::Error for AgentError {}

/// Turns any error into an [`AgentError`] and says what was being done.
///
/// There is no `From<io::Error>`: whether a missing file is the submitter's
/// mistake or a passing trouble is for the agent to say.
///
/// ```
/// use chimera_agent_sdk::prelude::*;
///
/// fn read(path: &str) -> Result<String, AgentError> {
///     std::fs::read_to_string(path).or_invalid_input(format_args!("cannot read `{path}`"))
/// }
///
/// let error = read("/nowhere/x.csv").unwrap_err();
/// assert!(error.message().starts_with("cannot read `/nowhere/x.csv`: "));
/// ```
pub trait OrAgentError<T> {
    /// The input is to blame.
    fn or_invalid_input(self, doing: impl Display) -> Result<T, AgentError>;

    /// Something outside is to blame, and it may pass.
    fn or_unavailable(self, doing: impl Display) -> Result<T, AgentError>;

    /// The work is at its end.
    fn or_failed(self, doing: impl Display) -> Result<T, AgentError>;
}

impl<T, E: Display> OrAgentError<T> for Result<T, E> {
    fn or_invalid_input(self, doing: impl Display) -> Result<T, AgentError> {
        self.map_err(|error| AgentError::InvalidInput(format!("{doing}: {error}")))
    }

    fn or_unavailable(self, doing: impl Display) -> Result<T, AgentError> {
        self.map_err(|error| AgentError::unavailable(format_args!("{doing}: {error}")))
    }

    fn or_failed(self, doing: impl Display) -> Result<T, AgentError> {
        self.map_err(|error| AgentError::Failed(format!("{doing}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_case_and_the_wait() {
        let rows = [
            (AgentError::invalid_input("no rows"), "invalid input: no rows"),
            (AgentError::failed("gave up"), "failed: gave up"),
            (AgentError::unavailable("index"), "unavailable: index"),
            (
                AgentError::unavailable_for("index", Duration::from_millis(1500)),
                "unavailable: index (try again after 1.5s)",
            ),
        ];
        for (error, expected) in rows {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_foreign_error_keeps_its_words() {
        let parsed: Result<u8, _> = "300".parse::<u8>();
        assert_eq!(
            parsed.clone().or_failed("cannot read the year"),
            Err(AgentError::failed("cannot read the year: number too large to fit in target type"))
        );
        assert!(matches!(
            parsed.or_unavailable("x"),
            Err(AgentError::Unavailable { retry_after: None, .. })
        ));
    }
}
