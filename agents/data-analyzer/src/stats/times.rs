//! The earliest and the latest of a column's dates and times.

use super::tally::bounded;
use crate::report::TimeReport;
use crate::time::Time;

/// The ends of the span, as they were written.
#[derive(Debug, Default)]
pub(crate) struct Times {
    count: u64,
    ends: Option<(End, End)>,
}

#[derive(Clone, Debug)]
struct End {
    seconds: f64,
    text: String,
}

impl Times {
    pub(crate) fn push(&mut self, time: &Time, text: &str) {
        self.count += 1;
        let end = || End { seconds: time.seconds, text: bounded(text).into_owned() };
        match &mut self.ends {
            None => self.ends = Some((end(), end())),
            Some((earliest, _)) if time.seconds < earliest.seconds => *earliest = end(),
            Some((_, latest)) if time.seconds > latest.seconds => *latest = end(),
            Some(_) => {}
        }
    }

    pub(crate) fn finish(self) -> Option<TimeReport> {
        let (earliest, latest) = self.ends?;
        Some(TimeReport {
            count: self.count,
            span_days: (latest.seconds - earliest.seconds) / 86_400.0,
            earliest: earliest.text,
            latest: latest.text,
        })
    }
}
