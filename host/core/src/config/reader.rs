//! A table of the settings file, read key by key.

use serde::de::DeserializeOwned;
use toml::Table;

use super::agent_keys::AgentKey;
use super::meant::{allowed, meant};
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
        match self.table.remove(field)?.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                self.complain(field, format!("has the wrong form: {}", error.message()));
                None
            }
        }
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        if !self.table.contains_key(field) {
            self.complaints.push(format!("missing field `{}{field}`", self.within));
        }
        self.take(field)
    }

    pub(super) fn complain(&mut self, field: &str, words: String) {
        self.complaints.push(format!("{}{field} {words}", self.within));
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
