//! TOML as it is written.
//!
//! `toml::Value` is read by a protocol in which a table with the private key
//! `$__toml_private_datetime` is a date. A file's author can write that key, too. So
//! the parser's own tree is read here, in which a date is no table.

use toml::de::{DeTable, DeValue, Error};
use toml::{Spanned, Table, Value};

/// Reads a text as tables and values. No key of a table means anything but itself.
///
/// # Errors
/// It is not TOML, or one of its numbers does not fit.
pub(super) fn table(text: &str) -> Result<Table, NotToml> {
    let parsed = DeTable::parse(text).map_err(|error| NotToml::of(&error, text))?;
    members(parsed.into_inner()).map_err(|wrong| NotToml::at(wrong.start, text, NUMBER))
}

/// What is wrong with a number.
const NUMBER: &str = "this number is too large";

/// What is wrong and where, without the line itself: it may hold a secret.
#[derive(Debug)]
pub(super) struct NotToml(pub(super) String);

impl NotToml {
    fn of(error: &Error, text: &str) -> Self {
        match error.span() {
            Some(span) => Self::at(span.start, text, error.message()),
            None => Self(error.message().to_owned()),
        }
    }

    fn at(start: usize, text: &str, message: &str) -> Self {
        let line = text.get(..start).map(|before| before.matches('\n').count() + 1);
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        Self(format!("{place}{message}"))
    }
}

/// Where a number is that does not fit.
type Place = std::ops::Range<usize>;

fn members(table: DeTable<'_>) -> Result<Table, Place> {
    let member = |(name, value): (Spanned<toml::de::DeString<'_>>, _)| {
        Ok((name.into_inner().into_owned(), self::value(value)?))
    };
    table.into_iter().map(member).collect()
}

/// The parser bounds how deep values are nested.
fn value(read: Spanned<DeValue<'_>>) -> Result<Value, Place> {
    let place = read.span();
    Ok(match read.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            Value::Integer(read.map_err(|_| place)?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().map_err(|_| place)?),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(date) => Value::Datetime(date),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => Value::Table(members(inner)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_the_library_reads_it() {
        let text = "a = -1\nb = 0x1F\nc = 1_000\nd = 1.5e3\ne = inf\nf = [true, \"x\\u00e9\", []]\n\
                    g = 1979-05-27T07:32:00Z\nh.i = { j = '' }\n[[k]]\nl = +7\n[[k]]\nm = -0.0\n\
                    n = 9223372036854775807\no = -9223372036854775808\np = 0o17\nq = 0b11\nr = -inf\n";
        assert_eq!(table(text).unwrap(), text.parse::<Table>().unwrap());
    }

    #[test]
    fn a_private_key_is_a_key() {
        let read = table("a = { \"$__toml_private_datetime\" = \"1979-05-27\" }").unwrap();
        let inner = read.get("a").and_then(Value::as_table).unwrap();
        assert_eq!(inner.get("$__toml_private_datetime").unwrap().as_str(), Some("1979-05-27"));
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_line() {
        for (text, message) in [
            ("a = 1\nb = ", "line 2: "),
            ("a = 1\nb = [9223372036854775808]", "line 2: this number is too large"),
            ("a = 1\na = 2", "line 2: duplicate key"),
        ] {
            let NotToml(said) = table(text).unwrap_err();
            assert!(said.starts_with(message), "{said}");
        }
    }
}
