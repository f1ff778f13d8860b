//! Times in both of their forms, and arithmetic that does not wrap.

use proptest::prelude::*;

use super::*;

#[test]
fn a_time_is_written_as_rfc_3339_and_read_in_both_forms() {
    let time = Timestamp(1_700_000_000_123);
    let text = serde_json::to_string(&time).unwrap();
    assert_eq!(text, "\"2023-11-14T22:13:20.123Z\"");
    for form in [&*text, "1700000000123", "\"2023-11-14T22:13:20.123000000Z\""] {
        assert_eq!(serde_json::from_str::<Timestamp>(form).unwrap(), time, "{form}");
    }
    let never = serde_json::to_string(&Timestamp(u64::MAX)).unwrap();
    assert_eq!(never, "\"9999-12-31T23:59:59.999Z\"");
    for wrong in ["-1", "\"soon\"", "1.5", "null"] {
        assert!(serde_json::from_str::<Timestamp>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_no_time_is_answered_with_what_is() {
    let error = serde_json::from_str::<Timestamp>("true").unwrap_err().to_string();
    assert!(error.contains("a time as RFC 3339, or milliseconds since 1970"), "{error}");
}

#[test]
fn a_time_counts_in_whole_milliseconds_and_does_not_wrap() {
    let time = Timestamp(1000);
    assert_eq!(time.after(Duration::from_micros(2999)), Timestamp(1002));
    assert_eq!(time.before(Duration::from_micros(2999)), Timestamp(998));
    assert_eq!(time.before(Duration::from_secs(2)), Timestamp(0));
    assert_eq!(Timestamp(u64::MAX).after(Duration::from_secs(1)), Timestamp(u64::MAX));
    assert_eq!(time.after(Duration::MAX), Timestamp(u64::MAX));
    assert_eq!(time.before(Duration::MAX), Timestamp(0));
    assert_eq!(time.since(Timestamp(400)), Duration::from_millis(600));
    assert_eq!(time.since(Timestamp(1001)), Duration::ZERO);
    assert_eq!((time.set_by(-400), time.set_by(7)), (Timestamp(600), Timestamp(1007)));
    assert_eq!((time.set_by(-1001), time.set_by(i64::MIN)), (Timestamp(0), Timestamp(0)));
}

#[test]
fn a_moment_counts_as_a_time_does() {
    let moment = Moment(1000);
    assert_eq!(moment.after(Duration::from_micros(2999)), Moment(1002));
    assert_eq!(moment.after(Duration::MAX), Moment(u64::MAX));
    assert_eq!(moment.since(Moment(400)), Duration::from_millis(600));
    assert_eq!(moment.since(Moment(1001)), Duration::ZERO);
}

#[test]
fn a_time_that_no_clock_shows_is_no_panic() {
    let epoch = SystemTime::UNIX_EPOCH;
    assert_eq!(Timestamp(1500).to_system_time(), epoch + Duration::from_millis(1500));
    assert_eq!(Timestamp::from(epoch + Duration::from_micros(1999)), Timestamp(1));
    assert_eq!(Timestamp::from(epoch - Duration::from_secs(1)), Timestamp(0));
    // What is stored may be anything.
    let _ = Timestamp(u64::MAX).to_system_time();
}

proptest! {
    /// Until the year 9999 both forms of a time are one time.
    #[test]
    fn a_time_survives_its_json(millis in 0..=LAST_MILLIS) {
        let time = Timestamp(millis);
        let text = serde_json::to_string(&time).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), time);
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&millis.to_string()).unwrap(), time);
        prop_assert_eq!(Timestamp::from(time.to_system_time()), time);
    }

    #[test]
    fn later_and_earlier_undo_each_other(millis in 0..LAST_MILLIS, by in 0..LAST_MILLIS) {
        let (time, by_time) = (Timestamp(millis), Duration::from_millis(by));
        prop_assert_eq!(time.after(by_time).before(by_time), time);
        prop_assert_eq!(time.after(by_time).since(time), by_time);
        let by = i64::try_from(by).unwrap();
        prop_assert_eq!(time.set_by(by).set_by(-by), time);
        prop_assert_eq!(time.set_by(by), time.after(by_time));
    }
}
