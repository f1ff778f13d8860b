//! Which crate of the host depends on which: ARCHITECTURE.md draws it, cargo holds it,
//! and `cargo test -p chimera-tests --test system arrows -- --nocapture` prints it.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::root;

const PREFIX: &str = "chimera-layer4-";

/// The crates of the host, each with those that it depends on, by their folders' names.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let host = root().join("host");
    let folders = fs::read_dir(&host).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.map(|folder| folder.join("Cargo.toml")).filter(|path| path.is_file());
    manifests.chain([host.join("Cargo.toml")]).map(|path| arrow(&path)).collect()
}

fn arrow(manifest: &std::path::Path) -> (String, Vec<String>) {
    let text = fs::read_to_string(manifest).unwrap();
    let (package, rest) = text.split_once("[dependencies]").unwrap();
    let name = package.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
    let own = rest.split("\n[").next().unwrap().lines();
    let own = own.filter_map(|line| line.strip_prefix(PREFIX));
    let own = own.map(|line| line.split(['.', ' ']).next().unwrap().to_owned());
    (name.trim_matches('"').trim_start_matches(PREFIX).to_owned(), own.collect())
}

#[test]
fn the_arrows_are_drawn_as_they_are() {
    let drawn = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut missing = Vec::new();
    for (name, below) in arrows() {
        let line = format!("{name:<14} ─▶ {}", below.join(" "));
        let line = line.trim_end_matches(" ─▶ ").trim_end();
        println!("{line}");
        if !drawn.lines().any(|drawn| drawn.trim_end() == line) {
            missing.push(line.to_owned());
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md lacks these lines:\n{}", missing.join("\n"));
}
