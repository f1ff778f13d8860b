//! What an agent told its operator, for a test to look at.

use std::collections::BTreeMap;

use crate::Level;

/// Everything an agent told, in order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recording {
    /// Observations.
    pub metrics: Vec<Metric>,
    /// Spans, in the order in which they were opened.
    pub spans: Vec<SpanRecord>,
    /// Steps of progress.
    pub progress: Vec<Progress>,
    /// Lines of the log.
    pub logs: Vec<LogLine>,
}

/// One observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its dimensions.
    pub labels: BTreeMap<String, String>,
}

/// One stretch of work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanRecord {
    /// Its name.
    pub name: String,
    /// Which span of the recording it lies in.
    pub parent: Option<usize>,
    /// What was said about it.
    pub attributes: BTreeMap<String, String>,
    /// Whether the agent ended it. One that the agent left open when its call
    /// returned is closed by the host and stays `false`.
    pub ended: bool,
    pub(crate) id: u64,
    pub(crate) open: bool,
}

/// One step of progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How far, from 0.0 to 1.0.
    pub fraction: f64,
    /// What was being done.
    pub message: Option<String>,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// Its words.
    pub message: String,
}

impl Recording {
    /// The values recorded under a name, in order, whatever their labels.
    pub fn metric_values(&self, name: &str) -> Vec<f64> {
        let named = self.metrics.iter().filter(|metric| metric.name == name);
        named.map(|metric| metric.value).collect()
    }

    /// The first span of this name.
    pub fn span(&self, name: &str) -> Option<&SpanRecord> {
        self.spans.iter().find(|span| span.name == name)
    }

    /// The span in which the first span of this name lies.
    pub fn parent_of(&self, name: &str) -> Option<&SpanRecord> {
        self.spans.get(self.span(name)?.parent?)
    }

    pub(crate) fn open_span(&mut self, id: u64) -> Option<&mut SpanRecord> {
        self.spans.iter_mut().rfind(|span| span.id == id && span.open)
    }

    pub(crate) fn innermost_open_span(&self) -> Option<usize> {
        self.spans.iter().rposition(|span| span.open)
    }

    pub(crate) fn close_open_spans(&mut self) {
        for span in &mut self.spans {
            span.open = false;
        }
    }
}

impl SpanRecord {
    pub(crate) fn new(id: u64, name: &str, parent: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            parent,
            attributes: BTreeMap::new(),
            ended: false,
            id,
            open: true,
        }
    }
}
