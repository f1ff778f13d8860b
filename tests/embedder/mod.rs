//! Programs that embed the host: what the build script of one that brings agents along
//! builds, and what it refuses. The long tests build whole programs.

mod brings_agent;
mod newcomer;
mod outside;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use crate::harness::{guest, guests_target, root};
use crate::shell::outside_of_cargo;

const BUILD_SCRIPT: &str = include_str!("build.rs");

/// A package whose build script runs as cargo runs it. Its agent is in the folder `agent`.
struct Package(TempDir);

impl Package {
    fn new() -> Self {
        let package = Self(tempfile::tempdir().unwrap());
        fs::create_dir(package.out()).unwrap();
        package
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// An agent that depends on nothing.
    fn with_agent(code: &str) -> Self {
        let package = Self::new();
        let agent = package.agent();
        fs::create_dir_all(agent.join("src")).unwrap();
        let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                        [lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
        fs::write(agent.join("Cargo.toml"), manifest).unwrap();
        fs::write(agent.join("src/lib.rs"), code).unwrap();
        package
    }

    fn agent(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("agent")
    }

    fn run(&self) -> Ended {
        let mut script = outside_of_cargo(env!("CARGO_BIN_EXE_build-script-under-test"));
        script.env("CARGO_MANIFEST_DIR", self.0.path()).env("OUT_DIR", self.out());
        script.current_dir(self.0.path());
        Ended::of(script.output().unwrap())
    }
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("no signal ended it");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn said(&self, words: &[&str]) {
        let said = format!("{}\n{}", self.out, self.err);
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}

#[test]
fn a_build_script_makes_a_type_of_an_agent() {
    let expected = guest("echo");
    let package = Package::new();
    let echo = root().join("agents/echo").canonicalize().unwrap();
    symlink(&echo, package.agent()).unwrap();
    // What other tests compiled is not compiled again.
    symlink(guests_target(), package.out().join("agents")).unwrap();
    let ended = package.run();
    assert_eq!(ended.code, 0, "{}", ended.err);

    let types = fs::read_to_string(package.out().join("chimera_agents.rs")).unwrap();
    for part in ["pub struct Echo;", "AgentComponent for Echo", "\"echo\"", "\"/Echo.wasm\""] {
        assert!(types.contains(part), "{part:?} is not in {types}");
    }
    assert_eq!(fs::read(package.out().join("Echo.wasm")).unwrap(), expected);

    let root = root().canonicalize().unwrap();
    let watched = |path: &str| {
        let line = format!("cargo::rerun-if-changed={}", root.join(path).display());
        ended.out.lines().any(|one| one == line)
    };
    // The SDK's code includes the contract, which is in no package.
    let sources = [
        "agents/echo/Cargo.toml",
        "agents/echo/src",
        "guest-sdk/src",
        "wit/agent.wit",
        "Cargo.lock",
    ];
    for path in sources {
        assert!(watched(path), "{path} is not in {}", ended.out);
    }
}

#[test]
fn an_agent_with_a_type_error_ends_the_build_script_with_what_rustc_says() {
    let package = Package::with_agent("pub fn count(text: &str) -> usize {\n    text\n}\n");
    let ended = package.run();
    assert_eq!(ended.code, 1, "{}", ended.err);
    let agent = package.agent().display().to_string();
    let error = format!("cargo::error=the agent crate {agent} does not build: ");
    ended.said(&["error[E0308]: mismatched types", "src/lib.rs:2:5", &error, "build again"]);
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
    assert!(!package.out().join("chimera_agents.rs").exists());
}

#[test]
fn a_crate_that_is_no_agent_is_refused_with_what_the_contract_lacks() {
    let package = Package::with_agent("//! Nothing.\n");
    let ended = package.run();
    assert_eq!(ended.code, 1, "{}", ended.err);
    let agent = package.agent().display().to_string();
    let contract = "its component does not meet the contract chimera:agent@0.1.0: ";
    ended.said(&["cargo::error=the agent crate ", &agent, contract, "lifecycle"]);
    assert!(!package.out().join("chimera_agents.rs").exists());
}

#[test]
fn a_build_script_without_its_agent_says_where_it_looked() {
    let package = Package::new();
    let ended = package.run();
    let agent = package.agent().display().to_string();
    assert_eq!(ended.code, 1, "{}", ended.err);
    ended.said(&[
        "cargo::error=",
        &agent,
        " is not an agent's crate: there is no Cargo.toml in it",
    ]);
}

#[test]
fn a_build_script_compiles_neither_an_engine_nor_a_generator_of_bindings() {
    let mut tree = outside_of_cargo("cargo");
    tree.args(["tree", "--locked", "--package", "chimera-layer4-build", "--edges", "normal"]);
    tree.args(["--prefix", "none", "--format", "{p}"]).current_dir(root());
    let tree = Ended::of(tree.output().unwrap());
    assert_eq!(tree.code, 0, "{}", tree.err);
    let names: Vec<_> = tree.out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"chimera-layer4-contract"), "{names:?}");
    let large = ["wasmtime", "cranelift", "wit-bindgen", "axum", "rusqlite", "tokio"];
    let found = names.iter().find(|name| large.iter().any(|large| name.starts_with(large)));
    assert_eq!(found, None, "of {names:?}");
}
