//! What the operator should know of a fabric that runs.

use super::Fabric;

/// Something that is not as the settings suggest, and is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable word, for searches in the log.
    pub code: &'static str,
    /// What it is, and what to do.
    pub message: &'static str,
}

const REDIS: Warning = Warning {
    code: "redis-not-used",
    message: "`redis_url` is set, and this version does not connect to Redis: tasks are in this host's \
              own store, and no other host sees them. Leave the setting empty to be without this warning",
};

impl Fabric {
    /// What there is to be warned of. `start` logs each once, and `/readyz` shows them.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.config.redis_url.iter().map(|_| REDIS).collect()
    }
}
