//! JSON of others, kept as text.
//!
//! A tree of values takes up to a hundred times the bytes of its text, and
//! serde_json gives some keys of an object a private meaning as it builds one.
//! So payloads and outputs are checked once and stay text ([`JsonText`]): what
//! they cost is their bytes, and what was accepted can be read again wherever
//! it is stored or shown. Where values are needed, [`tree`] builds them without
//! private keys, and [`JsonText::tree`] only if they stay within a bound.

mod check;
mod copy;
mod find;
mod outline;
mod tree;

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub use check::nesting;
pub use copy::{Copy, Rule};
pub use outline::Outline;
pub use tree::{Tree, tree, tree_bytes};

/// Arrays and objects inside each other that a payload or an output may have.
/// Eight fewer than most readers of JSON take, since a record, an answer of the
/// API or a line of `work` puts up to four levels around it.
pub const MOST_DEPTH: usize = 120;
/// What values built of a text may take, for each of its bytes.
const TREE_BYTES_PER_BYTE: usize = 8;
/// What they may take besides.
const TREE_BYTES: usize = 1 << 20;

/// A JSON value as text: well-formed, without white space between values, with
/// numbers that fit 64 bits or a float, and without halves of surrogate pairs.
///
/// Keys keep their order and numbers their digits. Two texts are equal if their
/// values are.
#[derive(Clone)]
pub struct JsonText {
    text: Arc<str>,
    depth: usize,
}

/// Why a text is not taken as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJson {
    /// It is not well-formed.
    #[error("{0}")]
    Malformed(String),
    /// It is well-formed, and beyond what this host reads.
    #[error("{0}")]
    Beyond(String),
}

impl JsonText {
    /// Checks a text. Half a surrogate pair as an escape, which RFC 8259's
    /// grammar allows and no UTF-8 text can have, is replaced by U+FFFD.
    ///
    /// # Errors
    /// It is not JSON, is nested past what is read, or has a number past the
    /// range of a float.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        Outline::of(text).parse()
    }

    /// As [`parse`](Self::parse), without a copy of a text that is plain already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_shared(text: &Arc<str>) -> Result<Self, InvalidJson> {
        Outline::of(text).parse_or(|| Arc::clone(text))
    }

    /// A value of Rust as JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON, or not be read again.
    pub fn of(value: &impl Serialize) -> Result<Self, InvalidJson> {
        let text = serde_json::to_string(value);
        Self::parse(&text.map_err(|error| InvalidJson::Malformed(error.to_string()))?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, shared.
    #[must_use]
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Arrays and objects inside each other.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Reads it as a type of the caller's.
    ///
    /// # Errors
    /// It is of another shape.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.text)
    }

    /// Its values, however much they take: up to a hundred times the text. For
    /// a caller that knows what it holds; [`tree`](Self::tree) is bounded.
    #[must_use]
    pub fn to_value(&self) -> Value {
        tree(&self.text).unwrap_or_default()
    }

    /// Its values, if they take no more than eight times the text and a mebibyte.
    #[must_use]
    pub fn tree(&self) -> Option<Value> {
        let most = self.text.len().saturating_mul(TREE_BYTES_PER_BYTE).saturating_add(TREE_BYTES);
        (tree_bytes(&self.text) <= most).then(|| self.to_value())
    }

    /// The value that a JSON pointer (RFC 6901) names.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Self> {
        find::pointer(&self.text, pointer).and_then(|found| Self::parse(&found).ok())
    }

    /// One text for all texts of the same value, as long as their values stay
    /// within the bound of [`tree`](Self::tree).
    #[must_use]
    pub fn canonical(&self) -> String {
        self.tree().map_or_else(|| self.text.as_ref().to_owned(), |tree| tree.to_string())
    }
}

impl Default for JsonText {
    /// `null`.
    fn default() -> Self {
        Self { text: "null".into(), depth: 0 }
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl From<&Value> for JsonText {
    /// Well-formed, and as deep as the value; a submission that is too deep is
    /// refused for its [`depth`](Self::depth).
    fn from(value: &Value) -> Self {
        let text = value.to_string();
        Self { depth: nesting(text.as_bytes()), text: text.into() }
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || self.canonical() == other.canonical()
    }
}

impl PartialEq<Value> for JsonText {
    fn eq(&self, other: &Value) -> bool {
        let other = Self::from(other);
        *self == other
    }
}

impl PartialEq<JsonText> for Value {
    fn eq(&self, other: &JsonText) -> bool {
        other == self
    }
}

impl PartialEq<&str> for JsonText {
    /// Whether it is this string.
    fn eq(&self, other: &&str) -> bool {
        let other = Value::from(*other);
        *self == other
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for JsonText {
    /// Value by value, so that it looks like what is around it, and so that a
    /// serializer sees plain objects whatever their keys are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Copy::of(&self.text).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: Box<str> = Box::<RawValue>::deserialize(deserializer)?.into();
        Self::parse_shared(&raw.into()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
