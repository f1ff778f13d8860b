//! The whole way of a program that brings its agent along: from its build script to the
//! result of a task.

use std::fs;
use std::path::Path;

use chimera_layer4_toolchain::{self as toolchain, Form, Language, New};

use super::outside::{Outside, compiled, target};
use super::{BUILD_SCRIPT, Ended};
use crate::harness::{guests_target, root};
use crate::shell::outside_of_cargo;

const PROGRAM: &str = include_str!("program.rs");
const NAME: &str = "brings-agent";

/// A program with its agent beside it, in a workspace of its own.
struct Embedder(Outside);

impl Embedder {
    fn new() -> Self {
        let outside = Outside::new("brings-agent");
        let folder = outside.program(NAME);
        fs::create_dir_all(folder.join("src")).unwrap();
        let root = root().canonicalize().unwrap();
        toolchain::create(New {
            language: Language::Rust,
            form: Form::Typed,
            folder: &folder.join("agent"),
            sdk: Some(&root.join("guest-sdk")),
        })
        .unwrap();
        fs::copy(root.join("Cargo.lock"), folder.join("agent/Cargo.lock")).unwrap();
        write_build_library(&folder.join("build"));
        let manifest = format!(
            r#"[package]
name = "{NAME}"
version = "0.1.0"
edition = "2024"

[dependencies]
chimera-layer4 = {{ path = "{}/host" }}

[build-dependencies]
chimera-layer4-build = {{ path = "build" }}
"#,
            root.display()
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("build.rs"), BUILD_SCRIPT).unwrap();
        fs::write(folder.join("src/main.rs"), PROGRAM).unwrap();
        outside.add(NAME);
        Self(outside)
    }

    fn build(&self) -> Ended {
        Ended::of(self.0.cargo(&["build", "--bin", NAME]).output().unwrap())
    }

    fn run(&self) -> String {
        let mut program = outside_of_cargo(target().join("debug").join(NAME).to_str().unwrap());
        let ended = Ended::of(program.current_dir(self.0.program(NAME)).output().unwrap());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    }

    fn change_agent(&self, from: &str, to: &str) {
        let path = self.0.program(NAME).join("agent/src/lib.rs");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
}

/// The library of the build script, as the tests are linked with it: it starts their build
/// script, which is the same one, with all that cargo gave it. As a build dependency the
/// library itself would ask for more features of packages that macros are made of, and
/// wasmtime would be compiled once more. What it compiles lies where other tests have it.
fn write_build_library(folder: &Path) {
    let script = env!("CARGO_BIN_EXE_build-script-under-test");
    let guests = guests_target();
    fs::create_dir_all(&guests).unwrap();
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest =
        "[package]\nname = \"chimera-layer4-build\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let code = format!(
        r#"pub fn agent(folder: &str) {{
    assert_eq!(folder, "agent");
    let compiled = std::path::Path::new(&std::env::var_os("OUT_DIR").unwrap()).join("agents");
    if !compiled.exists() {{
        std::os::unix::fs::symlink({guests:?}, compiled).unwrap();
    }}
    let ended = std::process::Command::new({script:?}).status().unwrap();
    std::process::exit(ended.code().unwrap());
}}
"#
    );
    fs::write(folder.join("src/lib.rs"), code).unwrap();
}

#[test]
#[ignore = "compiles the library for another program: a minute"]
fn long_a_program_brings_its_agent_along() {
    let embedder = Embedder::new();
    let built = |what: &str| {
        let ended = embedder.build();
        assert_eq!(ended.code, 0, "{what}: {}", ended.err);
        ended.err
    };
    println!("compiled: {:?}", compiled(&built("the first time")));
    assert_eq!(embedder.run(), "agent: {\"texts_so_far\":1,\"words\":3}\n");

    // The agent's lock, which the first build shortened, is a source too.
    built("with another lock");
    let again = built("with nothing changed");
    assert!(!again.contains("Compiling"), "{again}");

    embedder.change_agent("\"words\":", "\"counted\":");
    built("with another agent");
    assert_eq!(embedder.run(), "agent: {\"counted\":3,\"texts_so_far\":1}\n");

    embedder.change_agent("self.texts += 1;", "self.texts = \"one\";");
    let ended = embedder.build();
    assert_ne!(ended.code, 0, "{}", ended.err);
    let agent = embedder.0.program(NAME).join("agent").canonicalize().unwrap();
    let error = format!("the agent crate {} does not build: ", agent.display());
    ended.said(&["error[E0308]: mismatched types", "src/lib.rs:", &error]);
}
