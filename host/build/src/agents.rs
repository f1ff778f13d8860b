//! The agents of a program, which its build script builds and hands to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::BuildError;
use super::script::{self, Script};
use super::stop::Stop;
use super::trouble::Trouble;
use super::{component, generated, rust, watched};

/// Where cargo keeps what it compiles for agents, in the script's own folder: the
/// cargo that builds the program holds a lock on the program's.
const TARGET_DIR: &str = "agents";

/// Builds the agent crate in the folder `path`, which counts from the folder of the
/// program's Cargo.toml, and writes it for `chimera_layer4::include_agents!()`. It is
/// the same as `Agents::new().agent(path).write()`, with all that [`Agents::write`] says.
///
/// ```no_run
/// // In `main` of build.rs:
/// chimera_layer4_build::agent("agents/custom-agent");
/// ```
pub fn agent(path: impl AsRef<Path>) {
    Agents::new().agent(path).write();
}

/// The agents of a program.
///
/// ```no_run
/// // In `main` of build.rs:
/// chimera_layer4_build::Agents::new()
///     .agent("agents/custom-agent")
///     .agent("../others/echo")
///     .named("Repeats")
///     .write();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "`write` builds them"]
pub struct Agents {
    agents: Vec<Agent>,
    name_before_agent: Option<String>,
}

#[derive(Clone, Debug)]
struct Agent {
    path: PathBuf,
    name: Option<String>,
}

/// An agent that is built and meets the contract.
struct Made {
    name: String,
    folder: PathBuf,
    package: String,
    component: Vec<u8>,
    watched: BTreeSet<PathBuf>,
}

impl Agents {
    /// No agent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the agent crate in the folder `path`, which counts from the folder of the
    /// program's Cargo.toml.
    pub fn agent(mut self, path: impl AsRef<Path>) -> Self {
        self.agents.push(Agent { path: path.as_ref().to_path_buf(), name: None });
        self
    }

    /// What the type of the agent before is called. Without it the type is called as the
    /// agent's package: `CustomAgent` for `custom-agent`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        match self.agents.last_mut() {
            Some(agent) => agent.name = Some(name.into()),
            None => self.name_before_agent = Some(name.into()),
        }
        self
    }

    /// Builds each agent for `wasm32-wasip2`, in release mode, holds its component
    /// against the contract, and writes a type for it, which implements
    /// `chimera_layer4::AgentComponent`. `chimera_layer4::include_agents!()` has these
    /// types in the program. Cargo runs the build script again when a source of an agent
    /// changes.
    ///
    /// Rust's target for agents is added through rustup where it is missing.
    ///
    /// An agent that does not build, or that does not meet the contract, ends the process
    /// with the exit code 1, and cargo then ends the build of the program with the reason.
    pub fn write(self) {
        static IS_WRITTEN: AtomicBool = AtomicBool::new(false);
        if IS_WRITTEN.swap(true, Ordering::Relaxed) {
            script::fail(&[Trouble::Again]);
        }
        let script = Script::read().map_err(|trouble| vec![trouble]);
        match script.and_then(|script| self.write_for(&script)) {
            Ok(watched) => script::watch(watched.iter().map(PathBuf::as_path)),
            Err(troubles) => script::fail(&troubles),
        }
    }

    /// What cargo is to watch.
    fn write_for(self, script: &Script) -> Result<BTreeSet<PathBuf>, Vec<Trouble>> {
        if let Some(name) = self.name_before_agent {
            return Err(vec![Trouble::NameBeforeAgent { name }]);
        }
        let (mut made, mut troubles) = (Vec::new(), Vec::new());
        for agent in self.agents {
            match agent.make(script) {
                Ok(agent) => made.push(agent),
                Err(trouble) => troubles.push(trouble),
            }
        }
        troubles.extend(same_names(&made));
        if !troubles.is_empty() {
            return Err(troubles);
        }
        write(&made, &script.out).map_err(|trouble| vec![trouble])?;
        Ok(made.into_iter().flat_map(|agent| agent.watched).collect())
    }
}

impl Agent {
    fn make(self, script: &Script) -> Result<Made, Trouble> {
        let folder = script.package.join(&self.path);
        let folder = folder.canonicalize().unwrap_or(folder);
        let checked = |name: String| match generated::is_type(&name) {
            true => Ok(name),
            false => Err(Trouble::Name { name, folder: folder.clone() }),
        };
        let named = self.name.map(checked).transpose()?;
        if !folder.join("Cargo.toml").is_file() {
            return Err(Trouble::NotACrate(folder));
        }
        let path = build(&folder, script)?;
        let component = fs::read(&path);
        let component = component.map_err(|reason| Trouble::File { path: path.clone(), reason })?;
        let differences = component::differences(&component);
        if !differences.is_empty() {
            let contract = component::contract();
            return Err(Trouble::Contract { folder, contract, differences });
        }
        let Some(made_of) = rust::look(&folder) else {
            return Err(Trouble::Unknown(folder));
        };
        let name = named.map_or_else(|| checked(generated::type_of(&made_of.name)), Ok)?;
        let watched = watched::of(&made_of, &path, &script.out);
        Ok(Made { name, folder, package: made_of.name, component, watched })
    }
}

/// Where the component is.
fn build(folder: &Path, script: &Script) -> Result<PathBuf, Trouble> {
    let target_dir = script.out.join(TARGET_DIR);
    let without = &script.not_for_agents;
    let built =
        rust::build_without(without, folder, Some(&target_dir), &Stop::never(), &mut |_| {});
    built.map_err(|reason| match reason {
        BuildError::DoesNotBuild { folder, .. } => Trouble::DoesNotBuild(folder),
        reason => Trouble::Build { folder: folder.to_path_buf(), reason },
    })
}

/// Two agents of one type.
fn same_names(made: &[Made]) -> Vec<Trouble> {
    let mut named = BTreeMap::new();
    let mut troubles = Vec::new();
    for agent in made {
        if let Some(one) = named.insert(&agent.name, &agent.folder) {
            let (one, other) = (one.clone(), agent.folder.clone());
            troubles.push(Trouble::SameName { name: agent.name.clone(), one, other });
        }
    }
    troubles
}

fn write(made: &[Made], out: &Path) -> Result<(), Trouble> {
    let write = |name: &str, content: &[u8]| {
        let path = out.join(name);
        fs::write(&path, content).map_err(|reason| Trouble::File { path, reason })
    };
    for agent in made {
        write(&generated::component_of(&agent.name), &agent.component)?;
    }
    let types = made.iter().map(|agent| generated::text(&agent.name, &agent.package));
    write(generated::FILE, types.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script whose package holds a crate `agent` that is never built.
    fn script() -> (tempfile::TempDir, Script) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("agent")).unwrap();
        fs::write(folder.path().join("agent/Cargo.toml"), "").unwrap();
        let package = folder.path().to_path_buf();
        let out = folder.path().join("out");
        (folder, Script { package, out, not_for_agents: Vec::new() })
    }

    #[track_caller]
    fn refused(agents: Agents, words: &[&str]) {
        let (_folder, script) = script();
        let troubles = agents.write_for(&script).unwrap_err();
        let said: Vec<_> = troubles.iter().map(Trouble::to_string).collect();
        let said = said.join("\n");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(!script.out.exists(), "nothing is written");
    }

    #[test]
    fn a_name_without_its_agent_is_refused() {
        refused(Agents::new().named("Early").agent("agent"), &["`named(\"Early\")` stands before"]);
    }

    #[test]
    fn a_name_that_is_no_type_is_refused_before_anything_is_built() {
        refused(
            Agents::new().agent("agent").named("my agent"),
            &["\"my agent\" cannot be", "/agent"],
        );
    }

    #[test]
    fn each_folder_without_a_crate_is_named() {
        let words = ["/gone is not an agent's crate", "/out is not an agent's crate"];
        refused(Agents::new().agent("gone").agent("out"), &words);
    }

    #[test]
    fn two_agents_of_one_name_are_refused_with_both_folders() {
        let made = |folder: &str| Made {
            name: "Echo".into(),
            folder: folder.into(),
            package: "echo".into(),
            component: Vec::new(),
            watched: BTreeSet::new(),
        };
        assert!(same_names(&[made("a")]).is_empty());
        let troubles = same_names(&[made("a"), made("b")]);
        let [trouble] = troubles.as_slice() else { panic!("{troubles:?}") };
        let words = "the agents a and b would both be the type Echo";
        assert!(trouble.to_string().starts_with(words), "{trouble}");
    }

    #[test]
    fn what_is_written_has_each_agent_and_its_component() {
        let out = tempfile::tempdir().unwrap();
        let made = ["One", "Two"].map(|name| Made {
            name: name.into(),
            folder: PathBuf::new(),
            package: name.to_lowercase(),
            component: name.as_bytes().to_vec(),
            watched: BTreeSet::new(),
        });
        write(&made, out.path()).unwrap();
        let text = fs::read_to_string(out.path().join(generated::FILE)).unwrap();
        assert!(text.contains("pub struct One;") && text.contains("pub struct Two;"), "{text}");
        assert_eq!(fs::read(out.path().join("Two.wasm")).unwrap(), b"Two");
    }
}
