//! The API of a host, with a method for each route.

mod error;
mod genomes;
mod host;
mod send;
mod sse;
mod tasks;

use std::time::Duration;

pub use error::{ClientError, Host, NoAnswer};
pub use sse::Event;

use send::Sender;

/// What a method of the client answers.
pub type ClientResult<T> = Result<T, ClientError>;

/// The API of a host.
#[derive(Clone)]
pub struct Client(Sender);

impl Client {
    /// The API of a host, which is asked without a token.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self(Sender::new(host))
    }

    /// The same, with a token for each request.
    #[must_use]
    pub fn with_token(mut self, token: Option<&str>) -> Self {
        self.0.token = token.map(Into::into);
        self
    }

    /// Whether a host answers `within` this time.
    ///
    /// # Errors
    /// `NoAnswer`: nothing is there, or what is there is no host.
    pub async fn greet(&self, within: Duration) -> ClientResult<()> {
        self.0.greet(within).await
    }
}
