//! What is kept in a column, in Rust's types.

use chimera_layer4_core::Digest;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::de::DeserializeOwned;

pub(super) use crate::columns::{number, unsigned};

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    parse(column, &row.get::<_, String>(column)?)
}

/// A text as whatever it stands for.
pub(super) fn parse<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
