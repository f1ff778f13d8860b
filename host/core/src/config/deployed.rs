//! Agent types that were deployed to a host, as they are kept in its data folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentDeclaration, declared_in_json};
use crate::json::Tree;
use crate::{Digest, ResourceQuota};

/// The form of the file that is written here.
const VERSION: u32 = 1;

/// What was deployed for one agent type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The component, by its digest. It is stored as a genome.
    pub component: Digest,
    /// The keys of `[agents.NAME]` but for `component`.
    #[serde(default)]
    pub settings: BTreeMap<String, Tree>,
}

impl Deployment {
    /// The keys of the settings that grant something of the host's.
    pub const GRANTS: [&str; 3] = ["folders", "http", "keyvalue"];

    /// What it declares for a type.
    ///
    /// # Errors
    /// Every complaint at once.
    pub fn declaration(
        &self,
        name: &str,
        defaults: &ResourceQuota,
    ) -> Result<AgentDeclaration, Vec<String>> {
        declared_in_json(name, self.component, &self.settings, defaults)
    }
}

/// Every agent type that was deployed to a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployments(pub BTreeMap<String, Deployment>);

#[derive(Serialize, Deserialize)]
struct File<T> {
    version: u32,
    types: T,
}

impl Deployments {
    /// Types that one host keeps.
    pub const MOST: usize = 1000;
    /// Bytes of the settings of one type, as JSON.
    pub const MOST_SETTINGS_BYTES: usize = 64 << 10;

    /// Reads the file of a data folder.
    ///
    /// # Errors
    /// It is damaged, or of a version that this one does not know: in words.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let File { version, types } =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match version {
            VERSION => Ok(Self(types)),
            other => Err(format!("its version is {other}; allowed is {VERSION}")),
        }
    }

    /// The file as it is kept.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let file = File { version: VERSION, types: &self.0 };
        // Keys are texts and no number is special, so there is nothing that JSON cannot say.
        serde_json::to_vec(&file).unwrap_or_default()
    }

    /// Whether a type runs a component.
    #[must_use]
    pub fn name(&self, component: Digest) -> bool {
        self.0.values().any(|one| one.component == component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deployed_is_read_as_it_was_written() {
        let settings = serde_json::json!({ "instances": 2, "parameters": { "a": [1.5, "b"] } });
        let settings = settings.as_object().cloned().unwrap().into_iter();
        let settings = settings.map(|(name, value)| (name, Tree(value))).collect();
        let one = Deployment { component: Digest::of(b""), settings };
        let all = Deployments(BTreeMap::from([("a/../b".to_owned(), one.clone())]));
        assert_eq!(Deployments::read(&all.text()), Ok(all.clone()));
        assert!(all.name(one.component) && !all.name(Digest::of(b"other")));
        let declared = one.declaration("a", &ResourceQuota::default()).unwrap();
        assert_eq!(declared.instances, 2);
        assert_eq!(declared.component.display().to_string(), one.component.to_string());
    }

    #[test]
    fn a_file_that_is_damaged_or_newer_is_refused() {
        let none = br#"{"version": 1, "types": {}}"#;
        assert_eq!(Deployments::read(none), Ok(Deployments::default()));
        for (text, expected) in [
            (r#"{"version": 2, "types": {}}"#, "its version is 2; allowed is 1"),
            (r#"{"version": 1"#, "EOF"),
            (r#"{"version": 1, "types": {"a": {"component": "b"}}}"#, "digest"),
        ] {
            let error = Deployments::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
