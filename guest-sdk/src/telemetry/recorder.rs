//! Telemetry of a native build: into the recording that is being taken on this
//! thread, and nowhere when none is.
//!
//! Recordings belong to the caller that asked for one, so that two test hosts
//! on one thread do not mix, and a native program that never asks keeps
//! nothing.

use std::cell::{Cell, RefCell};

use super::Level;
use crate::testing::{LogLine, Metric, Progress, Recording, SpanRecord};

thread_local! {
    static CURRENT: RefCell<Option<Recording>> = const { RefCell::new(None) };
    static NEXT_SPAN: Cell<u64> = const { Cell::new(0) };
}

/// Runs `f` and adds what it tells to `recording`.
pub(crate) fn record_into<R>(recording: &mut Recording, f: impl FnOnce() -> R) -> R {
    let _restore = Restore::install(recording);
    f()
}

/// Puts the earlier recording back and hands ours over, also after a panic.
struct Restore<'a> {
    ours: &'a mut Recording,
    earlier: Option<Recording>,
}

impl<'a> Restore<'a> {
    fn install(ours: &'a mut Recording) -> Self {
        let earlier = CURRENT.with(|current| current.replace(Some(std::mem::take(ours))));
        Self { ours, earlier }
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let taken = CURRENT.with(|current| current.replace(self.earlier.take()));
        *self.ours = taken.unwrap_or_default();
        self.ours.close_open_spans();
    }
}

/// There is no recording when the thread ends, where a span that a thread-local value
/// holds may still be dropped.
fn with_recording(f: impl FnOnce(&mut Recording)) {
    let _ = CURRENT.try_with(|current| {
        if let Some(recording) = current.borrow_mut().as_mut() {
            f(recording);
        }
    });
}

/// Refers to its record by number: a span that outlives its recording must not
/// end a span of the next one.
pub(crate) struct Span {
    id: u64,
}

impl Span {
    pub(crate) fn set_attribute(&self, name: &str, value: String) {
        with_recording(|recording| {
            if let Some(span) = recording.open_span(self.id) {
                span.attributes.insert(name.to_owned(), value);
            }
        });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        with_recording(|recording| {
            if let Some(span) = recording.open_span(self.id) {
                span.open = false;
                span.ended = true;
            }
        });
    }
}

pub(crate) fn start_tracking(name: &str) -> Span {
    let id = NEXT_SPAN.replace(NEXT_SPAN.get() + 1);
    with_recording(|recording| {
        let parent = recording.innermost_open_span();
        recording.spans.push(SpanRecord::new(id, name, parent));
    });
    Span { id }
}

pub(crate) fn record_metric(name: &str, value: f64, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let name = name.to_owned();
    with_recording(|recording| recording.metrics.push(Metric { name, value, labels }));
}

pub(crate) fn progress(fraction: f64, message: Option<String>) {
    with_recording(|recording| recording.progress.push(Progress { fraction, message }));
}

pub(crate) fn log(level: Level, message: String) {
    with_recording(|recording| recording.logs.push(LogLine { level, message }));
}
