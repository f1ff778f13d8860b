//! The places where agent types are declared, and which declaration of a type counts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::AgentDeclaration;

/// Agent types, declared in one place.
pub type Declarations = BTreeMap<String, AgentDeclaration>;

/// Where an agent type comes from. Of two that declare the same type the earlier counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AgentOrigin {
    /// The settings declare it.
    Settings,
    /// It was deployed to a host that serves.
    Deployed,
    /// Its file is in the agents folder.
    Folder,
    /// Every host has it.
    BuiltIn,
}

impl AgentOrigin {
    /// Those that declare types, in the order in which they count.
    pub const DECLARING: [Self; 3] = [Self::Settings, Self::Deployed, Self::Folder];

    /// As the lineage and messages name it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            AgentOrigin::Settings => "the settings file",
            AgentOrigin::Deployed => "a deployment",
            AgentOrigin::Folder => "the agents folder",
            AgentOrigin::BuiltIn => "the host",
        }
    }

    /// What of it ends a trial.
    #[must_use]
    pub fn change(self) -> &'static str {
        match self {
            AgentOrigin::Settings => "a reload",
            AgentOrigin::Deployed => "a deployment",
            AgentOrigin::Folder | AgentOrigin::BuiltIn => "a change of the agents folder",
        }
    }
}

/// What each place declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentSources {
    settings: Declarations,
    deployed: Declarations,
    folder: Declarations,
}

impl AgentSources {
    /// What one place declares.
    #[must_use]
    pub fn declared_in(&self, origin: AgentOrigin) -> Option<&Declarations> {
        match origin {
            AgentOrigin::Settings => Some(&self.settings),
            AgentOrigin::Deployed => Some(&self.deployed),
            AgentOrigin::Folder => Some(&self.folder),
            AgentOrigin::BuiltIn => None,
        }
    }

    /// The declaration of a type that counts.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<(AgentOrigin, &AgentDeclaration)> {
        let declared = |origin| Some((origin, self.declared_in(origin)?.get(name)?));
        AgentOrigin::DECLARING.into_iter().find_map(declared)
    }

    /// The next place that declares a type, whose declaration does not count.
    #[must_use]
    pub fn beside(&self, name: &str) -> Option<AgentOrigin> {
        let declares = |origin: &AgentOrigin| {
            self.declared_in(*origin).is_some_and(|declared| declared.contains_key(name))
        };
        AgentOrigin::DECLARING.into_iter().filter(declares).nth(1)
    }

    /// What has to change so that one place declares this and nothing else.
    #[must_use]
    pub fn changes_to(
        &self,
        origin: AgentOrigin,
        declared: &Declarations,
    ) -> BTreeMap<String, Option<AgentDeclaration>> {
        let before: BTreeSet<&String> =
            self.declared_in(origin).into_iter().flat_map(BTreeMap::keys).collect();
        let names = before.into_iter().chain(declared.keys());
        names.map(|name| (name.clone(), declared.get(name).cloned())).collect()
    }

    /// One place declares a type otherwise, or no longer.
    pub fn set(&mut self, origin: AgentOrigin, name: &str, to: Option<AgentDeclaration>) {
        let declared = match origin {
            AgentOrigin::Settings => &mut self.settings,
            AgentOrigin::Deployed => &mut self.deployed,
            AgentOrigin::Folder => &mut self.folder,
            AgentOrigin::BuiltIn => return,
        };
        match to {
            Some(to) => drop(declared.insert(name.to_owned(), to)),
            None => drop(declared.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Layers, declared};
    use super::*;
    use crate::ResourceQuota;

    fn declaration(component: &str) -> AgentDeclaration {
        let text = format!("[agents.a]\ncomponent = \"/{component}\"");
        let layers = Layers::new().with_file("chimera.toml", &text).unwrap();
        declared(&layers, &ResourceQuota::default(), 10).unwrap().remove("a").unwrap()
    }

    fn counts(sources: &AgentSources) -> Option<(AgentOrigin, String)> {
        let (origin, declaration) = sources.of("a")?;
        Some((origin, declaration.component.display().to_string()))
    }

    #[test]
    fn each_origin_has_words_of_its_own() {
        let all = [
            (AgentOrigin::Settings, "the settings file"),
            (AgentOrigin::Deployed, "a deployment"),
            (AgentOrigin::Folder, "the agents folder"),
            (AgentOrigin::BuiltIn, "the host"),
        ];
        assert_eq!(all.map(|(origin, _)| origin.words()), all.map(|(_, words)| words));
    }

    #[test]
    fn a_declaration_is_shown_without_what_may_be_secret() {
        let text = "[agents.a]\ncomponent = \"/c\"\nenvironment = { KEY = \"hush\" }\n\
                    parameters = { limit = \"hush\" }";
        let layers = Layers::new().with_file("chimera.toml", text).unwrap();
        let declared = declared(&layers, &ResourceQuota::default(), 10).unwrap();
        let shown = format!("{:?}", declared["a"]);
        assert!(
            shown.contains("/c") && shown.contains("KEY") && shown.contains("limit"),
            "{shown}"
        );
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn the_settings_go_before_what_was_deployed_and_that_before_the_folder() {
        let mut sources = AgentSources::default();
        assert_eq!((counts(&sources), sources.beside("a")), (None, None));
        let steps = [
            (AgentOrigin::Folder, "/folder", None),
            (AgentOrigin::Deployed, "/deployed", Some(AgentOrigin::Folder)),
            (AgentOrigin::Settings, "/settings", Some(AgentOrigin::Deployed)),
        ];
        for (origin, path, beside) in steps {
            sources.set(origin, "a", Some(declaration(path.trim_start_matches('/'))));
            assert_eq!(counts(&sources), Some((origin, path.to_owned())));
            assert_eq!(sources.beside("a"), beside);
        }
        for (origin, left) in [
            (AgentOrigin::Settings, Some(AgentOrigin::Deployed)),
            (AgentOrigin::Deployed, Some(AgentOrigin::Folder)),
            (AgentOrigin::Folder, None),
        ] {
            sources.set(origin, "a", None);
            assert_eq!(counts(&sources).map(|(origin, _)| origin), left);
        }
    }

    #[test]
    fn a_place_is_changed_as_a_whole_and_leaves_the_others_alone() {
        let mut sources = AgentSources::default();
        sources.set(AgentOrigin::Settings, "old", Some(declaration("1")));
        sources.set(AgentOrigin::Folder, "other", Some(declaration("2")));
        let to = Declarations::from([("new".to_owned(), declaration("3"))]);
        let changes = sources.changes_to(AgentOrigin::Settings, &to);
        assert_eq!(changes.keys().collect::<Vec<_>>(), ["new", "old"]);
        for (name, to) in changes {
            sources.set(AgentOrigin::Settings, &name, to);
        }
        assert_eq!(sources.declared_in(AgentOrigin::Settings), Some(&to));
        assert!(sources.of("other").is_some() && sources.of("old").is_none());
    }
}
