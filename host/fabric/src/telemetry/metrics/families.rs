//! Makes families of metrics, and keeps a set of handles for each agent type.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, Result,
};

/// Milliseconds, from 50 µs to an hour. A resident agent answers in tens of
/// microseconds and the default quota ends a run after 300 s; a quota may allow
/// more. In between the steps are about 2.5-fold, so that a quantile is known
/// within that.
pub(super) const MILLIS: [f64; 22] = [
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    900_000.0,
    3_600_000.0,
];
/// Seconds of a compilation: a small component takes a tenth of one, an
/// interpreter seven.
pub(super) const SECONDS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Agent types with a label of their own; all others share one.
const MOST_TYPES: usize = 1000;
const OTHERS: &str = "(other)";

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: C) -> Result<C> {
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

pub(super) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

pub(super) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec> {
    let options = HistogramOpts::new(name, help).buckets(MILLIS.to_vec());
    registered(registry, HistogramVec::new(options, labels)?)
}

pub(super) fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> Result<Histogram> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, Histogram::with_opts(options)?)
}

/// Families of counters and histograms of which a host has no series yet: each as one that
/// has counted nothing, without labels. So a name that rules ask for is there from the
/// first scrape, and it goes once there is a series with labels.
#[derive(Default)]
pub(super) struct Beginnings(Vec<MetricFamily>);

impl Beginnings {
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Result<()> {
        self.0.extend(IntCounter::new(name, help)?.collect());
        Ok(())
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str) -> Result<()> {
        let options = HistogramOpts::new(name, help).buckets(MILLIS.to_vec());
        self.0.extend(Histogram::with_opts(options)?.collect());
        Ok(())
    }

    /// Adds those that `families` lacks.
    pub(super) fn complete(&self, families: &mut Vec<MetricFamily>) {
        let is_there = |of: &MetricFamily| families.iter().any(|family| family.name() == of.name());
        let missing: Vec<_> = self.0.iter().filter(|of| !is_there(of)).cloned().collect();
        families.extend(missing);
    }
}

/// Handles for each agent type, made when it is first met.
pub(super) struct ByType<T>(RwLock<HashMap<Box<str>, Arc<T>>>);

impl<T> Default for ByType<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> ByType<T> {
    pub(super) fn of(&self, agent_type: &str, make: impl FnOnce(&str) -> T) -> Arc<T> {
        let known = self.0.read().get(agent_type).cloned();
        known.unwrap_or_else(|| self.entered(agent_type, make))
    }

    fn entered(&self, agent_type: &str, make: impl FnOnce(&str) -> T) -> Arc<T> {
        let mut by_type = self.0.write();
        let has_room = by_type.len() < MOST_TYPES || by_type.contains_key(agent_type);
        let label = if has_room { agent_type } else { OTHERS };
        Arc::clone(by_type.entry(label.into()).or_insert_with(|| Arc::new(make(label))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_past_the_most_share_one_label() {
        let by_type = ByType::<String>::default();
        for n in 0..MOST_TYPES + 10 {
            by_type.of(&n.to_string(), str::to_owned);
        }
        assert_eq!(*by_type.of("7", |_| String::new()), "7");
        assert_eq!(*by_type.of("1005", |_| String::new()), OTHERS);
        assert_eq!(by_type.0.read().len(), MOST_TYPES + 1);
    }
}
