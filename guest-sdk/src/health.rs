//! How an agent says it is.

/// How well an agent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// Ready for work.
    #[default]
    Healthy,
    /// Works, with less than its full abilities.
    Degraded,
    /// Cannot work. The host restarts it.
    Unhealthy,
}

/// The answer to a health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How well the agent is.
    pub status: HealthStatus,
    /// Why, in words for the operator.
    pub message: Option<String>,
}

impl Health {
    /// Ready for work.
    pub fn healthy() -> Self {
        Self::default()
    }

    /// Works, with less than its full abilities; says which are missing.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, message: Some(message.into()) }
    }

    /// Cannot work and wants to be restarted; says why.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unhealthy, message: Some(message.into()) }
    }
}
