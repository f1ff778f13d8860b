//! What was typed, layer upon layer: flag over environment over file.

use std::collections::BTreeMap;

use super::meant::{allowed, meant};
use super::parts::SETTINGS;
use super::setting::PREFIX;
use super::toml_file::{self, NotToml};
use super::weight::too_much;
use crate::telemetry::shown;

/// The tables of the file.
const TABLES: [&str; 2] = ["agents", "default_resource_quota"];

/// The settings as they were typed.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    values: BTreeMap<String, Typed>,
    /// The agents of the file, by type, and the file.
    pub(super) agents: BTreeMap<String, toml::Value>,
    pub(super) file: String,
    complaints: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) text: String,
    pub(super) origin: String,
}

/// A configuration file that is not read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFile {
    /// It is not TOML.
    #[error("{path} is not valid TOML: {reason}")]
    NotToml {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not large, and what becomes of it is.
    #[error("the values of {path} would take some {mib} MiB of memory; allowed are {most} for it")]
    TooMuch {
        /// The file.
        path: String,
        /// What they would take.
        mib: usize,
        /// What they may take.
        most: usize,
    },
}

impl Layers {
    /// Nothing typed: every setting has its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, under the environment and the flags.
    ///
    /// # Errors
    /// [`InvalidFile`] when the text is not TOML, or its values would take more
    /// than a multiple of it. Unknown keys are complaints
    /// of [`resolve`](super::resolve()).
    pub fn with_file(mut self, path: &str, text: &str) -> Result<Self, InvalidFile> {
        if let Some((mib, most)) = too_much(text) {
            return Err(InvalidFile::TooMuch { path: path.into(), mib, most });
        }
        let mut table = toml_file::table(text)
            .map_err(|NotToml(reason)| InvalidFile::NotToml { path: path.into(), reason })?;
        self.file = path.to_owned();
        match table.remove("agents") {
            Some(toml::Value::Table(agents)) => self.agents = agents.into_iter().collect(),
            Some(_) => self.complaints.push(format!(
                "agents in {path}: allowed are tables, one for each agent type, as [agents.echo]"
            )),
            None => {}
        }
        table.retain(|name, value| {
            let is_known = !value.is_table() || TABLES.contains(&name);
            if !is_known {
                let origin = format!("{} in {}", shown(name), shown(path));
                let meant = meant(name, TABLES.into_iter(), &allowed(TABLES.into_iter()));
                self.complaints.push(format!("{origin}: there is no such table; {meant}"));
            }
            is_known
        });
        let mut flat = Vec::new();
        flatten("", &table, &mut flat);
        for (key, typed) in flat {
            let origin = format!("{key} in {path}");
            let setting = SETTINGS.iter().find(|setting| setting.key == key);
            match (typed, setting) {
                (Ok(text), _) => self.add(&key, text, origin, Rank::Under),
                (Err(kind), Some(setting)) => self.complaints.push(format!(
                    "{origin} is {kind}; allowed is {}, and text stands in quotes",
                    setting.allowed
                )),
                (Err(_), None) => self.add(&key, String::new(), origin, Rank::Under),
            }
        }
        Ok(self)
    }

    /// Adds the environment, over the file. Other variables than settings are
    /// not looked at, unless they begin with `LAYER4_`: then they are mistakes.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        for (name, text) in variables {
            match SETTINGS.iter().find(|setting| setting.variable == name) {
                Some(setting) => self.add(setting.key, text, name, Rank::Over),
                None if name.starts_with(PREFIX) => self.complain_of(&name),
                None => {}
            }
        }
        self
    }

    /// Adds one flag, over everything else.
    #[must_use]
    pub fn with_flag(mut self, key: &str, text: String, flag: &str) -> Self {
        self.add(key, text, flag.into(), Rank::Over);
        self
    }

    fn add(&mut self, key: &str, text: String, origin: String, rank: Rank) {
        if !SETTINGS.iter().any(|setting| setting.key == key) {
            return self.complain_of(&origin);
        }
        let typed = Typed { text, origin };
        match rank {
            Rank::Over => drop(self.values.insert(key.into(), typed)),
            Rank::Under => drop(self.values.entry(key.into()).or_insert(typed)),
        }
    }

    fn complain_of(&mut self, origin: &str) {
        let keys = SETTINGS.iter().flat_map(|setting| [setting.key, setting.variable]);
        let typed = origin.split(' ').next().unwrap_or(origin);
        let meant = meant(typed, keys.chain(TABLES), "`chimera config show` lists them");
        self.complaints.push(format!("{}: no such setting; {meant}", shown(origin)));
    }

    /// Where the value of a setting comes from.
    #[must_use]
    pub fn source(&self, key: &str) -> &str {
        self.get(key).map_or("default", |typed| &typed.origin)
    }

    /// A complaint that begins with a setting's name, with where it was typed instead.
    #[must_use]
    pub fn with_origin(&self, complaint: String) -> String {
        let typed = complaint.split_once(' ').and_then(|(key, rest)| Some((self.get(key)?, rest)));
        match typed {
            Some((typed, rest)) => format!("{} {rest}", typed.origin),
            None => complaint,
        }
    }

    /// The file, where one was added; else nothing.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn get(&self, key: &str) -> Option<&Typed> {
        self.values.get(key)
    }

    pub(super) fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

/// Whether a value replaces one that is there.
enum Rank {
    Over,
    Under,
}

/// `[default_resource_quota] max_memory_mb = 64` becomes
/// `default_resource_quota.max_memory_mb`.
///
/// What no setting is has the name of its kind instead of a text: a path or another
/// text would be read from what the author meant as something else.
fn flatten(
    prefix: &str,
    table: &toml::Table,
    into: &mut Vec<(String, Result<String, &'static str>)>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::String(text) => into.push((key, Ok(text.clone()))),
            toml::Value::Datetime(_) => into.push((key, Err("a date or a time"))),
            toml::Value::Array(_) => into.push((key, Err("an array"))),
            other => into.push((key, Ok(other.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests;
