//! What the recorder keeps, seen through the public functions.

use super::*;
use crate::testing::record;

#[test]
fn spans_nest_and_end_where_they_are_dropped() {
    let ((), recording) = record(|| {
        let outer = start_tracking("outer");
        {
            let inner = start_tracking("inner");
            inner.set_attribute("rows", 1);
            inner.set_attribute("rows", 2);
        }
        let _sibling = start_tracking("sibling");
        drop(outer);
    });
    assert_eq!(recording.parent_of("inner").unwrap().name, "outer");
    assert_eq!(recording.parent_of("sibling").unwrap().name, "outer");
    assert!(recording.parent_of("outer").is_none());
    assert_eq!(recording.span("inner").unwrap().attributes["rows"], "2");
    assert!(recording.spans.iter().all(|span| span.ended));
}

#[test]
fn a_span_that_outlives_its_call_is_closed_by_the_host() {
    let (kept, first) = record(|| start_tracking("kept"));
    assert!(!first.span("kept").unwrap().ended);
    let ((), second) = record(|| {
        let _own = start_tracking("own");
        kept.set_attribute("late", true);
        drop(kept);
    });
    assert_eq!(second.spans.len(), 1);
    assert!(second.span("own").unwrap().attributes.is_empty());
}

#[test]
fn a_number_of_spans_in_two_recordings_do_not_mix() {
    let ((_, inner), outer) = record(|| {
        info("before");
        let inner = record(|| info("inside"));
        info("after");
        inner
    });
    let words = |recording: &crate::testing::Recording| -> Vec<String> {
        recording.logs.iter().map(|line| line.message.clone()).collect()
    };
    assert_eq!(words(&inner), ["inside"]);
    assert_eq!(words(&outer), ["before", "after"]);
}

#[test]
fn metrics_progress_and_lines_are_kept_in_order() {
    let telemetry = Telemetry;
    let ((), recording) = record(|| {
        telemetry.record_metric("rows", 1.0);
        telemetry.record_metric_with("rows", 2.0, &[("kind", "csv")]);
        telemetry.progress(0.5);
        telemetry.progress_with(1.0, "done");
        telemetry.log(Level::Warn, "slow");
        for write in [trace, debug, info, warn, error] as [fn(&'static str); 5] {
            write("line");
        }
    });
    assert_eq!(recording.metric_values("rows"), [1.0, 2.0]);
    assert_eq!(recording.metrics[1].labels["kind"], "csv");
    assert_eq!(recording.progress[0].message, None);
    assert_eq!(recording.progress[1].message.as_deref(), Some("done"));
    let levels: Vec<_> = recording.logs.iter().map(|line| line.level).collect();
    let each = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
    assert_eq!(levels[0], Level::Warn);
    assert_eq!(levels[1..], each);
}

#[test]
fn without_a_recording_nothing_is_kept_and_nothing_fails() {
    let _span = start_tracking("without a recording");
    record_metric("rows", 1.0);
    progress(0.1);
    info("into the void");
    assert!(record(|| ()).1.spans.is_empty());
}

#[test]
fn a_panic_inside_restores_the_earlier_recording() {
    let ((), recording) = record(|| {
        let caught = std::panic::catch_unwind(|| record(|| panic!("on purpose")));
        assert!(caught.is_err());
        info("still here");
    });
    assert_eq!(recording.logs.len(), 1);
}
