//! The contract as text: the files that guests are built from.
//!
//! The only place that embeds them. What checks components, prints the contract
//! or hands it to a tool of another language has it from here, so that a program
//! needs no folder beside it and cannot speak of another contract than its own.

/// The contract's version that this host speaks.
pub const VERSION: &str = "0.1.0";

/// The files of the package `chimera:agent`, each with its name, in an order in
/// which they are also one valid document.
pub const FILES: [(&str, &str); 5] = [
    ("types.wit", include_str!("../wit/types.wit")),
    ("agent.wit", include_str!("../wit/agent.wit")),
    ("state.wit", include_str!("../wit/state.wit")),
    ("telemetry.wit", include_str!("../wit/telemetry.wit")),
    ("world.wit", include_str!("../wit/world.wit")),
];

/// What changed from version to version, newest first, as Markdown.
pub const CHANGES: &str = include_str!("../wit/CHANGELOG.md");

/// The whole package as one WIT document.
#[must_use]
pub fn document() -> String {
    FILES.map(|(_, text)| text).join("\n")
}

#[cfg(test)]
mod tests {
    use wit_parser::{Resolve, SourceMap};

    use super::*;

    #[test]
    fn the_newest_change_is_this_version() {
        let newest = CHANGES.lines().find_map(|line| line.strip_prefix("## "));
        assert_eq!(newest, Some(VERSION));
    }

    fn worlds_of(files: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut map = SourceMap::default();
        for (name, text) in files {
            map.push_str(name, *text);
        }
        let group = map.parse().map_err(|(_, error)| error).unwrap();
        let mut resolve = Resolve::default();
        let package = resolve.push_group(group).unwrap();
        let worlds = resolve.worlds.iter().map(|(_, world)| world.name.clone()).collect();
        (resolve.packages[package].name.to_string(), worlds)
    }

    #[test]
    fn files_and_document_are_the_package_of_this_version() {
        for files in [&FILES[..], &[("agent.wit", &document())]] {
            let (package, worlds) = worlds_of(files);
            assert_eq!(package, format!("chimera:agent@{VERSION}"));
            assert_eq!(worlds, ["agent", "stateful-agent"]);
        }
    }
}
