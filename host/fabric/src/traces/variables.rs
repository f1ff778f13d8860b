//! What OpenTelemetry's variables ask for.
//!
//! The specification lists them all:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
//! Some are read by its library, some here; whatever is set and has no effect is
//! named when a host starts.

use std::path::PathBuf;
use std::time::Duration;

use chimera_layer4_core::config::Secret;

/// For one batch, where no variable says otherwise; what the specification says.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where OTLP over HTTP takes traces, under an endpoint for all signals.
const PATH: &str = "v1/traces";
/// The only protocol of traces here.
const PROTOCOL: &str = "http/protobuf";

/// Variables that take effect: by OpenTelemetry's library, or by [`Otlp::of`].
const TAKEN: [&str; 33] = [
    "OTEL_SDK_DISABLED",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    // No span of the host has events or links, so their attributes are within any limit.
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
];

/// What variables of other signals and exporters begin with, and why they have no effect.
const NONE_HERE: [(&str, &str); 13] = [
    ("OTEL_EXPORTER_OTLP_METRICS_", "metrics are not sent: Prometheus fetches them at /metrics"),
    ("OTEL_METRIC", "metrics are not sent: Prometheus fetches them at /metrics"),
    ("OTEL_EXPORTER_PROMETHEUS_", "/metrics is where `bind_address` and `metrics_port` say"),
    ("OTEL_EXPORTER_OTLP_LOGS_", "logs are not sent: they go to standard error or `log_dir`"),
    ("OTEL_LOGS_", "logs are not sent: they go to standard error or `log_dir`"),
    ("OTEL_LOGRECORD_", "logs are not sent: they go to standard error or `log_dir`"),
    ("OTEL_BLRP_", "logs are not sent: they go to standard error or `log_dir`"),
    ("OTEL_LOG_LEVEL", "set `debug_mode` for a detailed log"),
    (
        "OTEL_EXPORTER_OTLP_INSECURE",
        "it is for gRPC; the scheme of the endpoint says whether TLS is used",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
        "it is for gRPC; the scheme of the endpoint says whether TLS is used",
    ),
    (
        "OTEL_EXPORTER_ZIPKIN_",
        "there is no exporter for Zipkin; send OTLP to a collector that has one",
    ),
    ("OTEL_EXPORTER_JAEGER_", "there is no exporter for Jaeger, which takes OTLP"),
    ("OTEL_CONFIG_FILE", "there are no configuration files; use variables"),
];
/// Of a variable that is neither.
const UNKNOWN: &str = "this host does not support it";

/// Samplers of the library.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// How traces are sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Otlp {
    /// The whole address for traces.
    pub(super) endpoint: String,
    /// For one batch.
    pub(super) timeout: Duration,
    /// Authorities that a collector's certificate is held against, in PEM.
    pub(super) authorities: Option<PathBuf>,
    /// The host's own certificate and key, in PEM.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// Attributes of a span, where the variable for spans says nothing.
    pub(super) attributes: Option<u32>,
}

/// The variables whose names begin with `OTEL_`, as a host was started with them.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a [(String, Secret)]);

impl Variables<'_> {
    /// An empty one counts as not set, as the specification says.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(known, _)| known == name)?.1.reveal().trim();
        Some(value).filter(|value| !value.is_empty())
    }

    /// The variable for traces, or else the one for all signals.
    fn of_traces(&self, end: &str) -> Option<(String, &str)> {
        ["TRACES_", ""].iter().find_map(|signal| {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}{end}");
            self.get(&name).map(|value| (name, value))
        })
    }

    fn is_disabled(&self) -> bool {
        self.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || self.get("OTEL_TRACES_EXPORTER") == Some("none")
    }

    /// How to send traces; `None`: they are not sent. `base` is the address for all
    /// signals, as it is set.
    pub(super) fn otlp(&self, base: Option<&str>) -> Option<Otlp> {
        if self.is_disabled() {
            return None;
        }
        let own = self.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(str::to_owned);
        let below = || base.map(|base| format!("{}/{PATH}", base.trim_end_matches('/')));
        let path = |end| self.of_traces(end).map(|(_, path)| PathBuf::from(path));
        let millis = self.of_traces("TIMEOUT").and_then(|(_, value)| value.parse().ok());
        let general = self.get("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT").is_none();
        let attributes = self.get("OTEL_ATTRIBUTE_COUNT_LIMIT").filter(|_| general);
        Some(Otlp {
            endpoint: own.or_else(below)?,
            timeout: millis.map_or(TIMEOUT, Duration::from_millis),
            authorities: path("CERTIFICATE"),
            client: path("CLIENT_CERTIFICATE").zip(path("CLIENT_KEY")),
            attributes: attributes.and_then(|limit| limit.parse().ok()),
        })
    }

    /// What is set and has no effect, each with the reason.
    pub(super) fn without_effect(&self) -> Vec<String> {
        let set = self.0.iter().filter(|(name, _)| self.get(name).is_some());
        let mut words: Vec<String> = set
            .filter(|(name, _)| !TAKEN.contains(&name.as_str()))
            .map(|(name, _)| {
                let known = NONE_HERE.iter().find(|(start, _)| name.starts_with(start));
                format!("{name} has no effect: {}", known.map_or(UNKNOWN, |(_, why)| why))
            })
            .collect();
        words.extend(self.wrong_values());
        words.sort();
        words
    }

    fn wrong_values(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut must_be = |name: &str, allowed: &str, fits: &dyn Fn(&str) -> bool| {
            if let Some(value) = self.get(name).filter(|value| !fits(value)) {
                words.push(format!(
                    "{name} is {value:?}, which has no effect: allowed is {allowed}"
                ));
            }
        };
        let is_number = |value: &str| value.parse::<u32>().is_ok();
        must_be("OTEL_SDK_DISABLED", "true or false", &|value| {
            ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
        });
        must_be("OTEL_TRACES_EXPORTER", "otlp or none", &|value| ["otlp", "none"].contains(&value));
        must_be("OTEL_TRACES_SAMPLER", &SAMPLERS.join(", "), &|value| SAMPLERS.contains(&value));
        must_be("OTEL_PROPAGATORS", "tracecontext, which is always in force", &|value| {
            value.split(',').all(|one| one.trim() == "tracecontext")
        });
        must_be("OTEL_ATTRIBUTE_COUNT_LIMIT", "a number", &is_number);
        for signal in ["", "TRACES_"] {
            let name = |end| format!("OTEL_EXPORTER_OTLP_{signal}{end}");
            must_be(&name("PROTOCOL"), PROTOCOL, &|value| value == PROTOCOL);
            must_be(&name("COMPRESSION"), "gzip or none", &|value| {
                ["gzip", "none"].contains(&value)
            });
            must_be(&name("TIMEOUT"), "a number of milliseconds", &is_number);
        }
        let [certificate, key] =
            ["CLIENT_CERTIFICATE", "CLIENT_KEY"].map(|end| self.of_traces(end));
        if let (Some((name, _)), None) | (None, Some((name, _))) = (certificate, key) {
            words.push(format!(
                "{name} has no effect: a certificate and its key are named together"
            ));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Vec<(String, Secret)> {
        let owned =
            |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        pairs.iter().map(owned).collect()
    }

    fn otlp(pairs: &[(&str, &str)], base: Option<&str>) -> Option<Otlp> {
        Variables(&set(pairs)).otlp(base)
    }

    #[test]
    fn traces_go_where_the_variable_for_traces_says() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector/here");
        let base = Some("http://all:4318/");
        assert_eq!(otlp(&[own], base).unwrap().endpoint, "http://collector/here");
        assert_eq!(otlp(&[own], None).unwrap().endpoint, "http://collector/here");
        assert_eq!(otlp(&[(own.0, " ")], base).unwrap().endpoint, "http://all:4318/v1/traces");
        assert_eq!(otlp(&[], None), None);
    }

    #[test]
    fn two_variables_end_traces() {
        let base = Some("http://all:4318");
        assert_eq!(otlp(&[("OTEL_SDK_DISABLED", "TRUE")], base), None);
        assert_eq!(otlp(&[("OTEL_TRACES_EXPORTER", "none")], base), None);
        assert!(otlp(&[("OTEL_SDK_DISABLED", "1")], base).is_some(), "the specification says so");
    }

    #[test]
    fn what_is_for_traces_goes_before_what_is_for_all() {
        let pairs = [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "700"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/own.pem"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9"),
        ];
        let otlp = otlp(&pairs, Some("http://all:4318")).unwrap();
        assert_eq!((otlp.timeout, otlp.attributes), (Duration::from_millis(700), Some(9)));
        assert_eq!(otlp.authorities, Some("/all.pem".into()));
        assert_eq!(otlp.client, Some(("/own.pem".into(), "/key.pem".into())));
        assert_eq!(Variables(&set(&pairs)).without_effect(), [""; 0]);
    }

    #[test]
    fn whatever_has_no_effect_is_named() {
        let pairs = [
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "1"),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://zipkin"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9"),
            ("OTEL_LOG_LEVEL", ""),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_PROPAGATORS", "tracecontext,b3"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush"),
            ("OTEL_SERVICE_NAME", "mine"),
        ];
        let words = Variables(&set(&pairs)).without_effect();
        let named = |name: &&(&str, &str)| words.iter().any(|word| word.starts_with(name.0));
        let named: Vec<&str> = pairs.iter().filter(named).map(|pair| pair.0).collect();
        let [.., _, _] = pairs;
        let expected: Vec<&str> = pairs.iter().map(|pair| pair.0).collect();
        let expected: Vec<&str> = expected
            .into_iter()
            .filter(|name| {
                !["OTEL_LOG_LEVEL", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"]
                    .contains(name)
            })
            .collect();
        assert_eq!(named, expected, "{words:#?}");
        assert!(!words.concat().contains("hush"));
    }
}
