//! What a component is that was built for something else, in words for its author.
//!
//! Each answer is one sentence and a next step.

use wit_parser::{PackageName, Resolve, WorldId};

/// Exports by which well-known worlds are recognized, and what such a component is.
const WORLDS: [(&str, &str); 3] = [
    ("wasi:cli/run@", "a command-line program"),
    ("wasi:http/incoming-handler@", "an HTTP handler"),
    ("wasi:http/handler@", "an HTTP handler"),
];
/// Exports that are named; a component may have thousands.
const NAMED: usize = 10;

const BUILD: &str = "build it against the contract that `chimera wit` prints";

/// A component that exports nothing of the contract.
pub(super) fn world(component: &Resolve, world: WorldId) -> String {
    let names: Vec<String> = component
        .worlds
        .get(world)
        .map(|world| {
            world.exports.keys().map(|key| component.name_world_key(key)).take(NAMED).collect()
        })
        .unwrap_or_default();
    let known = names.iter().find_map(|name| {
        let (_, what) = WORLDS.iter().find(|(prefix, _)| name.starts_with(prefix))?;
        Some((name, what))
    });
    if let Some((export, what)) = known {
        return format!(
            "it is {what}, which exports {export}, and an agent exports \
             `chimera:agent/lifecycle`: `chimera agent new` makes a project of one"
        );
    }
    let found = if names.is_empty() { "and nothing else is".into() } else { only(&names) };
    format!("interface `chimera:agent/lifecycle` is not exported, {found}: {BUILD}")
}

fn only(names: &[String]) -> String {
    format!("only {}", names.join(", "))
}

/// Whether this host runs what was built for that version. Below 1.0 the minor
/// version is the one that breaks, and a draft is compatible with itself alone.
pub(super) fn is_served(built_for: &PackageName, ours: &PackageName) -> bool {
    match (&built_for.version, &ours.version) {
        (Some(theirs), Some(ours)) => {
            (theirs.major, theirs.minor, theirs.pre.is_empty()) == (ours.major, ours.minor, true)
        }
        _ => false,
    }
}

/// A component for a version that this host does not serve.
pub(super) fn version(built_for: &PackageName, ours: &PackageName) -> String {
    let speaks = spoken(ours);
    if built_for.version.is_none() {
        return format!(
            "it is built for a {built_for} without a version, and this host speaks {speaks}: {BUILD}"
        );
    }
    if built_for.version > ours.version {
        return format!(
            "it is built for {built_for}, which is newer than this host's {speaks}: run it on a \
             newer host, or {BUILD}"
        );
    }
    format!("it is built for {built_for}, which is older than this host's {speaks}: {BUILD}")
}

/// A component that wants what a later version of the contract added.
pub(super) fn addition(built_for: &PackageName, ours: &PackageName, what: &str) -> String {
    let speaks = spoken(ours);
    format!(
        "it imports `{what}` of {built_for}, which this host's {speaks} has not: run it on a newer \
         host, or {BUILD}"
    )
}

fn spoken(ours: &PackageName) -> String {
    ours.version.as_ref().map_or_else(String::new, ToString::to_string)
}
