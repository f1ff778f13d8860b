//! Dates and times in the forms of ISO 8601 that data files use.
//!
//! `2012-01-31`, `2012-01-31T08:15`, with seconds, a fraction and `Z` or an
//! offset; a space may stand for the `T`. Forms that swap day and month are
//! left as text: guessing would be wrong half of the time.

/// A point in time, for comparing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Time {
    /// Seconds since 1970, in UTC or, without an offset, wherever it was written.
    pub seconds: f64,
    pub has_clock: bool,
}

/// Reads a whole text as a date or a date with a time.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let (date, clock) = match text.split_at_checked(10)? {
        (date, "") => (date, None),
        (date, rest) => (date, Some(rest.strip_prefix(['T', 't', ' '])?)),
    };
    let days = parse_date(date)?;
    let seconds = clock.map_or(Some(0.0), parse_clock)?;
    Some(Time { seconds: days as f64 * 86_400.0 + seconds, has_clock: clock.is_some() })
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let known = parts.next().is_none() && (1..=12).contains(&month);
    (known && (1..=days_in_month(year, month)).contains(&day))
        .then(|| days_since_1970(year, month, day))
}

/// Seconds into the day, the offset taken off.
fn parse_clock(text: &str) -> Option<f64> {
    let (clock, offset) = split_offset(text)?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0.0), parse_second)?;
    let known = parts.next().is_none() && hour < 24 && minute < 60;
    known.then_some((hour * 3_600 + minute * 60 - offset) as f64 + second)
}

/// Sixty is a leap second.
fn parse_second(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = digits(whole, 2).filter(|second| *second <= 60)?;
    let in_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: f64 = in_digits.then(|| format!("0.{fraction}"))?.parse().ok()?;
    Some(whole as f64 + fraction)
}

/// The clock and the seconds by which it is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, offset) = text.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset: String = offset.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = offset.split_at_checked(2)?;
    let minutes = match minutes {
        "" => 0,
        minutes => digits(minutes, 2)?,
    };
    Some((clock, sign * (digits(hours, 2)? * 3_600 + minutes * 60)))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let in_digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    in_digits.then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts years from March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let rows = [
            ("1970-01-01", 0.0, false),
            ("1969-12-31", -86_400.0, false),
            ("2000-02-29", 951_782_400.0, false),
            ("2012-01-01T00:00:00Z", 1_325_376_000.0, true),
            ("2012-01-01 00:00", 1_325_376_000.0, true),
            ("2012-01-01T01:30:00.250+01:30", 1_325_376_000.25, true),
            ("2011-12-31T19:00:00-0500", 1_325_376_000.0, true),
            ("2011-12-31T19:00:00-05", 1_325_376_000.0, true),
        ];
        for (text, seconds, has_clock) in rows {
            assert_eq!(parse(text), Some(Time { seconds, has_clock }), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for text in [
            "",
            "2012",
            "2012-13-01",
            "2012-02-30",
            "1900-02-29",
            "2012-1-1",
            "01/02/2012",
            "2012-01-01x",
            "2012-01-01T",
            "2012-01-01T24:00",
            "2012-01-01T10:00:00.",
            "2012-01-01T10:00:61",
            "2012-01-01T10:00+1",
            "+012-01-01",
            "2012-01-0é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
