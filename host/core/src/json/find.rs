//! A JSON pointer (RFC 6901), followed through a text.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text of the value that the pointer names.
pub(super) fn pointer(text: &str, pointer: &str) -> Option<Box<str>> {
    let mut found: Box<str> = text.into();
    if pointer.is_empty() {
        return Some(found);
    }
    for token in pointer.strip_prefix('/')?.split('/') {
        let name = token.replace("~1", "/").replace("~0", "~");
        let mut json = serde_json::Deserializer::from_str(&found);
        let inside = json.deserialize_any(Inside { name }).ok()??;
        found = inside.into();
    }
    Some(found)
}

/// Finds one member or item of a value.
struct Inside {
    name: String,
}

impl Inside {
    /// An index has no sign and no zeros before it.
    fn index(&self) -> Option<usize> {
        let is_plain = self.name == "0" || !self.name.starts_with(['0', '+']);
        self.name.parse().ok().filter(|_| is_plain)
    }
}

impl<'de> Visitor<'de> for Inside {
    type Value = Option<Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = self.index();
        let mut found = None;
        for index in 0.. {
            if Some(index) == wanted {
                found = items.next_element()?;
                if found.is_none() {
                    break;
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if name == self.name {
                found = Some(members.next_value()?); // The last of several counts.
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
