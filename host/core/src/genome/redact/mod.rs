//! What must not be kept is taken out of recorded tasks.
//!
//! A path says where a secret lies: `$.user.email`, `$.items[*].token`,
//! `$..password` wherever it is. Whatever lies there, of any kind, is replaced
//! by [`REDACTED`]; so nothing of it is left, not even its length. Names of
//! members stay.
//!
//! All paths are followed at once, in one walk over the value: which steps of
//! each are reached is a set of bits. Following them one by one would take
//! `$..a..a..a` through a deep value in exponentially many ways, and values
//! come from submitters.

mod path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use path::{InvalidPath, MOST_STEPS};

use crate::JsonText;
use crate::json::{Copy, Rule};

use path::{Key, Path};

/// What stands in place of a secret.
pub const REDACTED: &str = "(redacted)";
/// Paths of a redaction.
pub const MOST_PATHS: usize = 100;
/// Deeper values are taken out whole where a path may still lead into them:
/// what is not looked at is not kept. JSON that was parsed is no deeper.
const DEEPEST: usize = 128;

/// Where secrets lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
pub struct Redaction(Vec<Path>);

/// Paths that are not in order, each with what is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedaction {
    /// More than [`MOST_PATHS`].
    #[error("{0} paths; allowed is up to {MOST_PATHS}")]
    TooMany(usize),
    /// Not all of them are paths.
    #[error("{}", .0.iter().map(InvalidPath::to_string).collect::<Vec<_>>().join("; "))]
    Paths(Vec<InvalidPath>),
}

impl Redaction {
    /// Reads the paths.
    ///
    /// # Errors
    /// [`InvalidRedaction`] with all that is wrong.
    pub fn new<T: AsRef<str>>(
        paths: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidRedaction> {
        let (mut read, mut wrong) = (Vec::new(), Vec::new());
        for path in paths {
            match path.as_ref().parse() {
                Ok(path) => read.push(path),
                Err(error) => wrong.push(error),
            }
        }
        let count = read.len() + wrong.len();
        if count > MOST_PATHS {
            Err(InvalidRedaction::TooMany(count))
        } else if wrong.is_empty() {
            Ok(Self(read))
        } else {
            Err(InvalidRedaction::Paths(wrong))
        }
    }

    /// Whether there is nothing to take out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text without the secrets.
    #[must_use]
    pub fn redacted(&self, json: &JsonText) -> String {
        if self.is_empty() {
            return json.as_str().to_owned();
        }
        let start = Reached { of: self, steps: vec![path::START; self.0.len()] };
        // A text that was read can be written; what cannot be is not kept.
        serde_json::to_string(&Copy::by(json.as_str(), start)).unwrap_or_default()
    }

    /// Takes the secrets out of a value.
    pub fn apply(&self, value: &mut Value) {
        self.walk(value, vec![path::START; self.0.len()], 0);
    }

    /// `reached` has the steps that each path may take next.
    fn walk(&self, value: &mut Value, reached: Vec<u64>, depth: usize) {
        let is_secret = self.is_secret(&reached);
        if reached.iter().all(|steps| *steps == 0) {
            return;
        }
        let leads_on = matches!(value, Value::Array(_) | Value::Object(_));
        if is_secret || (depth >= DEEPEST && leads_on) {
            *value = Value::from(REDACTED);
            return;
        }
        let next = |key: Key<'_>| self.next(&reached, key);
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, next(Key::Item(index)), depth + 1);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.walk(member, next(Key::Member(name)), depth + 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl Redaction {
    fn is_secret(&self, reached: &[u64]) -> bool {
        self.0.iter().zip(reached).any(|(path, steps)| path.ends_at(*steps))
    }

    fn next(&self, reached: &[u64], key: Key<'_>) -> Vec<u64> {
        self.0.iter().zip(reached).map(|(path, steps)| path.next(*steps, key)).collect()
    }
}

/// The steps that each path may take next, at a value of a text.
#[derive(Clone)]
struct Reached<'a> {
    of: &'a Redaction,
    steps: Vec<u64>,
}

impl Rule for Reached<'_> {
    fn member(&self, name: &str) -> Self {
        Self { of: self.of, steps: self.of.next(&self.steps, Key::Member(name)) }
    }

    fn item(&self, index: usize) -> Self {
        Self { of: self.of, steps: self.of.next(&self.steps, Key::Item(index)) }
    }

    fn instead(&self) -> Option<&'static str> {
        self.of.is_secret(&self.steps).then_some(REDACTED)
    }
}

impl TryFrom<Vec<String>> for Redaction {
    type Error = InvalidRedaction;

    fn try_from(paths: Vec<String>) -> Result<Self, InvalidRedaction> {
        Self::new(paths)
    }
}

impl From<Redaction> for Vec<String> {
    fn from(redaction: Redaction) -> Self {
        redaction.0.iter().map(Path::to_string).collect()
    }
}

#[cfg(test)]
mod tests;
