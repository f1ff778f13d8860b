//! Programs outside of the workspace, built with what was compiled for the workspace's tests.
//!
//! Cargo compiles a package of a registry once where two builds agree on its version, its
//! features and its profile. So the folder of such a program has the workspace's lock and
//! profiles, and a package beside the program that asks for each feature that a member of
//! the workspace asks for. The program's own `Cargo.toml` is as its author writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Ended;
use crate::harness::root;
use crate::shell::outside_of_cargo;

/// Asks for features; no program depends on it.
const FEATURES: &str = "features";

/// A folder with a workspace of its own.
pub(super) struct Outside(PathBuf);

impl Outside {
    /// In the target folder, where cargo reads the settings of the repository too.
    pub(super) fn new(name: &str) -> Self {
        let folder = target().join("tmp").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let features = folder.join(FEATURES);
        fs::create_dir_all(features.join("src")).unwrap();
        fs::write(features.join("src/lib.rs"), "").unwrap();
        fs::write(features.join("Cargo.toml"), features_manifest()).unwrap();
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let outside = Self(folder);
        outside.write_workspace(&[FEATURES]);
        outside
    }

    /// The folder of the program `name`.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Adds a program, whose folder is there. From here on cargo builds it with the features
    /// of all, since both are what it builds where a command names no package.
    pub(super) fn add(&self, name: &str) {
        self.write_workspace(&[FEATURES, name]);
    }

    fn write_workspace(&self, members: &[&str]) {
        let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let (_, profiles) = workspace.split_once("[profile.dev]").unwrap();
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\ndefault-members = {members:?}\n\n\
             [profile.dev]{profiles}"
        );
        fs::write(self.0.join("Cargo.toml"), manifest).unwrap();
    }

    /// `cargo` in this folder, with the target folder of these tests.
    pub(super) fn cargo(&self, words: &[&str]) -> Command {
        let mut cargo = outside_of_cargo("cargo");
        cargo.args(words).current_dir(&self.0).env("CARGO_TARGET_DIR", target());
        cargo
    }
}

/// The target folder of these tests.
pub(super) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_path_buf()
}

/// The packages that cargo compiled, of what it printed.
pub(super) fn compiled(said: &str) -> Vec<&str> {
    let lines = said.lines().filter_map(|line| line.trim_start().strip_prefix("Compiling "));
    lines.filter_map(|line| line.split(' ').next()).collect()
}

/// A package that depends on what the members of the workspace depend on, with their
/// features. The dependencies have other names, so that they are in no program's reach; cargo
/// takes one name for a package, in whichever tables it is.
fn features_manifest() -> String {
    let mut metadata = outside_of_cargo("cargo");
    metadata.args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    let metadata = Ended::of(metadata.current_dir(root()).output().unwrap());
    assert_eq!(metadata.code, 0, "{}", metadata.err);
    let metadata: Value = serde_json::from_str(&metadata.out).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let dependencies = packages.iter().flat_map(|one| one["dependencies"].as_array().unwrap());
    let mut asked: BTreeMap<(&str, &str, &str), Asked<'_>> = BTreeMap::new();
    for dependency in dependencies {
        let text = |key: &str| dependency[key].as_str().unwrap_or_default();
        let of_guests = text("target") == "cfg(target_arch = \"wasm32\")";
        // What has a path is a member.
        if of_guests || dependency["path"].is_string() {
            continue;
        }
        let table = if text("kind") == "build" { "build-dependencies" } else { "dependencies" };
        let asked = asked.entry((table, text("name"), text("req"))).or_default();
        let features = dependency["features"].as_array().unwrap();
        asked.features.extend(features.iter().map(|feature| feature.as_str().unwrap()));
        asked.default_ones |= dependency["uses_default_features"] == true;
    }
    let mut manifest =
        format!("[package]\nname = \"{FEATURES}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    for ((table, package, version), asked) in &asked {
        let Asked { features, default_ones } = asked;
        manifest += &format!(
            "\n[{table}.of-workspace-{package}]\npackage = {package:?}\nversion = {version:?}\n\
             default-features = {default_ones}\nfeatures = {:?}\n",
            features.iter().collect::<Vec<_>>()
        );
    }
    manifest
}

#[derive(Default)]
struct Asked<'a> {
    features: BTreeSet<&'a str>,
    default_ones: bool,
}
