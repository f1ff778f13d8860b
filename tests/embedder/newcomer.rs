//! The README's program in a new package with nothing prepared: `cargo new`, one line of its
//! manifest, `cargo run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use tempfile::TempDir;

use super::Ended;
use super::outside::{Outside, compiled};
use crate::harness::root;
use crate::port_9090::on_port_9090;
use crate::shell::outside_of_cargo;

const NAME: &str = "newcomer";
/// With the value 1, the test compiles everything in a folder that is empty and outside of
/// the repository, and prints how long that takes.
const FROM_NOTHING: &str = "EMBEDDER_FROM_NOTHING";
/// What a newcomer types: `cargo new`, `cd`, `cargo run`.
const COMMANDS: usize = 3;

/// Where the commands are typed.
enum Place {
    /// Nothing was compiled, and cargo has the settings of its user alone.
    Nothing(TempDir),
    /// What was compiled for the tests is there.
    Target(Outside),
}

impl Place {
    fn cargo(&self, words: &[&str]) -> Command {
        match self {
            Self::Target(outside) => outside.cargo(words),
            Self::Nothing(folder) => {
                let mut cargo = outside_of_cargo("cargo");
                cargo.args(words).current_dir(folder.path()).env_remove("CARGO_TARGET_DIR");
                cargo
            }
        }
    }

    fn package(&self) -> PathBuf {
        match self {
            Self::Target(outside) => outside.program(NAME),
            Self::Nothing(folder) => folder.path().join(NAME),
        }
    }

    /// `cd` and `cargo run`.
    fn run(&self) -> Output {
        let mut cargo = self.cargo(&["run"]);
        // Otherwise in the workspace's own folder, where all of it is built with the same features.
        if let Self::Nothing(_) = self {
            cargo.current_dir(self.package());
        }
        cargo.output().unwrap()
    }
}

/// The one line of the manifest, and the program, as the README has them.
fn of_the_readme() -> (String, String) {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, embed) = readme.split_once("\n## Embed\n").unwrap();
    let block = |start: &str| embed.split_once(start).unwrap().1.split_once("```").unwrap().0;
    let manifest = block("```toml\n[dependencies]\n");
    let checkout = root().canonicalize().unwrap();
    (manifest.replace("CHECKOUT", checkout.to_str().unwrap()), block("```rust,no_run\n").to_owned())
}

/// How many packages its program has, itself included.
fn packages(place: &Place) -> usize {
    let mut tree = place.cargo(&["tree", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}", "--package", NAME]);
    let tree = Ended::of(tree.current_dir(place.package()).output().unwrap());
    assert_eq!(tree.code, 0, "{}", tree.err);
    let mut names: Vec<_> = tree.out.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, before + text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the host")]
fn is_from_nothing() -> bool {
    std::env::var_os(FROM_NOTHING).is_some_and(|value| value == "1")
}

#[test]
#[ignore = "compiles the library for another program: a minute"]
fn long_the_readmes_program_runs_in_a_new_package() {
    let place = match is_from_nothing() {
        true => Place::Nothing(tempfile::tempdir().unwrap()),
        false => Place::Target(Outside::new("newcomers")),
    };
    let start = Instant::now();
    let made = Ended::of(place.cargo(&["new", NAME]).output().unwrap());
    assert_eq!(made.code, 0, "{}", made.err);
    let (line, program) = of_the_readme();
    append(&place.package().join("Cargo.toml"), &line);
    fs::write(place.package().join("src/main.rs"), program).unwrap();
    if let Place::Target(outside) = &place {
        outside.add(NAME);
    }

    let Some(output) = on_port_9090("the README's program", || place.run()) else { return };
    let seconds = start.elapsed().as_secs();
    let ended = Ended::of(output);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    let lines: Vec<_> = ended.out.lines().collect();
    let [first, later] = lines.as_slice() else { panic!("{}", ended.out) };
    let time = first.strip_prefix("{\"text\":\"hello\"} in ").and_then(|t| t.strip_suffix(" ms"));
    let time: u64 = time.and_then(|time| time.parse().ok()).unwrap_or_else(|| panic!("{first}"));
    assert!((1..10_000).contains(&time), "{first}");
    assert_eq!(*later, "\"later\"");

    let added = line.lines().count();
    assert_eq!(added, 1, "{line}");
    let compiled = compiled(&ended.err);
    println!("compiled: {compiled:?}");
    println!(
        "a newcomer: {COMMANDS} commands, {added} line in the manifest, {seconds} s for {} compiled \
         packages{}; the program has {} packages",
        compiled.len(),
        if is_from_nothing() { ", from nothing" } else { "" },
        packages(&place)
    );
}
