//! Logs, traces and key figures.

use std::path::PathBuf;

use super::super::FabricConfig;
use super::super::address::is_web_address;
use super::super::secret::{Secret, without_userinfo};
use super::super::setting::{Allowed, Setting, put, put_some, shown_path};

/// Prometheus scrapes about as often.
pub const DEFAULT_KPI_REPORTING_INTERVAL_SECS: u64 = 5;

/// Where logs and traces go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetrySettings {
    /// The folder for log files; `None`: logs go to standard error.
    pub log_dir: Option<PathBuf>,
    /// Where an OpenTelemetry collector takes traces over HTTP; `None`: none are made.
    pub otlp_endpoint: Option<String>,
    /// The variables whose names begin with `OTEL_`, which say how traces are made and sent.
    pub otel_variables: Vec<(String, Secret)>,
}

const COLLECTOR: &str = "an address as http://127.0.0.1:4318";

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "kpi_reporting_interval_secs",
        variable: "LAYER4_KPI_REPORTING_INTERVAL_SECS",
        flag: None,
        help: "Seconds between two reports of key figures.",
        allowed: Allowed::Whole { least: 1, most: 86_400 },
        default_note: "",
        reloads: false,
        show: |c| c.kpi_reporting_interval_secs.to_string(),
        set: |c, text| put(&mut c.kpi_reporting_interval_secs, text),
    },
    Setting {
        key: "log_dir",
        variable: "LAYER4_LOG_DIR",
        flag: None,
        help: "Folder of the log files, `layer4.log` and `executor.log`.",
        allowed: Allowed::Words("a path"),
        default_note: ": logs go to standard error",
        reloads: false,
        show: |c| shown_path(&c.telemetry.log_dir),
        set: |c, text| put_some(&mut c.telemetry.log_dir, text),
    },
    Setting {
        key: "otlp_endpoint",
        variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
        flag: None,
        help: "OpenTelemetry collector that takes traces over HTTP.",
        allowed: Allowed::Words(COLLECTOR),
        default_note: ": no traces are made",
        reloads: false,
        show: |c| {
            c.telemetry.otlp_endpoint.as_deref().map_or_else(|| "none".into(), without_userinfo)
        },
        set: |c, text| put_some(&mut c.telemetry.otlp_endpoint, text),
    },
    Setting {
        key: "debug_mode",
        variable: "LAYER4_DEBUG_MODE",
        flag: Some("--debug"),
        help: "Whether logging is detailed.",
        allowed: Allowed::Words("`true` or `false`"),
        default_note: "",
        reloads: false,
        show: |c| c.debug_mode.to_string(),
        set: |c, text| put(&mut c.debug_mode, text),
    },
];

/// What is wrong with them together.
pub(in super::super) fn complaints(config: &FabricConfig) -> Option<String> {
    let endpoint =
        config.telemetry.otlp_endpoint.as_ref().filter(|endpoint| !is_web_address(endpoint))?;
    let endpoint = without_userinfo(endpoint);
    Some(format!("otlp_endpoint is {endpoint:?}; allowed is {COLLECTOR}"))
}
