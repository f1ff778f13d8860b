//! What `chimera evolve` writes to a generator's standard input.
//!
//! Fields that this generator has no use for (digests, fitness, evidence) are
//! not looked at, so a host may say more without breaking it.

use std::io::Read;
use std::path::PathBuf;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;

use super::VariantError;

/// The one version that is spoken here.
const PROTOCOL: u64 = 1;

/// Evidence is some kilobytes for each parent; this only bounds a mistake.
const MOST_BYTES: u64 = 64 << 20;

/// The wish for one candidate.
#[derive(Clone, Debug, Deserialize)]
#[serde(crate = "serde")]
pub struct Request {
    /// The version of the protocol.
    pub protocol: u64,
    /// How far the evolution is.
    pub generation: u64,
    /// What makes this call differ from the others of its generation.
    pub seed: u64,
    /// The components to start from, one at least.
    pub parents: Vec<Parent>,
    /// The folder for the new component.
    pub out: PathBuf,
}

/// A component that did well.
#[derive(Clone, Debug, Deserialize)]
#[serde(crate = "serde")]
pub struct Parent {
    /// Its file.
    pub path: PathBuf,
}

impl Request {
    /// Reads one JSON document and does not wait for the stream to end.
    ///
    /// # Errors
    /// [`VariantError::Request`] with the place that does not fit.
    pub fn read(stream: impl Read) -> Result<Self, VariantError> {
        let mut reader = serde_json::Deserializer::from_reader(stream.take(MOST_BYTES));
        let request: Self = serde_path_to_error::deserialize(&mut reader).map_err(misfit)?;
        request.checked()
    }

    fn checked(self) -> Result<Self, VariantError> {
        if self.protocol != PROTOCOL {
            return refused(format!(
                "at `protocol`: {}: this generator speaks version {PROTOCOL}",
                self.protocol
            ));
        }
        if self.parents.is_empty() {
            return refused("at `parents`: empty: give one at least".to_owned());
        }
        Ok(self)
    }
}

fn misfit(error: serde_path_to_error::Error<serde_json::Error>) -> VariantError {
    let place = match error.path().to_string().as_str() {
        "." => String::new(),
        path => format!("at `{path}`: "),
    };
    VariantError::Request(format!("{place}{}", error.inner()))
}

fn refused<T>(why: String) -> Result<T, VariantError> {
    Err(VariantError::Request(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_request_is_refused_with_its_place() {
        let rows = [
            ("", "request does not fit: EOF"),
            ("[]", "request does not fit: "),
            (
                r#"{"protocol":2,"generation":0,"seed":1,"parents":[],"out":"/o"}"#,
                "at `protocol`: 2:",
            ),
            (
                r#"{"protocol":1,"generation":0,"seed":1,"parents":[],"out":"/o"}"#,
                "at `parents`: empty",
            ),
            (
                r#"{"protocol":1,"generation":0,"seed":1,"parents":[{"path":7}],"out":"/o"}"#,
                "at `parents[0].path`: invalid type: integer `7`",
            ),
            (
                r#"{"protocol":1,"generation":0,"seed":-1}"#,
                "at `seed`: invalid value: integer `-1`",
            ),
        ];
        for (text, expected) in rows {
            let message = Request::read(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn what_comes_after_the_document_is_not_waited_for() {
        let text = r#"{"protocol":1,"generation":3,"seed":5,"parents":[{"path":"/p","fitness":{}}],
            "out":"/o","agent_type":"packer"} more"#;
        let request = Request::read(text.as_bytes()).unwrap();
        assert_eq!((request.generation, request.seed), (3, 5));
    }
}
