//! JSON values of which no key means anything but itself.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value as a submitter wrote it. `serde_json` gives a key of its own to texts that stay
/// text (its feature `raw_value`), and reads an object with this key as what the text holds.
pub(super) struct Tree(pub(super) Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        if has_private_numbers() {
            return Value::deserialize(reader).map(Self);
        }
        reader.deserialize_any(Reading).map(Self)
    }
}

/// With the feature `arbitrary_precision`, which an author's crate may turn on, numbers
/// come as objects with a private key, which only `serde_json` itself can read.
fn has_private_numbers() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| serde_json::from_str::<Number>("1e999").is_ok())
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom(format_args!("{value} is no number of JSON's")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Tree(value))) = members.next_entry::<String, Tree>()? {
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::decode;

    #[test]
    fn a_value_is_as_it_was_written() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,0.1,"x\n"],"b":{},"c":[]}"#;
        let Tree(read) = decode(text).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_key_has_a_private_meaning() {
        let text = r#"{"$serde_json::private::RawValue":"[1]"}"#;
        let Tree(read) = decode(text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(serde_json::from_str::<Value>(text).unwrap().to_string(), "[1]");
    }

    #[test]
    fn what_does_not_fit_names_the_place() {
        let error = decode::<Tree>(r#"{"a":[1,x]}"#).map(|Tree(value)| value).unwrap_err();
        assert!(error.message().starts_with("payload does not fit: at `a[1]`"), "{error}");
    }
}
