//! One nested `cargo build`, read message by message.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Message, Metadata, MetadataCommand, Package, PackageId};

use super::{TARGET, missing};
use crate::error::BuildError;
use crate::step::Step;
use crate::stop::Stop;
use crate::tool;

/// Variables that an outer cargo or a coverage tool sets for native code and
/// that would bend the build of a guest.
const NOT_INHERITED: [&str; 14] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "LLVM_PROFILE_FILE",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// `without` are variables that cargo does not get, besides those that it never gets.
pub(super) fn build(
    manifest: &Path,
    target_dir: Option<&Path>,
    without: &[OsString],
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    let folder = manifest.parent().unwrap_or(manifest).to_path_buf();
    let of = crates_in_graph(manifest);
    let mut command = cargo(&["build", "--release", "--target", TARGET]);
    command.arg("--message-format=json-render-diagnostics").arg("--manifest-path").arg(manifest);
    if let Some(folder) = target_dir {
        command.arg("--target-dir").arg(folder);
    }
    for name in without {
        command.env_remove(name);
    }
    command.arg("--quiet").stdin(Stdio::null()).stdout(Stdio::piped());
    let started = stop.start(&mut command);
    let (mut child, _running) =
        started.map_err(|reason| tool::not_started(&command, reason, || missing("cargo")))?;

    let mut component = None;
    let mut done = 0;
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)).map_while(Result::ok) {
            let Message::CompilerArtifact(artifact) = message else { continue };
            done += 1;
            progress(Step::Compiled { done, of: of.max(done), name: artifact.target.name.clone() });
            if is_of(&artifact, manifest) {
                let wasm = artifact.filenames.iter().find(|file| file.extension() == Some("wasm"));
                component = wasm.map(|file| file.clone().into_std_path_buf()).or(component);
            }
        }
    }
    let ended = child.wait();
    let status =
        ended.map_err(|reason| BuildError::CannotStart { program: "cargo".into(), reason })?;
    if !status.success() {
        return Err(BuildError::DoesNotBuild { folder, tool: "cargo".into() });
    }
    component.ok_or(BuildError::NoComponent(folder))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command
}

fn is_of(artifact: &cargo_metadata::Artifact, manifest: &Path) -> bool {
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    same(artifact.manifest_path.as_std_path(), manifest)
}

/// A guess for the progress bar; a wrong one costs nothing.
fn crates_in_graph(manifest: &Path) -> usize {
    graph(manifest).map_or(0, |(_, graph)| graph.len())
}

/// What cargo says of a crate.
#[derive(Debug)]
pub(crate) struct Crate {
    /// What its manifest calls it.
    pub(crate) name: String,
    /// The folders of packages that it is made of and that are on this disk: its own,
    /// and what it depends on by a path.
    pub(crate) folders: Vec<PathBuf>,
    /// Where its workspace is, or else itself.
    pub(crate) workspace: PathBuf,
}

/// Asks cargo about the crate. `None` where cargo does not know it, such as for an
/// invalid manifest.
pub(super) fn look(manifest: &Path) -> Option<Crate> {
    let (metadata, graph) = graph(manifest)?;
    let name = metadata.root_package()?.name.to_string();
    let local = |package: &&Package| package.source.is_none() && graph.contains(&package.id);
    let folder = |package: &Package| package.manifest_path.parent().map(|at| at.into());
    let folders = metadata.packages.iter().filter(local).filter_map(folder).collect();
    Some(Crate { name, folders, workspace: metadata.workspace_root.into_std_path_buf() })
}

/// What cargo says, and the packages that the crate is made of.
fn graph(manifest: &Path) -> Option<(Metadata, BTreeSet<PackageId>)> {
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--filter-platform".to_owned(), TARGET.to_owned()])
        .exec()
        .ok()?;
    let resolve = metadata.resolve.as_ref()?;
    let root = resolve.root.as_ref()?;
    let mut seen = BTreeSet::from([root.clone()]);
    let mut next = vec![root];
    while let Some(id) = next.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id);
        for dependency in node.into_iter().flat_map(|node| &node.dependencies) {
            if seen.insert(dependency.clone()) {
                next.push(dependency);
            }
        }
    }
    Some((metadata, seen))
}
