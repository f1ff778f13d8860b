//! Rows from a JSON array of objects, one at a time.
//!
//! The array is never in memory as a whole: each object is read straight into
//! the row, and the row goes to the analysis before the next one is read.

use std::fmt;
use std::io::{BufReader, Read};

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::{self, de};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::meter::Meter;
use crate::analysis::Analysis;
use crate::cell::{self, Cell, MissingWords};
use crate::row::Row;

/// Rows from text that is in memory already.
pub(super) fn read_text(text: &str, analysis: &mut Analysis) -> Result<(), AgentError> {
    read_array(serde_json::Deserializer::from_str(text), None, analysis)
}

/// Rows from a file.
pub(super) fn read_stream(
    source: impl Read,
    meter: &Meter,
    analysis: &mut Analysis,
) -> Result<(), AgentError> {
    let reader = BufReader::new(source);
    read_array(serde_json::Deserializer::from_reader(reader), Some(meter), analysis)
}

fn read_array<'de>(
    mut reader: serde_json::Deserializer<impl de::Read<'de>>,
    meter: Option<&Meter>,
    analysis: &mut Analysis,
) -> Result<(), AgentError> {
    let rows = Rows { meter, analysis };
    let read = rows.deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| {
        AgentError::invalid_input(format_args!(
            "JSON rows, after {} good ones: {error}",
            analysis.rows()
        ))
    })
}

/// The array.
struct Rows<'a> {
    meter: Option<&'a Meter>,
    analysis: &'a mut Analysis,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects (for one object in each line set `format` to `ndjson`)")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut row = Row::default();
        loop {
            let fields = Fields { row: &mut row, analysis: self.analysis };
            if rows.next_element_seed(fields)?.is_none() {
                return Ok(());
            }
            self.analysis.push(&row).map_err(A::Error::custom)?;
            if let Some(meter) = self.meter {
                meter.row_done(self.analysis.rows());
            }
        }
    }
}

/// One object of the array, read into a row.
pub(super) struct Fields<'a> {
    pub row: &'a mut Row,
    pub analysis: &'a mut Analysis,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an object with one entry for each column, such as {\"name\": \"a\", \"size\": 3}",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.row.clear();
        while let Some(column) = fields.next_key_seed(Name(self.analysis))? {
            fields.next_value_seed(Field {
                column,
                row: self.row,
                missing: &self.analysis.options().missing,
            })?;
        }
        Ok(())
    }
}

/// A key, read as the number of its column.
struct Name<'a>(&'a mut Analysis);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<usize, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0.column(name).map_err(E::custom)
    }
}

/// A value, read into its place in the row.
struct Field<'a> {
    column: usize,
    row: &'a mut Row,
    missing: &'a MissingWords,
}

impl Field<'_> {
    fn set<E>(self, cell: Cell<'_>) -> Result<(), E> {
        self.row.set(self.column, cell);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.set(Cell::Missing)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.set(Cell::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.set(Cell::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.set(i64::try_from(value).map_or(Cell::Number(value as f64), Cell::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.set(Cell::Number(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let cell = cell::from_json(text, self.missing);
        self.set(cell)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.set(Cell::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.set(Cell::Nested)
    }
}
