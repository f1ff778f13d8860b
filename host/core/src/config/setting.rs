//! What a setting is: its names, the values that it takes, and its field. And what a key
//! of an agent's table is.

use std::fmt;
use std::str::FromStr;

use super::FabricConfig;

/// Variables with this prefix are settings, or mistakes. A setting that others
/// have named keeps the name that it is known by.
pub(super) const PREFIX: &str = "LAYER4_";

/// Bytes that a token must have: a shorter one can be guessed by trying.
pub const LEAST_TOKEN: usize = 16;

/// One setting. `parts` has them all; `docs/src/settings.md` is made from that.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in `chimera.toml`.
    pub key: &'static str,
    /// Its name in the environment.
    pub variable: &'static str,
    /// Its name on the command line.
    pub flag: Option<&'static str>,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// The values that it takes.
    pub allowed: Allowed,
    /// What the page says behind the value of the default.
    pub default_note: &'static str,
    /// Whether a reload applies it; others need a restart.
    pub reloads: bool,
    /// Its value, as text; a secret is not shown.
    pub show: fn(&FabricConfig) -> String,
    pub(super) set: fn(&mut FabricConfig, &str) -> Result<(), Wrong>,
}

/// A key of an agent's table, or of a table in it.
#[derive(Clone, Copy, Debug)]
pub struct AgentKey {
    /// Its name.
    pub key: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// The values that it takes.
    pub allowed: Allowed,
    /// What holds where it is left out.
    pub default: fn() -> String,
    /// A value, as TOML.
    pub example: &'static str,
    /// The keys of the table, or of each table of the array, that it takes.
    pub keys: &'static [AgentKey],
}

/// The values that a setting or a key takes. Its `Display` ends a complaint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// A whole number.
    Whole {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A number.
    Number {
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A number, or the word `none`.
    NumberOrNone {
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A secret that gives access.
    Token,
    /// What these words say.
    Words(&'static str),
}

/// Why a value is not taken.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It is not what is allowed.
    NotAllowed,
    /// There is more to say about it.
    Because(String),
}

impl Setting {
    /// Reads a value into its field.
    ///
    /// # Errors
    /// It is not allowed; the field is as it was.
    pub(super) fn read(&self, text: &str, config: &mut FabricConfig) -> Result<(), Wrong> {
        if self.allowed.takes(text) { (self.set)(config, text) } else { Err(Wrong::NotAllowed) }
    }

    /// The complaint about a whole number that was set by hand.
    pub(super) fn out_of_range(&self, config: &FabricConfig) -> Option<String> {
        let Allowed::Whole { least, most } = self.allowed else { return None };
        let (key, value) = (self.key, (self.show)(config));
        (!self.allowed.takes(&value))
            .then(|| format!("{key} is {value}; allowed is {least} to {most}"))
    }
}

impl Allowed {
    /// Whether a number is in range. Of the others their types say more.
    fn takes(self, text: &str) -> bool {
        match self {
            Allowed::Whole { least, most } => {
                text.parse().is_ok_and(|value: u64| (least..=most).contains(&value))
            }
            Allowed::NumberOrNone { .. } if text == "none" => true,
            Allowed::Number { least, most } | Allowed::NumberOrNone { least, most } => {
                text.parse().is_ok_and(|value: f64| (least..=most).contains(&value))
            }
            Allowed::Token | Allowed::Words(_) => true,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Whole { least, most } => write!(f, "a whole number from {least} to {most}"),
            Allowed::Number { least, most } => write!(f, "a number from {least} to {most}"),
            Allowed::NumberOrNone { least, most } => write!(f, "{least} to {most}, or `none`"),
            Allowed::Token => {
                write!(f, "{LEAST_TOKEN} or more printable ASCII characters without spaces")
            }
            Allowed::Words(text) => f.write_str(text),
        }
    }
}

/// A value of any type that is read from text.
pub(super) fn put<T: FromStr>(field: &mut T, text: &str) -> Result<(), Wrong> {
    *field = text.parse().map_err(|_| Wrong::NotAllowed)?;
    Ok(())
}

/// A text or a path; an empty one is none.
pub(super) fn put_some<T: FromStr>(field: &mut Option<T>, text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::NotAllowed);
    }
    *field = Some(text.parse().map_err(|_| Wrong::NotAllowed)?);
    Ok(())
}

/// A path, or `none`.
pub(super) fn shown_path(path: &Option<std::path::PathBuf>) -> String {
    path.as_ref().map_or_else(|| "none".into(), |path| path.display().to_string())
}
