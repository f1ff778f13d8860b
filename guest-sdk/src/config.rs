//! How one agent is set up.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::payload::decode_named;
use crate::{AgentError, ResourceQuota};

/// How one agent is set up: handed to `init` once in the life of an instance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The agent's identity: stable over restarts.
    pub agent_id: String,
    /// The name that tasks target.
    pub agent_type: String,
    /// The limits that the host enforces on this agent.
    pub resource_quota: ResourceQuota,
    /// What the operator granted as environment.
    pub environment: BTreeMap<String, String>,
    /// JSON text by name; read through [`Config::parameter`].
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Config {
    /// An environment variable, where the operator granted it.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// A parameter that must be set.
    ///
    /// The error names the parameter, the place inside it and its value.
    pub fn parameter<T: DeserializeOwned>(&self, name: &str) -> Result<T, AgentError> {
        self.optional_parameter(name)?.ok_or_else(|| self.missing(name))
    }

    /// A parameter that may be set.
    ///
    /// Set to a value of the wrong type is an error, not an absence: a typing
    /// mistake must not silently turn into the default.
    pub fn optional_parameter<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, AgentError> {
        self.parameters
            .get(name)
            .map(|text| decode_named(&format!("parameter `{name}`"), text))
            .transpose()
    }

    /// A parameter, or what holds when it is not set.
    pub fn parameter_or<T: DeserializeOwned>(
        &self,
        name: &str,
        default: T,
    ) -> Result<T, AgentError> {
        Ok(self.optional_parameter(name)?.unwrap_or(default))
    }

    /// The names of all parameters, in order. For an agent that refuses
    /// parameters it does not know.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    fn missing(&self, name: &str) -> AgentError {
        let known: Vec<_> = self.parameter_names().map(|name| format!("`{name}`")).collect();
        let set = match known.as_slice() {
            [] => "none is set".to_owned(),
            names => format!("set are {}", names.join(", ")),
        };
        AgentError::InvalidInput(format!(
            "parameter `{name}` is not set: add it to the parameters of agent type `{}` ({set})",
            self.agent_type
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn config() -> Config {
        Config {
            parameters: BTreeMap::from([
                ("depth".to_owned(), "3".to_owned()),
                ("limits".to_owned(), r#"{"low":[1,"x"]}"#.to_owned()),
            ]),
            ..testing::config()
        }
    }

    #[test]
    fn a_parameter_is_read_as_the_type_asked_for() {
        assert_eq!(config().parameter("depth"), Ok(3_u8));
        assert_eq!(config().optional_parameter::<u8>("height"), Ok(None));
        assert_eq!(config().parameter_or("height", 7_u8), Ok(7));
        assert!(config().parameter_names().eq(["depth", "limits"]));
    }

    #[test]
    fn a_missing_parameter_says_what_is_set() {
        let error = config().parameter::<u8>("height").unwrap_err();
        assert_eq!(
            error.message(),
            "parameter `height` is not set: add it to the parameters of agent type `test` \
             (set are `depth`, `limits`)"
        );
        let error = testing::config().parameter::<u8>("height").unwrap_err();
        assert!(error.message().ends_with("(none is set)"), "{error}");
    }

    #[test]
    fn a_wrong_parameter_names_itself_the_place_and_the_value() {
        let error = config()
            .parameter_or::<BTreeMap<String, Vec<u8>>>("limits", BTreeMap::new())
            .unwrap_err();
        assert_eq!(
            error.message(),
            "parameter `limits` does not fit: at `low[1]`: invalid type: string \"x\", \
             expected u8 at line 1 column 13; got {\"low\":[1,\"x\"]}"
        );
    }

    #[test]
    fn the_environment_is_read_by_name() {
        let mut config = config();
        config.environment.insert("REGION".into(), "eu".into());
        assert_eq!(config.env("REGION"), Some("eu"));
        assert_eq!(config.env("ZONE"), None);
    }
}
