//! One value of the table, and how a text is read as one.

use std::collections::HashSet;

use chimera_agent_sdk::prelude::*;

use crate::time::{self, Time};

/// One value of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Time(Time, &'a str),
    Text(&'a str),
    /// An array or an object inside a row: counted, not looked into.
    Nested,
}

impl Cell<'_> {
    /// The value as a number, where it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match *self {
            Self::Integer(value) => Some(value as f64),
            Self::Number(value) => Some(value),
            _ => None,
        }
    }
}

/// Reads a field of a CSV file, where everything is text.
///
/// Digits that start with a superfluous zero stay text: they are postal codes
/// and identifiers, and a number would lose the zero.
pub(crate) fn from_csv<'a>(text: &'a str, missing: &MissingWords) -> Cell<'a> {
    let text = text.trim();
    if missing.contains(text) {
        return Cell::Missing;
    }
    if text.eq_ignore_ascii_case("true") {
        return Cell::Boolean(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Cell::Boolean(false);
    }
    number(text).unwrap_or_else(|| time_or_text(text))
}

/// Reads a string of a JSON document. Its author had numbers and booleans to
/// choose from, so only times are looked for.
pub(crate) fn from_json<'a>(text: &'a str, missing: &MissingWords) -> Cell<'a> {
    if missing.contains(text.trim()) {
        return Cell::Missing;
    }
    time_or_text(text)
}

fn time_or_text(text: &str) -> Cell<'_> {
    match time::parse(text) {
        Some(time) => Cell::Time(time, text),
        None => Cell::Text(text),
    }
}

fn number(text: &str) -> Option<Cell<'static>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut bytes = digits.bytes();
    let (first, second) = (bytes.next()?, bytes.next());
    if first == b'0' && second.is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(integer) = text.parse() {
        return Some(Cell::Integer(integer));
    }
    let number: f64 = text.parse().ok()?;
    // What is neither a word for missing nor a number is text: NaN, and digits
    // whose exponent leaves every range, as a hash such as `12e45678` does.
    let is_spelt_out = digits.starts_with(['i', 'I']);
    (number.is_finite() || (number.is_infinite() && is_spelt_out)).then_some(Cell::Number(number))
}

/// The texts that stand for "no value", whatever their case.
#[derive(Debug)]
pub(crate) struct MissingWords {
    words: HashSet<String>,
    longest: usize,
}

impl MissingWords {
    pub(crate) fn new(words: Vec<String>) -> Self {
        let words: HashSet<_> = words.iter().map(|word| word.trim().to_ascii_lowercase()).collect();
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        Self { words, longest }
    }

    /// Most values are longer than every word, and are not copied to be compared.
    fn contains(&self, text: &str) -> bool {
        text.len() <= self.longest
            && !self.words.is_empty()
            && self.words.contains(text.to_ascii_lowercase().as_str())
    }
}

impl Default for MissingWords {
    fn default() -> Self {
        Self::new(["", "na", "n/a", "nan", "null"].map(str::to_owned).into())
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "serde", rename_all = "lowercase")]
pub enum ColumnType {
    /// Every value is missing.
    Empty,
    /// Whole numbers.
    Integer,
    /// Numbers, some with a fraction.
    Number,
    /// True or false.
    Boolean,
    /// Days.
    Date,
    /// Points in time, some with a clock.
    Datetime,
    /// Words.
    Text,
    /// Arrays or objects.
    Nested,
    /// Several of these.
    Mixed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Cell<'_> {
        from_csv(text, &MissingWords::default())
    }

    #[test]
    fn fields_are_read_as_what_they_look_like() {
        let rows = [
            ("", Cell::Missing),
            ("  ", Cell::Missing),
            ("N/A", Cell::Missing),
            ("NaN", Cell::Missing),
            ("TRUE", Cell::Boolean(true)),
            ("false", Cell::Boolean(false)),
            (" 12 ", Cell::Integer(12)),
            ("-0", Cell::Integer(0)),
            ("0.5", Cell::Number(0.5)),
            ("1e3", Cell::Number(1000.0)),
            ("inf", Cell::Number(f64::INFINITY)),
            ("-Infinity", Cell::Number(f64::NEG_INFINITY)),
            ("12e45678", Cell::Text("12e45678")),
            ("007", Cell::Text("007")),
            ("-01", Cell::Text("-01")),
            ("-nan", Cell::Text("-nan")),
            ("1,5", Cell::Text("1,5")),
            ("-", Cell::Text("-")),
            ("0", Cell::Integer(0)),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert!(matches!(read("2012-01-01"), Cell::Time(time, _) if !time.has_clock));
    }

    #[test]
    fn an_integer_too_big_for_64_bits_is_a_number() {
        assert_eq!(read("9223372036854775807"), Cell::Integer(i64::MAX));
        assert_eq!(read("9223372036854775808"), Cell::Number(9_223_372_036_854_775_808.0));
    }

    #[test]
    fn strings_of_json_are_not_numbers() {
        let words = MissingWords::default();
        assert_eq!(from_json("12", &words), Cell::Text("12"));
        assert_eq!(from_json("true", &words), Cell::Text("true"));
        assert_eq!(from_json("NA", &words), Cell::Missing);
    }

    #[test]
    fn the_words_for_missing_can_be_chosen() {
        let words = MissingWords::new(vec!["-".into(), "Unknown".into()]);
        assert_eq!(from_csv("unknown", &words), Cell::Missing);
        assert_eq!(from_csv("-", &words), Cell::Missing);
        assert_eq!(from_csv("NA", &words), Cell::Text("NA"));
        assert_eq!(from_csv("", &words), Cell::Text(""));
        assert_eq!(from_csv("", &MissingWords::new(vec![])), Cell::Text(""));
    }
}
