//! A table of the settings file, read key by key.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::meant::{allowed, meant};
use super::setting::AgentKey;
use crate::telemetry::shown;

/// A table that is emptied field by field: what is left is unknown.
pub(super) struct Reader {
    pub(super) table: Table,
    /// What the table's own fields are called before their names.
    pub(super) within: String,
    pub(super) complaints: Vec<String>,
}

impl Reader {
    pub(super) fn take<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let value = self.table.remove(field)?;
        // `toml` hands a date over as text, and nothing here is a date.
        if is_date(&value) {
            let message = "is a date or a time, which is not allowed here; text stands in quotes";
            self.complain(field, message.into());
            return None;
        }
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                self.complain(field, format!("has the wrong form: {}", error.message()));
                None
            }
        }
    }

    /// A table as it is: read as any other value, one with a private key of `toml`'s
    /// would become a date.
    pub(super) fn take_table(&mut self, field: &str) -> Option<Table> {
        match self.table.remove(field)? {
            Value::Table(table) => Some(table),
            other => self.wrong(field, other),
        }
    }

    /// An array of tables, each as it is.
    pub(super) fn take_tables(&mut self, field: &str) -> Option<Vec<Table>> {
        let value = self.table.remove(field)?;
        let tables = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_table().cloned()).collect::<Option<Vec<_>>>()
        });
        tables.or_else(|| self.wrong(field, value))
    }

    /// Complains of a value that does not have the form of a `T`.
    fn wrong<T: DeserializeOwned>(&mut self, field: &str, value: Value) -> Option<T> {
        self.table.insert(field.to_owned(), value);
        self.take(field)
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        if !self.table.contains_key(field) {
            self.complaints.push(format!("missing field `{}{field}`", self.within));
        }
        self.take(field)
    }

    pub(super) fn complain(&mut self, field: &str, message: String) {
        self.complaints.push(format!("{}{field} {message}", self.within));
    }

    pub(super) fn complain_of_the_rest(&mut self, known: &[AgentKey], within: &[String]) {
        for field in self.table.keys() {
            let known = known.iter().map(|known| known.key);
            // One that belongs into a table of this one is named with it.
            let all = known.clone().chain(within.iter().map(String::as_str));
            let meant = meant(field, all, &allowed(known));
            let field = shown(field);
            self.complaints.push(format!("unknown field `{}{field}`; {meant}", self.within));
        }
    }

    /// Reads a table of this one's, whose complaints are this one's too.
    pub(super) fn inside<T>(
        &mut self,
        within: &str,
        table: Table,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut inner = Self { table, within: within.to_owned(), complaints: Vec::new() };
        let value = read(&mut inner);
        self.complaints.append(&mut inner.complaints);
        value
    }
}

fn is_date(value: &Value) -> bool {
    match value {
        Value::Datetime(_) => true,
        Value::Array(items) => items.iter().any(is_date),
        _ => false,
    }
}
