//! What a host answers when it does not do what it was asked (RFC 9457).

use std::borrow::Cow;

use chimera_layer4_core::{FabricError, Refusal};
use serde::{Deserialize, Serialize};

/// The codes of problems that only a request over HTTP can have. All others are
/// those of [`FabricError::code`].
pub mod code {
    use chimera_layer4_core::FabricError;

    /// The request itself is wrong.
    pub const INVALID_REQUEST: &str = FabricError::INVALID_REQUEST;
    /// The body did not arrive in time.
    pub const BODY_TIMEOUT: &str = "body-timeout";
    /// There is no room for another large request now.
    pub const BUSY: &str = "busy";
    /// The request is for another host.
    pub const FOREIGN_HOST: &str = "foreign-host";
    /// A page of another site sent the request.
    pub const FOREIGN_ORIGIN: &str = "foreign-origin";
    /// The handler of the request failed.
    pub const INTERNAL: &str = FabricError::INTERNAL;
    /// The agents are being loaded.
    pub const LOADING: &str = "loading";
    /// The route does not know the method.
    pub const NO_SUCH_METHOD: &str = "no-such-method";
    /// There is no such route.
    pub const NO_SUCH_ROUTE: &str = "no-such-route";
    /// The body is not declared as JSON.
    pub const NOT_JSON: &str = "not-json";
    /// The body is not declared as a component.
    pub const NOT_WASM: &str = "not-wasm";
    /// The task is no dead letter.
    pub const TASK_NOT_DEAD: &str = "task-not-dead";
    /// The task has not ended.
    pub const TASK_NOT_ENDED: &str = "task-not-ended";
    /// The body is too large.
    pub const TOO_LARGE: &str = "too-large";
    /// As many listen to events as may.
    pub const TOO_MANY_LISTENERS: &str = "too-many-listeners";
    /// The request does not show the host's token.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// The body is compressed.
    pub const UNSUPPORTED_ENCODING: &str = "unsupported-encoding";
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:chimera:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: Cow<'static, str>,
    /// What happened, the value, what is allowed and what to do.
    pub detail: String,
    /// Seconds after which it may work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<f64>,
}

impl Problem {
    /// Whether a component was refused before it ran.
    #[must_use]
    pub fn is_of_a_component(&self) -> bool {
        self.code == FabricError::GENOME_REJECTED || Refusal::CODES.contains(&&*self.code)
    }

    /// Whether another request may be answered.
    #[must_use]
    pub fn is_of_the_request(&self) -> bool {
        (400..500).contains(&self.status)
    }

    /// Whether what was named is not there, or not in the state for this.
    #[must_use]
    pub fn is_of_its_object(&self) -> bool {
        matches!(self.status, 404 | 409)
    }
}
