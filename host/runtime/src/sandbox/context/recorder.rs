//! What a guest says of its own work, by whichever interface.
//!
//! Nothing here fails. Each kind is kept up to a bound for each run; the rest is
//! counted as dropped, so a flood costs the guest its own words and the host
//! nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::telemetry::{Dropped, Metric, Progress, RunTelemetry, Span};

use crate::sandbox::guest_text::sanitize;
use crate::sandbox::limits::hosted::Hosted;

const METRICS: usize = 256;
const SPANS: usize = 256;
/// Bytes of spans and metrics together.
const REPORT_BYTES: usize = 128 * 1024;
const LABELS: usize = 16;
const NAME_BYTES: usize = 64;
const VALUE_BYTES: usize = 256;

/// A guest's handle to a span: its index, in the run that it was opened in.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct SpanHandle {
    run: u64,
    index: Option<usize>,
}

/// Receives a task's progress while it runs. Called on the guest's own time,
/// so it must be quick and must not wait.
pub type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The least time between two progress reports; no reader needs them more often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(20);

/// Collects one run's telemetry.
pub(crate) struct Recorder {
    run: u64,
    started: Instant,
    report_bytes: usize,
    open: Vec<usize>,
    kept: RunTelemetry,
    /// What `kept` is charged.
    held: Hosted,
    on_progress: Option<OnProgress>,
    /// When `on_progress` was last called.
    called: Option<Instant>,
}

impl Recorder {
    /// An empty one, whose words are charged on `held`.
    pub(crate) fn new(held: Hosted) -> Self {
        let started = Instant::now();
        Self {
            run: 0,
            started,
            report_bytes: 0,
            open: Vec::new(),
            kept: RunTelemetry::default(),
            held,
            on_progress: None,
            called: None,
        }
    }

    /// Starts a run. A handle from an earlier one no longer means anything.
    pub(crate) fn start_run(&mut self) {
        self.run += 1;
        self.started = Instant::now();
        self.report_bytes = 0;
        self.open.clear();
        self.kept = RunTelemetry::default();
        self.called = None;
    }

    /// `on_progress` is called with the progress of the run that starts next.
    pub(crate) fn watch(&mut self, on_progress: Option<OnProgress>) {
        self.on_progress = on_progress;
    }

    /// Keeps the last word on how far the task is, and passes it on.
    pub(crate) fn progress(&mut self, fraction: f64, message: Option<&str>) {
        if !fraction.is_finite() {
            return;
        }
        let message = message.map(|text| cut(text, VALUE_BYTES));
        let progress = Progress { fraction: fraction.clamp(0.0, 1.0), message };
        if let Some(on_progress) = &self.on_progress
            && self.called.is_none_or(|called| called.elapsed() >= PROGRESS_PAUSE)
        {
            on_progress(&progress);
            self.called = Some(Instant::now());
        }
        self.kept.progress = Some(progress);
    }

    /// Names of the spans that are still open, the outermost first.
    pub(crate) fn left_open(&self) -> Vec<String> {
        let spans = self.open.iter().filter_map(|index| self.kept.spans.get(*index));
        spans.map(|span| span.name.clone()).collect()
    }

    /// Ends what is still open and takes all that the run reported; `held` counts
    /// what that is charged.
    pub(crate) fn take(&mut self, held: &mut Hosted) -> RunTelemetry {
        while let Some(index) = self.open.last().copied() {
            self.close(index);
        }
        held.absorb(&mut self.held);
        std::mem::take(&mut self.kept)
    }

    /// Whether there is room for so much more of spans and metrics.
    fn has_room(&mut self, bytes: usize) -> bool {
        let wanted = self.report_bytes + bytes;
        let has_room = wanted <= REPORT_BYTES && self.held.cover(wanted).is_ok();
        if has_room {
            self.report_bytes = wanted;
        }
        has_room
    }

    fn dropped(&mut self) -> &mut Dropped {
        &mut self.kept.dropped
    }

    /// Opens a span inside the one that was opened last.
    pub(crate) fn open(&mut self, name: &str) -> SpanHandle {
        let name = cut(name, NAME_BYTES);
        let full = self.kept.spans.len() >= SPANS;
        if full || !self.has_room(name.len() + size_of::<Span>()) {
            self.dropped().spans += 1;
            return SpanHandle { run: self.run, index: None };
        }
        let index = self.kept.spans.len();
        self.kept.spans.push(Span {
            name,
            parent: self.open.last().copied(),
            start: self.started.elapsed(),
            duration: std::time::Duration::ZERO,
            attributes: Vec::new(),
        });
        self.open.push(index);
        SpanHandle { run: self.run, index: Some(index) }
    }

    /// Ends a span that this run opened.
    pub(crate) fn end(&mut self, span: &SpanHandle) {
        if let Some(index) = self.index_of(span) {
            self.close(index);
        }
    }

    /// Says something about a span that this run opened.
    pub(crate) fn describe(&mut self, span: &SpanHandle, name: &str, value: &str) {
        if let Some(index) = self.index_of(span) {
            self.attribute(index, name, value);
        }
    }

    /// Whether a span is one of this run's, and kept.
    pub(crate) fn has(&self, span: &SpanHandle) -> bool {
        self.index_of(span).is_some()
    }

    /// Gives a span that this run opened the name that it is known by, and the span
    /// that it happened in, which was opened before it.
    pub(crate) fn rename(&mut self, span: &SpanHandle, name: &str, parent: Option<&SpanHandle>) {
        let name = cut(name, NAME_BYTES);
        let parent = parent.and_then(|parent| self.index_of(parent));
        let Some(index) = self.index_of(span) else { return };
        if !self.has_room(name.len()) {
            self.dropped().spans += 1;
            return;
        }
        if let Some(span) = self.kept.spans.get_mut(index) {
            (span.name, span.parent) = (name, parent.filter(|parent| *parent < index));
        }
    }

    /// Where a span is kept, if it is one of this run's.
    fn index_of(&self, span: &SpanHandle) -> Option<usize> {
        span.index.filter(|_| span.run == self.run)
    }

    fn close(&mut self, index: usize) {
        self.open.retain(|open| *open != index);
        let now = self.started.elapsed();
        if let Some(span) = self.kept.spans.get_mut(index) {
            span.duration = now.saturating_sub(span.start);
        }
    }

    fn attribute(&mut self, index: usize, name: &str, value: &str) {
        let (name, value) = (cut(name, NAME_BYTES), cut(value, VALUE_BYTES));
        if !self.has_room(name.len() + value.len() + size_of::<(String, String)>()) {
            self.dropped().spans += 1;
            return;
        }
        let Some(span) = self.kept.spans.get_mut(index) else { return };
        if let Some((_, old)) = span.attributes.iter_mut().find(|(known, _)| *known == name) {
            *old = value;
        } else if span.attributes.len() < LABELS {
            span.attributes.reserve_exact(1);
            span.attributes.push((name, value));
        }
    }

    /// Keeps one observation.
    pub(crate) fn metric(&mut self, name: &str, value: f64, labels: &[(&str, &str)]) {
        let well_formed = is_metric_name(name)
            && value.is_finite()
            && labels.len() <= LABELS
            && labels.iter().all(|(name, _)| is_metric_name(name));
        if !well_formed || self.kept.metrics.len() >= METRICS {
            self.dropped().metrics += 1;
            return;
        }
        let labels =
            labels.iter().map(|(name, value)| ((*name).to_owned(), cut(value, VALUE_BYTES)));
        let labels: Vec<_> = labels.collect();
        let kept = labels.iter().map(|(name, value)| name.len() + value.len());
        let kept: usize = kept.map(|bytes| bytes + size_of::<(String, String)>()).sum();
        if !self.has_room(kept + name.len() + size_of::<Metric>()) {
            self.dropped().metrics += 1;
            return;
        }
        self.kept.metrics.push(Metric { name: name.to_owned(), value, labels });
    }
}

fn cut(text: &str, bytes: usize) -> String {
    let mut kept = sanitize(text.get(..text.floor_char_boundary(bytes)).unwrap_or_default());
    kept.shrink_to_fit();
    kept
}

/// Prometheus' alphabet for names, and a length that fits a label.
fn is_metric_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.len() <= NAME_BYTES
        && name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::limits::memory::AgentMemory;

    fn recorder() -> Recorder {
        Recorder::new(Hosted::nothing(&AgentMemory::new(0)))
    }

    fn taken(recorder: &mut Recorder) -> RunTelemetry {
        let mut held = recorder.held.nothing_yet();
        recorder.take(&mut held)
    }

    #[test]
    fn spans_nest_and_the_open_ones_end_with_the_run() {
        let mut recorder = recorder();
        let outer = recorder.open("outer");
        let inner = recorder.open("inner");
        recorder.attribute(inner.index.unwrap(), "rows", "1");
        recorder.attribute(inner.index.unwrap(), "rows", "2");
        recorder.close(outer.index.unwrap());
        assert_eq!(recorder.left_open(), ["inner"]);
        let kept = taken(&mut recorder);
        assert_eq!(kept.spans[1].parent, Some(0));
        assert_eq!(kept.spans[1].attributes, [("rows".to_string(), "2".to_string())]);
        assert!(recorder.open.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut recorder = recorder();
        for _ in 0..1000 {
            recorder.metric("rows_total", 1.0, &[]);
            recorder.open("span");
        }
        recorder.metric("not a name", 1.0, &[]);
        recorder.metric("nan", f64::NAN, &[]);
        let kept = taken(&mut recorder);
        assert_eq!(
            (kept.metrics.len(), kept.dropped.metrics),
            (METRICS, 1000 - METRICS as u64 + 2)
        );
        assert_eq!((kept.spans.len(), kept.dropped.spans), (SPANS, 1000 - SPANS as u64));
    }

    #[test]
    fn spans_and_metrics_are_bounded_by_their_bytes_too() {
        let mut recorder = recorder();
        let (names, value): (Vec<_>, _) =
            ((0..LABELS).map(|n| format!("label_{n}")).collect(), "v".repeat(1000));
        let labels: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        (0..METRICS).for_each(|_| recorder.metric("large", 1.0, &labels));
        let span = recorder.open("span");
        (0..LABELS).for_each(|n| recorder.attribute(0, &n.to_string(), &"v".repeat(1000)));
        assert!(span.index.is_some_and(|index| index == 0) || recorder.kept.spans.is_empty());
        let kept = taken(&mut recorder);
        assert!(kept.metrics.len() < 30, "each takes 5 KiB: {}", kept.metrics.len());
        assert_eq!(kept.dropped.metrics as usize, METRICS - kept.metrics.len());
    }

    #[test]
    fn what_the_agent_may_not_hold_is_counted() {
        let agent = AgentMemory::new(0);
        let _other = Hosted::of(&agent, 888 * 1024).unwrap();
        let mut recorder = Recorder::new(Hosted::nothing(&agent));
        (0..200).for_each(|_| recorder.metric("rows_total", 1.0, &[]));
        let kept = taken(&mut recorder);
        assert!((10..200).contains(&kept.metrics.len()), "{}", kept.metrics.len());
        assert_eq!(kept.dropped.metrics as usize, 200 - kept.metrics.len());
    }

    #[test]
    fn a_handle_of_an_earlier_run_means_nothing() {
        let mut recorder = recorder();
        let old = recorder.open("old");
        taken(&mut recorder);
        recorder.start_run();
        assert_ne!(old.run, recorder.run);
    }
}
