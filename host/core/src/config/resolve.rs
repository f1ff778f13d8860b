//! From text to values: one pass that collects every complaint.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::secret::without_userinfo;
use super::{Layer4Config, Layers, MOST_AGENTS, Secret};
use crate::genome::Redaction;
use crate::quota::{
    MAX_CPU_CORES, MAX_EXECUTION_TIME_SECS, MAX_MEMORY_MB, MAX_NETWORK_MBPS, MIN_CPU_CORES,
    MIN_NETWORK_MBPS,
};

/// One setting: its name in the file, in the environment, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in `chimera.toml`.
    pub key: &'static str,
    /// Its name in the environment.
    pub variable: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// Its value, as text; a secret is not shown.
    pub show: fn(&Layer4Config) -> String,
}

macro_rules! settings {
    ($($key:literal $variable:literal $help:literal $show:expr;)*) => {
        &[$(Setting { key: $key, variable: $variable, help: $help, show: $show }),*]
    };
}

/// Every setting there is.
pub const SETTINGS: &[Setting] = settings![
    "max_agents" "LAYER4_MAX_AGENTS" "agents at once" |c| c.max_agents.to_string();
    "default_resource_quota.max_cpu_cores" "LAYER4_MAX_CPU_CORES" "share of a core"
        |c| c.default_resource_quota.max_cpu_cores.to_string();
    "default_resource_quota.max_memory_mb" "LAYER4_MAX_MEMORY_MB" "MiB of guest memory"
        |c| c.default_resource_quota.max_memory_mb.to_string();
    "default_resource_quota.max_execution_time_secs" "LAYER4_MAX_EXECUTION_TIME_SECS"
        "seconds for one task" |c| c.default_resource_quota.max_execution_time_secs.to_string();
    "default_resource_quota.max_network_mbps" "LAYER4_MAX_NETWORK_MBPS" "Mbit/s each way"
        |c| or_none(c.default_resource_quota.max_network_mbps);
    "task_queue_capacity" "LAYER4_TASK_QUEUE_CAPACITY" "tasks that wait, per agent type"
        |c| c.task_queue_capacity.to_string();
    "heartbeat_interval_secs" "LAYER4_HEARTBEAT_INTERVAL_SECS" "seconds between heartbeats"
        |c| c.heartbeat_interval_secs.to_string();
    "agent_timeout_secs" "LAYER4_AGENT_TIMEOUT_SECS" "seconds for init, health, shutdown"
        |c| c.agent_timeout_secs.to_string();
    "max_component_mb" "LAYER4_MAX_COMPONENT_MB" "MiB of one component"
        |c| c.max_component_mb.to_string();
    "compile_cpu_secs" "LAYER4_COMPILE_CPU_SECS" "seconds of processor time to compile"
        |c| c.compile_cpu_secs.to_string();
    "compile_memory_mb" "LAYER4_COMPILE_MEMORY_MB" "MiB of address space to compile"
        |c| c.compile_memory_mb.to_string();
    "data_dir" "LAYER4_DATA_DIR" "folder for compiled code and tasks" |c| path(&c.data_dir);
    "compile_program" "LAYER4_COMPILE_PROGRAM" "the chimera program that compiles"
        |c| path(&c.compile_program);
    "task_store" "LAYER4_TASK_STORE" "where tasks are kept: embedded, memory"
        |c| c.task_store.to_string();
    "max_store_mb" "LAYER4_MAX_STORE_MB" "MiB of the embedded task store"
        |c| c.max_store_mb.to_string();
    "drain_timeout_secs" "LAYER4_DRAIN_TIMEOUT_SECS" "seconds for tasks at shutdown"
        |c| c.drain_timeout_secs.to_string();
    "result_retention_secs" "LAYER4_RESULT_RETENTION_SECS" "seconds to keep results"
        |c| c.result_retention_secs.to_string();
    "result_retention_count" "LAYER4_RESULT_RETENTION_COUNT" "results to keep"
        |c| c.result_retention_count.to_string();
    "dead_letter_retention_secs" "LAYER4_DEAD_LETTER_RETENTION_SECS"
        "seconds to keep dead letters" |c| c.dead_letter_retention_secs.to_string();
    "dead_letter_retention_count" "LAYER4_DEAD_LETTER_RETENTION_COUNT" "dead letters to keep"
        |c| c.dead_letter_retention_count.to_string();
    "kpi_reporting_interval_secs" "LAYER4_KPI_REPORTING_INTERVAL_SECS"
        "seconds between reports of key figures" |c| c.kpi_reporting_interval_secs.to_string();
    "bind_address" "LAYER4_BIND_ADDRESS" "address of the HTTP API"
        |c| c.bind_address.to_string();
    "metrics_port" "LAYER4_METRICS_PORT" "port of the HTTP API and its metrics; 0: a free one"
        |c| c.metrics_port.to_string();
    "api_token" "LAYER4_API_TOKEN" "bearer token that clients of the HTTP API show"
        |c| if c.api_token.is_some() { "(secret)".into() } else { "none".into() };
    "max_connections" "LAYER4_MAX_CONNECTIONS" "connections to the HTTP API at once"
        |c| c.max_connections.to_string();
    "log_dir" "LAYER4_LOG_DIR" "folder for log files, instead of standard error"
        |c| path(&c.log_dir);
    "http_ca_file" "LAYER4_HTTP_CA_FILE" "PEM file of authorities that agents' HTTPS trusts besides the public ones"
        |c| path(&c.http_ca_file);
    "recorded_tasks" "LAYER4_RECORDED_TASKS" "real tasks of each agent type kept to benchmark genomes with"
        |c| c.recorded_tasks.to_string();
    "recorded_redaction" "LAYER4_RECORDED_REDACTION" "JSON paths, by commas, of what is taken out of a task that is kept"
        |c| Vec::from(c.recorded_redaction.clone()).join(",");
    "otlp_endpoint" "OTEL_EXPORTER_OTLP_ENDPOINT" "OpenTelemetry collector that takes traces over HTTP"
        |c| c.otlp_endpoint.as_deref().map_or_else(|| "none".into(), without_userinfo);
    "debug_mode" "LAYER4_DEBUG_MODE" "detailed logging" |c| c.debug_mode.to_string();
];

fn or_none(value: Option<f64>) -> String {
    value.map_or_else(|| "none".into(), |value| value.to_string())
}

fn path(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(|| "none".into(), |path| path.display().to_string())
}

/// Settings of the specification that nothing reads yet. Taking one in silence
/// would promise something, so it is refused by name.
pub(super) const NOT_YET: &[(&str, &str)] = &[("redis_url", "LAYER4_REDIS_URL")];

/// What each whole number may be.
fn range(key: &str) -> RangeInclusive<u64> {
    match key {
        "max_agents" => 1..=MOST_AGENTS as u64,
        "default_resource_quota.max_memory_mb" => 1..=MAX_MEMORY_MB,
        "default_resource_quota.max_execution_time_secs" => 1..=MAX_EXECUTION_TIME_SECS,
        "task_queue_capacity" => 1..=10_000_000,
        "max_store_mb" => 16..=16_777_216,
        "drain_timeout_secs" => 0..=MAX_EXECUTION_TIME_SECS,
        "result_retention_secs" | "dead_letter_retention_secs" => 1..=10 * 365 * 86_400,
        "result_retention_count" | "dead_letter_retention_count" => 1..=100_000_000,
        "heartbeat_interval_secs" | "agent_timeout_secs" => 1..=86_400,
        "kpi_reporting_interval_secs" => 1..=86_400,
        "max_connections" => 1..=1_000_000,
        "recorded_tasks" => 0..=100_000,
        "max_component_mb" => 1..=1024,
        "compile_cpu_secs" => 1..=600,
        "compile_memory_mb" => 256..=65_536,
        _ => 0..=u64::MAX,
    }
}

pub(super) fn out_of_range(key: &str, value: u64) -> Option<String> {
    let allowed = range(key);
    (!allowed.contains(&value))
        .then(|| format!("{key} is {value}; allowed is {} to {}", allowed.start(), allowed.end()))
}

/// Turns what was typed into settings.
///
/// # Errors
/// Every complaint at once: where it was typed, the value and what is allowed.
pub fn resolve(layers: &Layers) -> Result<Layer4Config, Vec<String>> {
    let mut reader = Reader { layers, complaints: layers.complaints().to_vec() };
    let mut config = Layer4Config::default();
    let quota = &mut config.default_resource_quota;

    reader.cores("default_resource_quota.max_cpu_cores", &mut quota.max_cpu_cores);
    reader.whole("default_resource_quota.max_memory_mb", &mut quota.max_memory_mb);
    reader.whole(
        "default_resource_quota.max_execution_time_secs",
        &mut quota.max_execution_time_secs,
    );
    reader.network("default_resource_quota.max_network_mbps", &mut quota.max_network_mbps);
    reader.count("max_agents", &mut config.max_agents);
    reader.count("task_queue_capacity", &mut config.task_queue_capacity);
    reader.whole("heartbeat_interval_secs", &mut config.heartbeat_interval_secs);
    reader.whole("agent_timeout_secs", &mut config.agent_timeout_secs);
    reader.whole("max_component_mb", &mut config.max_component_mb);
    reader.whole("compile_cpu_secs", &mut config.compile_cpu_secs);
    reader.whole("compile_memory_mb", &mut config.compile_memory_mb);
    reader.path("data_dir", &mut config.data_dir);
    reader.path("compile_program", &mut config.compile_program);
    reader.one("task_store", "`embedded` or `memory`", &mut config.task_store);
    reader.whole("max_store_mb", &mut config.max_store_mb);
    reader.whole("drain_timeout_secs", &mut config.drain_timeout_secs);
    reader.whole("result_retention_secs", &mut config.result_retention_secs);
    reader.whole("result_retention_count", &mut config.result_retention_count);
    reader.whole("dead_letter_retention_secs", &mut config.dead_letter_retention_secs);
    reader.whole("dead_letter_retention_count", &mut config.dead_letter_retention_count);
    reader.whole("kpi_reporting_interval_secs", &mut config.kpi_reporting_interval_secs);
    reader.one("bind_address", "an IP address", &mut config.bind_address);
    reader.one("metrics_port", "a port from 0 to 65535", &mut config.metrics_port);
    reader.secret("api_token", &mut config.api_token);
    reader.count("max_connections", &mut config.max_connections);
    reader.path("log_dir", &mut config.log_dir);
    reader.path("http_ca_file", &mut config.http_ca_file);
    reader.count("recorded_tasks", &mut config.recorded_tasks);
    reader.redaction("recorded_redaction", &mut config.recorded_redaction);
    reader.text("otlp_endpoint", "an address as http://127.0.0.1:4318", &mut config.otlp_endpoint);
    reader.one("debug_mode", "`true` or `false`", &mut config.debug_mode);
    // What only settings together can have wrong. One that did not parse has its
    // default here, of which there is nothing to complain.
    let together = config.complaints().into_iter().map(|words| layers.with_origin(words));
    reader.complaints.extend(together);

    if reader.complaints.is_empty() { Ok(config) } else { Err(reader.complaints) }
}

struct Reader<'a> {
    layers: &'a Layers,
    complaints: Vec<String>,
}

impl Reader<'_> {
    fn whole(&mut self, key: &str, into: &mut u64) {
        let allowed = range(key);
        let words = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        if let Some(value) = self.parsed(key, &words, |value| allowed.contains(value)) {
            *into = value;
        }
    }

    fn count(&mut self, key: &str, into: &mut usize) {
        let mut value = *into as u64;
        self.whole(key, &mut value);
        *into = usize::try_from(value).unwrap_or(usize::MAX);
    }

    fn cores(&mut self, key: &str, into: &mut f64) {
        let words = format!("a number from {MIN_CPU_CORES} to {MAX_CPU_CORES}");
        if let Some(value) =
            self.parsed(key, &words, |v| (MIN_CPU_CORES..=MAX_CPU_CORES).contains(v))
        {
            *into = value;
        }
    }

    fn network(&mut self, key: &str, into: &mut Option<f64>) {
        if self.layers.get(key).is_some_and(|typed| typed.text.trim() == "none") {
            *into = None;
            return;
        }
        let words = format!("{MIN_NETWORK_MBPS} to {MAX_NETWORK_MBPS}, or `none`");
        let in_range = |v: &f64| (MIN_NETWORK_MBPS..=MAX_NETWORK_MBPS).contains(v);
        if let Some(value) = self.parsed(key, &words, in_range) {
            *into = Some(value);
        }
    }

    fn one<T: FromStr>(&mut self, key: &str, allowed: &str, into: &mut T) {
        if let Some(value) = self.parsed(key, allowed, |_| true) {
            *into = value;
        }
    }

    /// Right or wrong, it is there: that it is missing is no complaint. What is
    /// wrong with it the configuration says, without showing it.
    fn secret(&mut self, key: &str, into: &mut Option<Secret>) {
        if let Some(typed) = self.layers.get(key) {
            *into = Some(Secret::new(typed.text.trim().to_owned()));
        }
    }

    fn text(&mut self, key: &str, allowed: &str, into: &mut Option<String>) {
        if let Some(value) = self.parsed(key, allowed, |text: &String| !text.is_empty()) {
            *into = Some(value);
        }
    }

    fn redaction(&mut self, key: &str, into: &mut Redaction) {
        let Some(typed) = self.layers.get(key) else { return };
        let paths = typed.text.split(',').map(str::trim).filter(|path| !path.is_empty());
        match Redaction::new(paths) {
            Ok(redaction) => *into = redaction,
            Err(error) => self.complaints.push(format!("{}: {error}", typed.origin)),
        }
    }

    fn path(&mut self, key: &str, into: &mut Option<PathBuf>) {
        if let Some(value) = self.parsed(key, "a path", |v: &PathBuf| !v.as_os_str().is_empty()) {
            *into = Some(value);
        }
    }

    fn parsed<T: FromStr>(
        &mut self,
        key: &str,
        allowed: impl Display,
        fits: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let typed = self.layers.get(key)?;
        let value = typed.text.trim().parse().ok().filter(|value| fits(value));
        if value.is_none() {
            let shown: String = typed.text.chars().take(100).collect();
            self.complaints.push(format!("{} is {shown:?}; allowed is {allowed}", typed.origin));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Layers {
        Layers::new().with_environment(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn nothing_typed_is_the_default() {
        assert_eq!(resolve(&Layers::new()), Ok(Layer4Config::default()));
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_the_file() {
        let layers = environment(&[("LAYER4_MAX_AGENTS", "3"), ("LAYER4_MAX_MEMORY_MB", "64")])
            .with_file(
                "chimera.toml",
                "max_agents = 2\nagent_timeout_secs = 7\n[default_resource_quota]\nmax_memory_mb = 9",
            )
            .unwrap()
            .with_flag("max_agents", "4".into(), "--max-agents");
        let config = resolve(&layers).unwrap();
        assert_eq!(config.max_agents, 4);
        assert_eq!(config.default_resource_quota.max_memory_mb, 64);
        assert_eq!(config.agent_timeout_secs, 7);
    }

    #[test]
    fn every_complaint_comes_at_once_with_its_origin() {
        let layers = environment(&[
            ("LAYER4_MAX_AGENTS", "many"),
            ("LAYER4_MAX_CPU_CORES", "-1"),
            ("LAYER4_REDIS_URL", "redis://localhost"),
            ("LAYER4_TYPO", "1"),
            ("HOME", "/root"),
        ]);
        let complaints = resolve(&layers).unwrap_err();
        assert_eq!(complaints.len(), 4, "{complaints:#?}");
        let all = complaints.join("\n");
        assert!(
            all.contains(
                "LAYER4_MAX_AGENTS is \"many\"; allowed is a whole number from 1 to 10000"
            ),
            "{all}"
        );
        assert!(
            all.contains("LAYER4_MAX_CPU_CORES is \"-1\"; allowed is a number from 0.001 to 1024"),
            "{all}"
        );
        assert!(all.contains("LAYER4_REDIS_URL: this version does not have it yet"), "{all}");
        assert!(all.contains("LAYER4_TYPO: no such setting"), "{all}");
    }

    #[test]
    fn what_settings_have_wrong_together_comes_with_the_rest_and_its_origin() {
        let layers = environment(&[
            ("LAYER4_BIND_ADDRESS", "0.0.0.0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://somewhere"),
        ]);
        let layers = layers.with_file("chimera.toml", "max_agents = 0").unwrap();
        let complaints = resolve(&layers).unwrap_err();
        assert_eq!(complaints.len(), 3, "{complaints:#?}");
        let all = complaints.join("\n");
        for words in [
            "max_agents in chimera.toml is \"0\"; allowed",
            "LAYER4_BIND_ADDRESS is 0.0.0.0, which others can reach",
            "OTEL_EXPORTER_OTLP_ENDPOINT is \"ftp://somewhere\"; allowed",
        ] {
            assert!(all.contains(words), "{words}\n{all}");
        }
    }

    #[test]
    fn a_token_that_is_wrong_is_one_complaint_and_not_shown() {
        let layers =
            environment(&[("LAYER4_API_TOKEN", "a word"), ("LAYER4_BIND_ADDRESS", "0.0.0.0")]);
        let complaints = resolve(&layers).unwrap_err();
        let [one] = &complaints[..] else { panic!("{complaints:#?}") };
        assert!(one.starts_with("LAYER4_API_TOKEN does not fit"), "{one}");
        assert!(!one.contains("a word"), "{one}");
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for typed in [
            "http://me:hush@there:4318",
            "ftp://me:hush@there",
            "me:hush@there",
            "http://me:hu sh/@x",
        ] {
            let layers = environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", typed)]);
            let said = match resolve(&layers) {
                Ok(config) => {
                    SETTINGS.iter().map(|one| (one.show)(&config)).collect::<Vec<_>>().join("\n")
                }
                Err(complaints) => complaints.join("\n"),
            };
            assert!(said.contains("(secret)@") && !said.contains("hu"), "{said}");
        }
    }

    #[test]
    fn what_has_changed_is_named_also_where_it_is_not_shown() {
        let values = [
            ("max_agents", "3"),
            ("default_resource_quota.max_cpu_cores", "0.5"),
            ("default_resource_quota.max_memory_mb", "3"),
            ("default_resource_quota.max_execution_time_secs", "3"),
            ("default_resource_quota.max_network_mbps", "none"),
            ("task_queue_capacity", "3"),
            ("heartbeat_interval_secs", "3"),
            ("agent_timeout_secs", "3"),
            ("max_component_mb", "3"),
            ("compile_cpu_secs", "3"),
            ("compile_memory_mb", "300"),
            ("data_dir", "/a"),
            ("compile_program", "/b"),
            ("task_store", "memory"),
            ("max_store_mb", "300"),
            ("drain_timeout_secs", "3"),
            ("result_retention_secs", "3"),
            ("result_retention_count", "3"),
            ("dead_letter_retention_secs", "3"),
            ("dead_letter_retention_count", "3"),
            ("kpi_reporting_interval_secs", "3"),
            ("bind_address", "::1"),
            ("metrics_port", "3"),
            ("api_token", "one-of-sixteen-or-more"),
            ("max_connections", "3"),
            ("log_dir", "/c"),
            ("http_ca_file", "/d"),
            ("recorded_tasks", "3"),
            ("recorded_redaction", "$.a"),
            ("otlp_endpoint", "http://a:b@c"),
            ("debug_mode", "true"),
        ];
        let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        assert_eq!(values.map(|(key, _)| key).to_vec(), keys, "each has a value here");
        let with = |key: &str, value: &str| {
            resolve(&Layers::new().with_flag(key, value.to_owned(), "a test")).unwrap()
        };
        let before = Layer4Config::default();
        for (key, value) in values {
            assert_eq!(before.changed(&with(key, value)), [key]);
        }
        assert_eq!(before.changed(&before), [""; 0]);
        let secrets = [("api_token", "another-of-sixteen"), ("otlp_endpoint", "http://a:x@c")];
        for (key, other) in secrets {
            let (_, value) = values.into_iter().find(|(known, _)| *known == key).unwrap();
            assert_eq!(with(key, value).changed(&with(key, other)), [key]);
        }
    }

    #[test]
    fn a_setting_made_by_hand_is_held_to_the_same_ranges() {
        let config = Layer4Config { max_agents: 0, ..Layer4Config::default() };
        assert_eq!(config.complaints(), ["max_agents is 0; allowed is 1 to 10000"]);
    }

    #[test]
    fn a_file_that_is_not_toml_is_refused_with_its_name() {
        let error = Layers::new().with_file("chimera.toml", "max_agents = ").unwrap_err();
        assert!(error.to_string().starts_with("chimera.toml is not valid TOML"), "{error}");
    }
}
