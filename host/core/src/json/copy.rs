//! JSON text on its way into a serializer, value by value and without a tree.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

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

/// A text that serializes as the value it stands for.
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
        let mut json = serde_json::Deserializer::from_str(self.text);
        Source { from: Cell::new(Some(&mut json)), rule: self.rule.clone() }.serialize(serializer)
    }
}

/// A deserializer that serializes as what comes out of it, once.
struct Source<D, R> {
    from: Cell<Option<D>>,
    rule: R,
}

impl<'de, D: Deserializer<'de>, R: Rule> Serialize for Source<D, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let from = self.from.take().ok_or_else(|| S::Error::custom("it was read already"))?;
        if let Some(instead) = self.rule.instead() {
            IgnoredAny::deserialize(from).map_err(S::Error::custom)?;
            return serializer.serialize_str(instead);
        }
        from.deserialize_any(Sink { to: serializer, rule: &self.rule }).map_err(S::Error::custom)
    }
}

/// Puts what it is shown into a serializer.
struct Sink<'a, S, R> {
    to: S,
    rule: &'a R,
}

impl<'de, S: Serializer, R: Rule> Visitor<'de> for Sink<'_, S, R> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<S::Ok, E> {
        self.to.serialize_bool(value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<S::Ok, E> {
        self.to.serialize_i64(value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<S::Ok, E> {
        self.to.serialize_u64(value).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Ok, E> {
        self.to.serialize_f64(value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<S::Ok, E> {
        self.to.serialize_str(value).map_err(E::custom)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.to.serialize_unit().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<S::Ok, A::Error> {
        let mut to = self.to.serialize_seq(None).map_err(A::Error::custom)?;
        for index in 0.. {
            let item = Item { to: &mut to, rule: self.rule, index };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        to.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<S::Ok, A::Error> {
        let mut to = self.to.serialize_map(None).map_err(A::Error::custom)?;
        while let Some(name) = members.next_key::<String>()? {
            to.serialize_key(&name).map_err(A::Error::custom)?;
            members.next_value_seed(Member { to: &mut to, rule: self.rule.member(&name) })?;
        }
        to.end().map_err(A::Error::custom)
    }
}

struct Item<'a, S, R> {
    to: &'a mut S,
    rule: &'a R,
    index: usize,
}

impl<'de, S: SerializeSeq, R: Rule> DeserializeSeed<'de> for Item<'_, S, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let item = Source { from: Cell::new(Some(from)), rule: self.rule.item(self.index) };
        self.to.serialize_element(&item).map_err(D::Error::custom)
    }
}

struct Member<'a, S, R> {
    to: &'a mut S,
    rule: R,
}

impl<'de, S: SerializeMap, R: Rule> DeserializeSeed<'de> for Member<'_, S, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let member = Source { from: Cell::new(Some(from)), rule: self.rule };
        self.to.serialize_value(&member).map_err(D::Error::custom)
    }
}
