//! What OpenTelemetry's variables ask for.
//!
//! The specification lists them all:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
//! Some are read by its library, some here; whatever is set and has no effect is
//! named when a host starts, and an address for traces that is none is refused. A value is shown, but not of headers, which carry secrets.

use std::ops::RangeBounds;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chimera_layer4_core::config::{Secret, is_web_address, without_userinfo};

/// For one batch, where no variable says otherwise; what the specification says.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where OTLP over HTTP takes traces, under an endpoint for all signals.
const PATH: &str = "v1/traces";
/// The only protocol of traces here.
const PROTOCOL: &str = "http/protobuf";

/// Variables that take effect: by OpenTelemetry's library, or by [`Otlp::of`].
const TAKEN: [&str; 32] = [
    "OTEL_SDK_DISABLED",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER",
    "OTEL_BSP_SCHEDULE_DELAY",
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
const NONE_HERE: [(&str, &str); 14] = [
    ("OTEL_BSP_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT is the time that a batch has"),
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

/// Spans that a host keeps for the next batch at the most; the library takes
/// room for all of them as it starts.
const MOST_QUEUED: usize = 1 << 20;
/// What the specification says of spans that wait, of a batch, and of the
/// milliseconds between two batches.
const QUEUED: usize = 2048;
const BATCH: usize = 512;
const BETWEEN_MS: u64 = 5000;

/// Samplers that take a ratio.
const BY_RATIO: [&str; 2] = ["traceidratio", "parentbased_traceidratio"];
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
    /// Spans that wait for a batch.
    pub(super) queued: usize,
    /// Spans that one batch has.
    pub(super) batch: usize,
    /// Between two batches.
    pub(super) between: Duration,
}

/// The variables whose names begin with `OTEL_`, as a host was started with them.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a [(String, Secret)]);

impl Variables<'_> {
    /// An empty one counts as not set, as the specification says.
    fn get(&self, name: &str) -> Option<&str> {
        self.unchanged(name).map(str::trim)
    }

    /// As [`get`](Self::get), with the white space around it, which OpenTelemetry's
    /// library does not take away.
    fn unchanged(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(known, _)| known == name)?.1.reveal();
        Some(value).filter(|value| !value.trim().is_empty())
    }

    /// A number within this range.
    fn number<T: FromStr + PartialOrd>(&self, name: &str, range: impl RangeBounds<T>) -> Option<T> {
        self.get(name)?.parse().ok().filter(|number| range.contains(number))
    }

    /// The variable for traces, or else the one for all signals.
    fn of_traces(&self, end: &str) -> Option<(String, &str)> {
        ["TRACES_", ""].iter().find_map(|signal| {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}{end}");
            self.get(&name).map(|value| (name, value))
        })
    }

    /// Whether no other variable has an effect.
    pub(super) fn ends_all(&self) -> bool {
        self.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn is_disabled(&self) -> bool {
        self.ends_all() || self.get("OTEL_TRACES_EXPORTER") == Some("none")
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
        let general = self.number::<u32>("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", ..).is_none();
        let queued = self.number("OTEL_BSP_MAX_QUEUE_SIZE", 1..=MOST_QUEUED).unwrap_or(QUEUED);
        let batch = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1..=queued);
        let between = self.number("OTEL_BSP_SCHEDULE_DELAY", 1..).unwrap_or(BETWEEN_MS);
        let attributes = self.get("OTEL_ATTRIBUTE_COUNT_LIMIT").filter(|_| general);
        Some(Otlp {
            endpoint: own.or_else(below)?,
            timeout: millis.map_or(TIMEOUT, Duration::from_millis),
            authorities: path("CERTIFICATE"),
            client: path("CLIENT_CERTIFICATE").zip(path("CLIENT_KEY")),
            attributes: attributes.and_then(|limit| limit.parse().ok()),
            queued,
            batch: batch.unwrap_or(BATCH.min(queued)),
            between: Duration::from_millis(between),
        })
    }

    /// The values that a host does not start with: spans would be lost from the first
    /// one on. None where the variables end traces.
    pub(super) fn refused(&self) -> Vec<String> {
        let name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let endpoint = self.get(name).filter(|_| !self.is_disabled());
        let wrong = endpoint.filter(|endpoint| !is_web_address(endpoint));
        let message = |endpoint| {
            format!(
                "{name} is {:?}; allowed is an address as http://127.0.0.1:4318/v1/traces",
                without_userinfo(endpoint)
            )
        };
        wrong.map(message).into_iter().collect()
    }

    /// The variables that are set and have no effect, each with the reason.
    pub(super) fn without_effect(&self) -> Vec<String> {
        let set = self.0.iter().filter(|(name, _)| self.get(name).is_some());
        let mut complaints: Vec<String> = set
            .filter(|(name, _)| !TAKEN.contains(&name.as_str()))
            .map(|(name, _)| {
                let known = NONE_HERE.iter().find(|(start, _)| name.starts_with(start));
                format!("{name} has no effect: {}", known.map_or(UNKNOWN, |(_, why)| why))
            })
            .collect();
        complaints.sort();
        complaints
    }

    /// The variables that would take effect if traces were sent, and `named` does not
    /// have: traces are not sent.
    pub(super) fn without_traces(&self, named: &[String]) -> Vec<String> {
        let has_none = self.get("OTEL_TRACES_EXPORTER") == Some("none");
        let (why, always) = match (self.ends_all(), has_none) {
            (true, _) => ("OTEL_SDK_DISABLED is true", ""),
            (_, true) => ("OTEL_TRACES_EXPORTER is none", "OTEL_TRACES_EXPORTER"),
            _ => (
                "traces go to no address; set OTEL_EXPORTER_OTLP_ENDPOINT or \
                 OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "",
            ),
        };
        let acts = ["OTEL_SDK_DISABLED", "OTEL_PROPAGATORS", always];
        let is_named = |name: &str| {
            let begin = format!("{name} ");
            named.iter().any(|complaint| complaint.starts_with(&begin))
        };
        let set = self.0.iter().map(|(name, _)| name.as_str());
        let idle = set.filter(|name| self.get(name).is_some() && TAKEN.contains(name));
        let idle = idle.filter(|name| !acts.contains(name) && !is_named(name));
        idle.map(|name| format!("{name} has no effect: {why}")).collect()
    }

    /// The values that are not allowed, each with what is.
    pub(super) fn wrong_values(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut must_be = |name: &str, allowed: &str, fits: &dyn Fn(&str) -> bool| {
            if let Some(value) = self.get(name).filter(|value| !fits(value)) {
                complaints.push(format!(
                    "{name} is {value:?}, which has no effect: allowed is {allowed}"
                ));
            }
        };
        must_be("OTEL_SDK_DISABLED", "true or false", &|value| {
            ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
        });
        must_be("OTEL_TRACES_EXPORTER", "otlp or none", &|value| ["otlp", "none"].contains(&value));
        must_be("OTEL_PROPAGATORS", "tracecontext, which is always in force", &|value| {
            value.split(',').all(|one| one.trim() == "tracecontext")
        });
        must_be("OTEL_ATTRIBUTE_COUNT_LIMIT", "a number up to 4294967295", &is_limit);
        must_be("OTEL_BSP_SCHEDULE_DELAY", "a number of milliseconds, 1 or more", &|value| {
            value.parse::<u64>().is_ok_and(|number| number > 0)
        });
        let queue = format!("a number from 1 to {MOST_QUEUED}");
        must_be("OTEL_BSP_MAX_QUEUE_SIZE", &queue, &|value| {
            value.parse::<usize>().is_ok_and(|number| (1..=MOST_QUEUED).contains(&number))
        });
        let most = self.number("OTEL_BSP_MAX_QUEUE_SIZE", 1..=MOST_QUEUED).unwrap_or(QUEUED);
        let batch = format!("a number from 1 to {most} (OTEL_BSP_MAX_QUEUE_SIZE)");
        must_be("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &batch, &|value| {
            value.parse::<usize>().is_ok_and(|number| (1..=most).contains(&number))
        });
        for signal in ["", "TRACES_"] {
            let name = |end| format!("OTEL_EXPORTER_OTLP_{signal}{end}");
            must_be(&name("PROTOCOL"), PROTOCOL, &|value| value == PROTOCOL);
            must_be(&name("TIMEOUT"), "a number of milliseconds", &|value| {
                value.parse::<u64>().is_ok()
            });
        }
        complaints.extend(self.wrong_for_the_library());
        complaints.extend(self.wrong_ratio());
        complaints.extend(self.wrong_entries());
        let [certificate, key] =
            ["CLIENT_CERTIFICATE", "CLIENT_KEY"].map(|end| self.of_traces(end));
        if let (Some((name, _)), None) | (None, Some((name, _))) = (certificate, key) {
            complaints.push(format!(
                "{name} has no effect: a certificate and its key are named together"
            ));
        }
        complaints.sort();
        complaints
    }

    /// Of those that OpenTelemetry's library reads, which takes no white space.
    fn wrong_for_the_library(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut must_be = |name: &str, allowed: &str, fits: &dyn Fn(&str) -> bool| {
            if let Some(value) = self.unchanged(name).filter(|value| !fits(value)) {
                complaints.push(format!(
                    "{name} is {value:?}, which has no effect: allowed is {allowed}"
                ));
            }
        };
        let samplers = SAMPLERS.join(", ");
        must_be("OTEL_TRACES_SAMPLER", &samplers, &|value| SAMPLERS.contains(&value));
        for name in [
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_SPAN_LINK_COUNT_LIMIT",
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        ] {
            must_be(name, "a number up to 4294967295", &is_limit);
        }
        for signal in ["", "TRACES_"] {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}COMPRESSION");
            must_be(&name, "gzip or none", &|value| {
                ["gzip", "none"].iter().any(|word| value.eq_ignore_ascii_case(word))
            });
        }
        complaints
    }

    /// A ratio has no effect without a sampler that takes one. The library brings
    /// one that is out of range within it, and takes 1 for what is no number.
    fn wrong_ratio(&self) -> Option<String> {
        let name = "OTEL_TRACES_SAMPLER_ARG";
        let value = self.unchanged(name)?;
        if !self.unchanged("OTEL_TRACES_SAMPLER").is_some_and(|it| BY_RATIO.contains(&it)) {
            let takes = BY_RATIO.join(" and ");
            return Some(format!(
                "{name} has no effect: only the samplers (OTEL_TRACES_SAMPLER) {takes} take one"
            ));
        }
        let counts_as = match value.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => return None,
            Ok(ratio) if ratio < 0.0 || ratio.is_nan() => 0,
            _ => 1,
        };
        Some(format!(
            "{name} is {value:?}, which counts as {counts_as}: allowed is a number from 0 to 1"
        ))
    }

    /// Entries of lists that are none, each by its place.
    fn wrong_entries(&self) -> Vec<String> {
        let lists = [
            ("OTEL_RESOURCE_ATTRIBUTES", false),
            ("OTEL_EXPORTER_OTLP_HEADERS", true),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", true),
        ];
        let mut complaints = Vec::new();
        for (list, of_headers) in lists {
            let fits = if of_headers { is_header } else { is_attribute };
            let entries = self.get(list).unwrap_or_default().split(',').map(str::trim);
            let entries = entries.enumerate().filter(|(_, entry)| !entry.is_empty());
            let wrong = entries.filter(|(_, entry)| {
                let parts = entry.split_once('=');
                !parts.is_some_and(|(name, value)| fits(name.trim(), value.trim()))
            });
            complaints.extend(wrong.map(|(index, _)| {
                format!(
                    "{list} has an entry that has no effect, the one at place {}: allowed is \
                     NAME=VALUE, with commas between entries",
                    index + 1
                )
            }));
        }
        complaints
    }
}

fn is_limit(value: &str) -> bool {
    value.parse::<u32>().is_ok()
}

fn is_attribute(name: &str, _: &str) -> bool {
    !name.is_empty()
}

/// Whether it is a header's name and its value, in which `%` and two digits
/// stand for a byte.
fn is_header(name: &str, value: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_control = |escaped: &str| {
        let byte = escaped.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| byte.is_ascii_control() && byte != b'\t')
    };
    !name.is_empty()
        && name.bytes().all(in_name)
        && !value.is_empty()
        && !value.chars().any(|c| c.is_ascii_control())
        && !value.split('%').skip(1).any(is_control)
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
    fn an_address_that_is_none_is_refused_unless_traces_are_off() {
        let name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let wrong = Variables(&set(&[(name, "me:hush@notaurl")])).refused();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with(name) && !wrong[0].contains("hush"), "{wrong:?}");
        let off = [(name, "notaurl"), ("OTEL_SDK_DISABLED", "true")];
        assert_eq!(Variables(&set(&off)).refused(), [""; 0]);
        assert_eq!(Variables(&set(&[(name, " http://c/ ")])).refused(), [""; 0]);
        assert_eq!(Variables(&set(&[(name, " ")])).refused(), [""; 0]);
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
        assert_eq!(Variables(&set(&pairs)).wrong_values(), [""; 0]);
    }

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        let set = set(pairs);
        [Variables(&set).without_effect(), Variables(&set).wrong_values()].concat()
    }

    #[test]
    fn whatever_has_no_effect_is_named() {
        let pairs = [
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "1"),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://zipkin"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "9"),
            ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", "2"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_PROPAGATORS", "tracecontext,b3"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush,hush"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=hush"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-4"),
            ("OTEL_BSP_SCHEDULE_DELAY", "0"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", " 7"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "x"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "4294967296"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1.5"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ];
        for pair in pairs {
            let complaints = told(&[pair]);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(
                complaints[0].starts_with(pair.0) && !complaints[0].contains("hush"),
                "{complaints:?}"
            );
        }
        assert_eq!(told(&pairs).len(), pairs.len());
    }

    #[test]
    fn what_takes_effect_is_not_named() {
        let pairs = [
            ("OTEL_LOG_LEVEL", ""),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush, x-a = 1,"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,deployment.environment=,"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", " 100 "),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000000000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
        ];
        assert_eq!(told(&pairs), [""; 0]);
        let otlp = otlp(&pairs, Some("http://all:4318")).unwrap();
        assert_eq!((otlp.queued, otlp.batch, otlp.between.as_millis()), (100, 100, 1));
    }

    #[test]
    fn a_ratio_out_of_range_is_reported_with_what_it_counts_as() {
        for (ratio, counts_as) in [("7", "1"), ("-1", "0"), ("half", "1"), ("nan", "0")] {
            let sampler = ("OTEL_TRACES_SAMPLER", "traceidratio");
            let complaints = told(&[sampler, ("OTEL_TRACES_SAMPLER_ARG", ratio)]);
            let expected = format!("is {ratio:?}, which counts as {counts_as}: allowed is ");
            assert!(complaints.len() == 1 && complaints[0].contains(&expected), "{complaints:?}");
        }
    }

    #[test]
    fn what_is_not_allowed_changes_nothing() {
        let wrong = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551615"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "abc"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9"),
        ];
        let base = Some("http://all:4318");
        let plain = otlp(&[], base).unwrap();
        assert_eq!(otlp(&wrong, base).unwrap(), Otlp { attributes: Some(9), ..plain });
    }
}
