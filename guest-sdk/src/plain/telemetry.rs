//! Spans and metrics of an agent in the specification's form.

use std::cell::RefCell;

use super::Layer4Result;
use crate::Span;

thread_local! {
    /// The span of the call that runs. An instance makes one call at a time, and a span
    /// that `start_tracking` returned would end in the statement that asks for it.
    static OPEN: RefCell<Option<Span>> = const { RefCell::new(None) };
}

/// What an agent reports to its operator. [`crate::telemetry`] has the rest: labels,
/// progress and lines of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    name: String,
}

impl Telemetry {
    pub(super) fn new(name: String) -> Self {
        Self { name }
    }

    /// Opens a span with the agent's name. It ends when it is called again, or with the
    /// task.
    ///
    /// # Errors
    /// None: telemetry that the host cannot keep is dropped and counted.
    pub fn start_tracking(&self) -> Layer4Result<()> {
        end_tracking();
        let span = crate::telemetry::start_tracking(&self.name);
        OPEN.set(Some(span));
        Ok(())
    }

    /// Records one observation.
    ///
    /// The name follows Prometheus: letters, digits and `_`, not starting with a digit.
    /// The host drops other names and values that are not finite.
    pub fn record_metric(&self, name: &str, value: f64) {
        crate::telemetry::record_metric(name, value);
    }
}

/// Ends the span that is open, if one is. Called at the end of each call.
pub(super) fn end_tracking() {
    drop(OPEN.take());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_span_ends_with_the_next_one_or_the_call() {
        let telemetry = Telemetry::new("counter".to_owned());
        let ((), recording) = testing::record(|| {
            telemetry.start_tracking().unwrap();
            telemetry.start_tracking().unwrap();
            telemetry.record_metric("words", 2.0);
            end_tracking();
        });
        assert_eq!(recording.spans.len(), 2);
        assert!(recording.spans.iter().all(|span| span.ended && span.name == "counter"));
        assert!(recording.spans.iter().all(|span| span.parent.is_none()), "one after the other");
        assert_eq!(recording.metric_values("words"), [2.0]);
    }

    #[test]
    fn a_span_that_is_open_when_a_thread_ends_does_no_harm() {
        let ended = std::thread::spawn(|| {
            end_tracking();
            Telemetry::new("counter".to_owned()).start_tracking().unwrap();
        });
        ended.join().unwrap();
    }
}
