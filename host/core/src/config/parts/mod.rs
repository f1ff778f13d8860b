//! Every setting, by the part of the host that it belongs to.

pub(super) mod capabilities;
mod components;
mod genomes;
mod http;
mod limits;
mod queue;
mod telemetry;

use super::FabricConfig;
use super::setting::Setting;

pub use capabilities::CapabilitySettings;
pub use components::{
    ComponentSettings, DEFAULT_COMPILE_CPU_SECS, DEFAULT_COMPILE_MEMORY_MB,
    DEFAULT_MAX_COMPONENT_MB, OptLevel,
};
pub use genomes::{DEFAULT_RECORDED_TASKS, GenomeSettings};
pub use http::{DEFAULT_MAX_CONNECTIONS, DEFAULT_METRICS_PORT, HttpSettings};
pub use limits::{
    DEFAULT_AGENT_TIMEOUT_SECS, DEFAULT_HEARTBEAT_INTERVAL_SECS, DEFAULT_MAX_AGENTS, MOST_AGENTS,
};
pub use queue::{
    DEFAULT_DEAD_LETTER_RETENTION_COUNT, DEFAULT_DEAD_LETTER_RETENTION_SECS,
    DEFAULT_DRAIN_TIMEOUT_SECS, DEFAULT_MAX_STORE_MB, DEFAULT_RESULT_RETENTION_COUNT,
    DEFAULT_RESULT_RETENTION_SECS, DEFAULT_TASK_QUEUE_CAPACITY, QueueSettings,
};
pub use telemetry::{DEFAULT_KPI_REPORTING_INTERVAL_SECS, TelemetrySettings};

/// The settings of one part of the host.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its heading in `docs/src/settings.md`.
    pub title: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
}

/// Every setting there is, by part.
pub const PARTS: [Part; 7] = [
    Part { title: "Limits of agents", settings: limits::SETTINGS },
    Part { title: "Components", settings: components::SETTINGS },
    Part { title: "Queue", settings: queue::SETTINGS },
    Part { title: "HTTP API", settings: http::SETTINGS },
    Part { title: "Capabilities", settings: capabilities::SETTINGS },
    Part { title: "Genomes", settings: genomes::SETTINGS },
    Part { title: "Logs, traces and figures", settings: telemetry::SETTINGS },
];

/// Every setting there is.
pub const SETTINGS: &[Setting] = &all();

const COUNT: usize = {
    let (mut parts, mut count) = (PARTS.as_slice(), 0);
    while let [part, rest @ ..] = parts {
        count += part.settings.len();
        parts = rest;
    }
    count
};

#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const fn all() -> [Setting; COUNT] {
    let mut all = [limits::SETTINGS[0]; COUNT];
    let (mut parts, mut at) = (PARTS.as_slice(), 0);
    while let [part, rest @ ..] = parts {
        let mut settings = part.settings;
        while let [setting, more @ ..] = settings {
            all[at] = *setting;
            at += 1;
            settings = more;
        }
        parts = rest;
    }
    all
}

/// What settings may not be, alone or together.
pub(super) fn complaints(config: &FabricConfig) -> Vec<String> {
    let quota = "default_resource_quota.";
    // The quota has complaints of its own, as every quota.
    let ranges = SETTINGS.iter().filter(|setting| !setting.key.starts_with(quota));
    let mut complaints: Vec<String> =
        ranges.filter_map(|setting| setting.out_of_range(config)).collect();
    let of_quota = config.default_resource_quota.complaints();
    complaints.extend(of_quota.into_iter().map(|message| format!("{quota}{message}")));
    complaints.extend(queue::complaints(config));
    complaints.extend(http::complaints(config));
    complaints.extend(telemetry::complaints(config));
    complaints
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_setting_has_its_own_names_and_its_part() {
        let of_parts: usize = PARTS.iter().map(|part| part.settings.len()).sum();
        assert_eq!(SETTINGS.len(), of_parts);
        let names = SETTINGS.iter().flat_map(|one| [Some(one.key), Some(one.variable), one.flag]);
        let names: Vec<&str> = names.flatten().collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        for setting in SETTINGS {
            assert!(setting.help.ends_with('.'), "{} is a sentence", setting.help);
        }
    }
}
