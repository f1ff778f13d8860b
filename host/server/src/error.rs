//! The one table from errors to statuses, codes and public words (RFC 9457).

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::problem::code;
use chimera_layer4_api::{self as wire, paths};
use chimera_layer4_core::FabricError;
use chimera_layer4_core::scheduler::store::StoreError;

/// When to ask again for an agent type that is down.
const DOWN_SECS: f64 = 30.0;

/// A problem as an answer: axum's traits want a type of this crate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem(pub(super) wire::Problem);

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(wire::Problem {
            kind: format!("urn:chimera:{code}"),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            retry_after_secs: None,
        })
    }

    /// It may work after so many seconds.
    pub(super) fn after(mut self, seconds: f64) -> Self {
        self.0.retry_after_secs = Some(seconds);
        self
    }

    /// The request itself is wrong.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, detail)
    }
}

impl From<FabricError> for Problem {
    fn from(error: FabricError) -> Self {
        let status = status(&error);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            // The client cannot repair it, and the message may reveal too much.
            tracing::error!(%error, "a request failed");
            let detail = "something failed in the host; its log says what";
            return Self::new(status, error.code(), detail);
        }
        let retry_after_secs = match &error {
            FabricError::QueueFull { retry_after, .. } => Some(retry_after.as_secs_f64()),
            FabricError::Store(StoreError::Unavailable { .. })
            | FabricError::AgentTypeLoading { .. } => Some(1.0),
            // An operator must repair it and reload.
            FabricError::AgentTypeDown { .. } => Some(DOWN_SECS),
            _ => None,
        };
        let detail = match &error {
            // An HTTP client has routes where the library has functions.
            FabricError::AgentNotFound(id) => {
                format!("there is no agent {id}; GET {} lists those that run", paths::AGENTS)
            }
            FabricError::EvolutionNotFound { agent_type } => format!(
                "there is no evolution of {agent_type:?}; GET {} lists those that there are",
                paths::EVOLUTIONS
            ),
            error => error.to_string(),
        };
        let Self(problem) = Self::new(status, error.code(), detail);
        Self(wire::Problem { retry_after_secs, ..problem })
    }
}

/// Without a `_`, so that the compiler asks for the status of a new error.
fn status(error: &FabricError) -> StatusCode {
    match error {
        FabricError::InvalidRequest(_) | FabricError::Serialization(_) => StatusCode::BAD_REQUEST,
        FabricError::TaskNotFound(_)
        | FabricError::AgentNotFound(_)
        | FabricError::GenomeNotFound(_)
        | FabricError::EvolutionNotFound { .. }
        | FabricError::AgentTypeNotFound { .. } => StatusCode::NOT_FOUND,
        FabricError::TaskEnded { .. }
        | FabricError::AgentTypeDeclared { .. }
        | FabricError::RolloutConflict(_)
        | FabricError::RefinementConflict(_)
        | FabricError::IdempotencyKeyTaken { .. } => StatusCode::CONFLICT,
        FabricError::QueueFull { .. } => StatusCode::TOO_MANY_REQUESTS,
        FabricError::Refused(_)
        | FabricError::GenomeRejected { .. }
        | FabricError::AgentFault { .. }
        | FabricError::ResourceQuotaExceeded { .. }
        | FabricError::AgentTimeout { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        FabricError::TooManyAgents { .. }
        | FabricError::NotRunning { .. }
        | FabricError::AgentTypeLoading { .. }
        | FabricError::AgentTypeDown { .. }
        | FabricError::Store(StoreError::Unavailable { .. } | StoreError::Closed)
        // An operator can repair these, and the message says how.
        | FabricError::KeyValue(_)
        | FabricError::GenomeStore { .. }
        | FabricError::Host(_) => StatusCode::SERVICE_UNAVAILABLE,
        FabricError::WasmRuntime(_)
        | FabricError::Store(StoreError::Failed { .. })
        | FabricError::Communication(_)
        | FabricError::Redis(_)
        | FabricError::Configuration(_)
        | FabricError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A problem's code, which its answer carries for the log.
#[derive(Clone, Debug)]
pub(super) struct Code(pub(super) Cow<'static, str>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let (retry, code) = (problem.retry_after_secs, problem.code);
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
        response.extensions_mut().insert(Code(code));
        if let Some(seconds) = retry {
            let whole = HeaderValue::from(seconds.ceil().max(1.0) as u64);
            response.headers_mut().insert(header::RETRY_AFTER, whole);
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let retry_after = Duration::from_millis(1500);
        let agent_type = "echo".to_owned();
        let problem =
            Problem::from(FabricError::QueueFull { agent_type, capacity: 3, retry_after });
        assert_eq!((problem.0.status, &*problem.0.code), (429, "queue-full"));
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn internal_detail_stays_out_of_the_answer() {
        let problem = Problem::from(FabricError::Internal("a private word".into()));
        assert_eq!(problem.0.status, 500);
        assert!(!problem.0.detail.contains("private"), "{problem:?}");
    }
}
