//! Copies JSON text into a serializer, value by value and without a tree.
//!
//! Numbers that are no whole ones of 64 bits go as serde_json's raw values, so
//! that none of their digits is lost.

use std::borrow::Cow;
use std::cell::Cell;

use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::check::Strings;

/// Arrays and objects inside each other that are written.
const MOST_LEVELS: usize = 127;

/// What becomes of the values on their way, each by where it lies.
pub trait Rule: Clone {
    /// For a member of this value.
    #[must_use]
    fn member(&self, name: &str) -> Self;

    /// For an item of this value.
    #[must_use]
    fn item(&self, index: usize) -> Self;

    /// What stands in place of this value.
    fn instead(&self) -> Option<&'static str>;
}

/// Every value as it is.
#[derive(Clone, Copy, Debug)]
pub struct AsItIs;

impl Rule for AsItIs {
    fn member(&self, _: &str) -> Self {
        Self
    }

    fn item(&self, _: usize) -> Self {
        Self
    }

    fn instead(&self) -> Option<&'static str> {
        None
    }
}

/// A text, as a [`JsonText`](super::JsonText) has it, that serializes as the
/// value it stands for.
pub struct Copy<'a, R> {
    text: &'a str,
    rule: R,
}

impl<'a> Copy<'a, AsItIs> {
    /// All of it.
    pub(super) fn of(text: &'a str) -> Self {
        Self::by(text, AsItIs)
    }
}

impl<'a, R: Rule> Copy<'a, R> {
    /// With what the rule puts in place of its values.
    #[must_use]
    pub fn by(text: &'a str, rule: R) -> Self {
        Self { text, rule }
    }
}

impl<R: Rule> Serialize for Copy<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = Cell::new(0);
        let all = Part { text: self.text, from: 0, at: &at, level: 0, rule: self.rule.clone() };
        all.serialize(serializer)
    }
}

/// The value that begins at a place of a text.
struct Part<'a, R> {
    text: &'a str,
    from: usize,
    /// How far the text is read.
    at: &'a Cell<usize>,
    /// Arrays and objects around it.
    level: usize,
    rule: R,
}

impl<R: Rule> Serialize for Part<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.at.set(self.from);
        if let Some(instead) = self.rule.instead() {
            self.pass();
            return serializer.serialize_str(instead);
        }
        match self.next() {
            Some(b'[') => self.array(serializer),
            Some(b'{') => self.object(serializer),
            Some(b'"') => serializer.serialize_str(&self.string()?),
            _ => scalar(self.word(), serializer),
        }
    }
}

impl<'a, R: Rule> Part<'a, R> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at.get()..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    /// Reads this byte, if it is the next.
    fn takes(&self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        self.at.set(self.at.get() + usize::from(is_next));
        is_next
    }

    /// Reads so many bytes.
    fn take(&self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at.set(self.at.get() + taken.len());
        taken
    }

    /// Reads a value and makes nothing of it.
    fn pass(&self) {
        let (mut level, mut strings) = (0_usize, Strings::default());
        let ends = |byte: u8| {
            match byte {
                _ if strings.holds(byte) => {}
                b'[' | b'{' => level += 1,
                b']' | b'}' | b',' if level == 0 => return true,
                b']' | b'}' => level -= 1,
                _ => {}
            }
            false
        };
        let length = self.rest().bytes().position(ends);
        self.take(length.unwrap_or(self.rest().len()));
    }

    /// Reads a number, or one of the three names.
    fn word(&self) -> &'a str {
        let ends = |byte: u8| matches!(byte, b',' | b']' | b'}');
        let length = self.rest().bytes().position(ends);
        self.take(length.unwrap_or(self.rest().len()))
    }

    fn string<E: Error>(&self) -> Result<Cow<'a, str>, E> {
        let mut strings = Strings::default();
        let length = self.rest().bytes().position(|byte| !strings.holds(byte));
        let quoted = self.take(length.unwrap_or(self.rest().len()));
        if quoted.contains('\\') {
            return serde_json::from_str(quoted).map(Cow::Owned).map_err(E::custom);
        }
        let inside = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
        inside.map(Cow::Borrowed).ok_or_else(|| E::custom("a name of a member is no string"))
    }

    fn array<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.begin()?;
        let mut to = serializer.serialize_seq(None)?;
        for index in 0.. {
            if !self.has_more(index, b']')? {
                break;
            }
            to.serialize_element(&self.part(self.rule.item(index)))?;
        }
        to.end()
    }

    fn object<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.begin()?;
        let mut to = serializer.serialize_map(None)?;
        for index in 0.. {
            if !self.has_more(index, b'}')? {
                break;
            }
            let name = self.string()?;
            to.serialize_key(&*name)?;
            if !self.takes(b':') {
                return Err(S::Error::custom("a member has no value"));
            }
            to.serialize_value(&self.part(self.rule.member(&name)))?;
        }
        to.end()
    }

    fn begin<E: Error>(&self) -> Result<(), E> {
        self.take(1);
        if self.level < MOST_LEVELS {
            return Ok(());
        }
        Err(E::custom(format!("it is nested more than {MOST_LEVELS} levels deep")))
    }

    /// Whether another item or member follows; reads what is between them.
    fn has_more<E: Error>(&self, index: usize, end: u8) -> Result<bool, E> {
        if self.takes(end) {
            return Ok(false);
        }
        if index > 0 && !self.takes(b',') {
            return Err(E::custom(format!("no comma and no end at byte {}", self.at.get())));
        }
        Ok(true)
    }

    /// The value that begins here.
    fn part(&self, rule: R) -> Self {
        Self { text: self.text, from: self.at.get(), at: self.at, level: self.level + 1, rule }
    }
}

fn scalar<S: Serializer>(word: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match word {
        "null" => return serializer.serialize_unit(),
        "true" | "false" => return serializer.serialize_bool(word == "true"),
        // Zero with a sign is no whole number.
        "-0" => {}
        _ => {
            if let Ok(number) = word.parse() {
                return serializer.serialize_u64(number);
            }
            if let Ok(number) = word.parse() {
                return serializer.serialize_i64(number);
            }
        }
    }
    let number: &RawValue = serde_json::from_str(word).map_err(S::Error::custom)?;
    number.serialize(serializer)
}
