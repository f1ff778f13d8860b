//! Why a host did not do what it was asked.

use std::fmt;
use std::sync::Arc;

use crate::problem::Problem;

/// Why a host did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It says why.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// It did not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It answered with a status, and not with a problem.
    #[error("the host at {url} answered {status}")]
    Unexplained {
        /// Where it is.
        url: String,
        /// The status, with its words.
        status: String,
    },
    /// A body could not be written, or is not what it should be.
    #[error(transparent)]
    Body(#[from] serde_json::Error),
    /// A query could not be written.
    #[error(transparent)]
    Query(#[from] serde_urlencoded::ser::Error),
    /// A request could not be made of its address.
    #[error(transparent)]
    Request(#[from] ureq::http::Error),
    /// The thread that sent the request ended before its time.
    #[error(transparent)]
    Thread(#[from] tokio::task::JoinError),
}

impl ClientError {
    /// What the host says, if it says why.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Refused(problem) => Some(problem),
            ClientError::NoAnswer(_)
            | ClientError::Unexplained { .. }
            | ClientError::Body(_)
            | ClientError::Query(_)
            | ClientError::Request(_)
            | ClientError::Thread(_) => None,
        }
    }
}

/// Who is asked, and what helps if there is no answer.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it is.
    pub url: String,
    /// Which host it is, as in "the host at http://127.0.0.1:9090".
    pub name: String,
    /// What helps if it goes on, as in "look at its log".
    pub advice: String,
}

/// A host did not answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// Which host.
    pub host: Arc<Host>,
    /// What it was asked.
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// What happened instead.
    pub why: String,
}

impl std::error::Error for NoAnswer {}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, method, path, why } = self;
        let next = if *method == "GET" {
            "ask again in a moment"
        } else {
            "it may have done what was asked or not, so look first, and ask again in a moment"
        };
        write!(
            f,
            "{} did not answer {method} {path}: {why}. It may be overloaded, starting or shutting \
             down: {next}; if it goes on, {}",
            host.name, host.advice
        )
    }
}
