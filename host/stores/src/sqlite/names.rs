//! Names that rows keep as numbers, since there are few of them and many rows.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;

use chimera_layer4_core::Digest;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension};

/// A table of names, and what was read of it.
#[derive(Debug)]
pub(super) struct Names<K> {
    sql: Statements,
    numbers: HashMap<K, u32>,
    names: HashMap<u32, K>,
}

#[derive(Debug)]
struct Statements {
    number: &'static str,
    name: &'static str,
    add: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            number: concat!("SELECT number FROM ", $table, " WHERE name = ?1"),
            name: concat!("SELECT name FROM ", $table, " WHERE number = ?1"),
            add: concat!("INSERT INTO ", $table, " (name) VALUES (?1)"),
        }
    };
}

/// The names of agent types.
pub(super) fn agent_types() -> Names<String> {
    Names::of(statements!("agent_types"))
}

/// The digests of genomes.
pub(super) fn genomes() -> Names<Digest> {
    Names::of(statements!("genomes"))
}

impl<K: Clone + Eq + Hash + Display + FromStr> Names<K> {
    fn of(sql: Statements) -> Self {
        Self { sql, numbers: HashMap::new(), names: HashMap::new() }
    }

    /// Forgets what was read, after a rollback.
    pub(super) fn forget(&mut self) {
        self.numbers.clear();
        self.names.clear();
    }

    /// The number of a name, given out at its first mention.
    pub(super) fn number<Q>(&mut self, connection: &Connection, name: &Q) -> rusqlite::Result<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + Display + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let text = name.to_string();
        let mut find = connection.prepare_cached(self.sql.number)?;
        let number = match find.query_row([&text], |row| row.get(0)).optional()? {
            Some(number) => number,
            None => {
                let number = connection.prepare_cached(self.sql.add)?.insert([&text])?;
                u32::try_from(number)
                    .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))?
            }
        };
        self.keep(number, name.to_owned());
        Ok(number)
    }

    /// The name with this number.
    pub(super) fn name(
        &mut self,
        connection: &Connection,
        number: u32,
    ) -> rusqlite::Result<Option<&K>> {
        if !self.names.contains_key(&number) {
            let mut find = connection.prepare_cached(self.sql.name)?;
            let text: Option<String> = find.query_row([number], |row| row.get(0)).optional()?;
            if let Some(text) = text {
                let name = text.parse().map_err(|_| FromSqlError::InvalidType)?;
                self.keep(number, name);
            }
        }
        Ok(self.names.get(&number))
    }

    fn keep(&mut self, number: u32, name: K) {
        self.numbers.insert(name.clone(), number);
        self.names.insert(number, name);
    }
}
