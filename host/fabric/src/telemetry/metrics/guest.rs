//! Agents' own metrics, with their number bounded.
//!
//! An agent chooses names and labels itself, and could choose a new one for
//! each task. So there is room for so many names of a type and so many series
//! in all; what does not fit is counted and forgotten.

use std::collections::BTreeMap;

use chimera_layer4_core::telemetry::Metric;
use prometheus::proto::{LabelPair, Metric as Sample, MetricFamily, MetricType, Summary};

const NAME: &str = "layer4_guest_metric";
/// The host's own labels; an agent's of the same name gives way.
const OURS: [&str; 2] = ["agent_type", "metric"];
/// Labels that mean something to Prometheus. One of them in one series makes it
/// refuse everything that the host exports.
const RESERVED: [&str; 2] = ["le", "quantile"];
/// Names with this prefix are Prometheus' own; `__name__` is the metric's name.
const INTERNAL: &str = "__";
/// Names of one agent type.
const MOST_NAMES: usize = 64;
/// Series of one agent type, and of all.
const MOST_OF_TYPE: usize = 512;
const MOST_SERIES: usize = 8192;

/// What agents observed: sums and counts by agent type, name and labels.
#[derive(Debug, Default)]
pub(super) struct GuestMetrics {
    by_type: BTreeMap<String, BTreeMap<String, BTreeMap<Labels, Observed>>>,
    series: usize,
}

type Labels = Vec<(String, String)>;

#[derive(Clone, Copy, Debug, Default)]
struct Observed {
    sum: f64,
    count: u64,
}

impl GuestMetrics {
    /// Adds what one run observed; how many did not fit.
    pub(super) fn record(&mut self, agent_type: &str, metrics: &[Metric]) -> u64 {
        metrics.iter().filter(|metric| !self.record_one(agent_type, metric)).count() as u64
    }

    fn record_one(&mut self, agent_type: &str, metric: &Metric) -> bool {
        if !self.by_type.contains_key(agent_type) {
            self.by_type.insert(agent_type.to_owned(), BTreeMap::new());
        }
        let Some(names) = self.by_type.get_mut(agent_type) else { return false };
        let of_type: usize = names.values().map(BTreeMap::len).sum();
        if !names.contains_key(&metric.name) && names.len() >= MOST_NAMES {
            return false;
        }
        let labels = labels(metric);
        let series = names.get(&metric.name).and_then(|series| series.get(&labels));
        if series.is_none() && (of_type >= MOST_OF_TYPE || self.series >= MOST_SERIES) {
            return false;
        }
        self.series += usize::from(series.is_none());
        let observed = names.entry(metric.name.clone()).or_default().entry(labels).or_default();
        observed.sum += metric.value;
        observed.count += 1;
        true
    }

    /// All of it, as one family: an agent's name for a metric is a label, so that
    /// none can pass for a metric of the host.
    pub(super) fn family(&self) -> MetricFamily {
        let mut samples = Vec::new();
        for (agent_type, names) in &self.by_type {
            for (name, series) in names {
                let one =
                    |(labels, seen): (&Labels, &Observed)| sample(agent_type, name, labels, *seen);
                samples.extend(series.iter().map(one));
            }
        }
        let mut family = MetricFamily::default();
        family.set_name(NAME.to_owned());
        family
            .set_help("What agents observed themselves, by their own names and labels.".to_owned());
        family.set_field_type(MetricType::SUMMARY);
        family.set_metric(samples);
        family
    }
}

/// In one order whatever the agent's, each name once.
fn labels(metric: &Metric) -> Labels {
    let taken =
        |name: &str| OURS.contains(&name) || RESERVED.contains(&name) || name.starts_with(INTERNAL);
    let mut labels: Labels =
        metric.labels.iter().filter(|(name, _)| !taken(name)).cloned().collect();
    labels.sort();
    labels.dedup_by(|a, b| a.0 == b.0);
    labels
}

fn sample(agent_type: &str, name: &str, labels: &Labels, observed: Observed) -> Sample {
    let [of_type, metric] = OURS;
    let mut pairs = vec![pair(of_type, agent_type), pair(metric, name)];
    pairs.extend(labels.iter().map(|(name, value)| pair(name, value)));
    let mut summary = Summary::default();
    summary.set_sample_sum(observed.sum);
    summary.set_sample_count(observed.count);
    let mut sample = Sample::from_label(pairs);
    sample.set_summary(summary);
    sample
}

pub(super) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, labels: &[(&str, &str)]) -> Metric {
        let labels = labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Metric { name: name.to_owned(), value: 2.0, labels }
    }

    #[test]
    fn observations_are_summed_whatever_the_order_of_labels() {
        let mut guests = GuestMetrics::default();
        let one = metric("rows", &[("a", "1"), ("b", "2"), ("metric", "another's")]);
        let two = metric("rows", &[("b", "2"), ("a", "1"), ("a", "9")]);
        assert_eq!(guests.record("echo", &[one, two]), 0);
        let family = guests.family();
        let [sample] = family.get_metric() else { panic!("one series") };
        let labels = sample.get_label().iter().map(|label| (label.name(), label.value()));
        let labels: Vec<_> = labels.collect();
        assert_eq!(labels, [("agent_type", "echo"), ("metric", "rows"), ("a", "1"), ("b", "2")]);
        assert_eq!(sample.get_summary().sample_count(), 2);
    }

    #[test]
    fn a_label_that_prometheus_keeps_for_itself_is_left_out() {
        let mut guests = GuestMetrics::default();
        let labels = [("__name__", "up"), ("__x", "1"), ("le", "1"), ("quantile", "0"), ("a", "1")];
        guests.record("echo", &[metric("rows", &labels)]);
        let family = guests.family();
        let [sample] = family.get_metric() else { panic!("one series") };
        let names: Vec<_> = sample.get_label().iter().map(|label| label.name()).collect();
        assert_eq!(names, ["agent_type", "metric", "a"]);
    }

    #[test]
    fn a_hundred_thousand_names_cost_no_more_than_the_first() {
        let mut guests = GuestMetrics::default();
        let mut dropped = 0;
        for n in 0..100_000 {
            dropped += guests.record("echo", &[metric(&format!("name_{n}"), &[])]);
        }
        assert_eq!(dropped, 100_000 - MOST_NAMES as u64);
        for n in 0..100_000 {
            guests.record("echo", &[metric("name_1", &[("id", &n.to_string())])]);
        }
        assert_eq!(guests.series, MOST_OF_TYPE);
        for n in 0..100 * MOST_OF_TYPE {
            let agent_type = (n / MOST_OF_TYPE).to_string();
            guests.record(&agent_type, &[metric("x", &[("id", &n.to_string())])]);
        }
        assert_eq!(guests.series, MOST_SERIES);
        assert_eq!(guests.record("echo", &[metric("name_1", &[])]), 0, "what is known goes on");
    }
}
