//! What is wrong with a text, and its plain form.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{InvalidJson, MOST_DEPTH};

/// Arrays and objects inside each other; of any text, well-formed or not.
#[must_use]
pub fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut strings = Strings::default();
    for byte in text {
        match byte {
            _ if strings.holds(*byte) => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Tells the bytes of strings from those between them.
#[derive(Default)]
pub(super) struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether this byte, the next, is a string's or one of its quotes.
    pub(super) fn holds(&mut self, byte: u8) -> bool {
        let was_inside = self.inside;
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.inside => self.escaped = true,
            b'"' => self.inside = !self.inside,
            _ => {}
        }
        was_inside || self.inside
    }
}

/// How deep a text is that is well-formed.
pub(super) fn depth(text: &str) -> Result<usize, InvalidJson> {
    let mut json = serde_json::Deserializer::from_str(text);
    let depth = Depth.deserialize(&mut json).and_then(|depth| json.end().map(|()| depth));
    depth.map_err(|error| {
        let message = error.to_string();
        if message.starts_with("recursion limit exceeded") {
            InvalidJson::Beyond(format!(
                "recursion limit exceeded: it is nested {} levels deep; allowed are {MOST_DEPTH}",
                nesting(text.as_bytes())
            ))
        } else if message.starts_with("number out of range") {
            InvalidJson::Beyond(format!("{message}; allowed is up to ±1.8e308"))
        } else {
            InvalidJson::Malformed(message)
        }
    })
}

/// Reads everything, keeps nothing, and answers how deep it is.
struct Depth;

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<usize, A::Error> {
        let mut deepest = 0;
        while let Some(depth) = items.next_element_seed(Depth)? {
            deepest = deepest.max(depth);
        }
        Ok(deepest + 1)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let mut deepest = 0;
        while members.next_key_seed(Depth)?.is_some() {
            deepest = deepest.max(members.next_value_seed(Depth)?);
        }
        Ok(deepest + 1)
    }
}

/// The text without halves of surrogate pairs, as JavaScript's `toWellFormed`
/// makes it.
pub(super) fn whole_characters(text: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        at = match unit(text, escape) {
            Some(0xD800..=0xDBFF) if is_second(text, escape + ESCAPE) => escape + 2 * ESCAPE,
            Some(0xD800..=0xDFFF) => {
                whole.push_str(text.get(copied..escape).unwrap_or_default());
                whole.push_str("\\ufffd");
                copied = escape + ESCAPE;
                copied
            }
            Some(_) => escape + ESCAPE,
            None => next_character(text, escape + 1),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    whole.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(whole)
}

/// Bytes of `\uXXXX`.
const ESCAPE: usize = 6;

/// The UTF-16 code unit that an escape stands for.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

fn is_second(text: &str, at: usize) -> bool {
    matches!(unit(text, at), Some(0xDC00..=0xDFFF))
}

/// Past the character at `at`, which a backslash stands before.
fn next_character(text: &str, at: usize) -> usize {
    let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    at + length
}

/// A well-formed text without white space between its values.
pub(super) fn compact(text: &str) -> String {
    let mut strings = Strings::default();
    let mut is_kept = |c: char| {
        // A character of more than a byte is a string's, and means nothing there.
        let byte = if c.is_ascii() { u8::try_from(c).unwrap_or_default() } else { u8::MAX };
        strings.holds(byte) || !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
    };
    let mut compact = String::with_capacity(text.len());
    compact.extend(text.chars().filter(|c| is_kept(*c)));
    compact
}
