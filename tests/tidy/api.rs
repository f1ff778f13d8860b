//! The HTTP API is written down once, in `host/api`: its bodies, paths and codes.

use std::io;

use super::{Source, is_word, none, sources};

/// What uses the API's types.
const USERS: [&str; 2] = ["host/cli/", "host/server/"];
/// Where the paths are, and where the codes are that the API's users may compare with.
const PATHS: &str = "host/api/src/paths.rs";
const CODES: [&str; 2] = ["host/api/src/problem.rs", "host/core/src/refusal.rs"];
/// Methods that look into a tree of values.
const LOOKS: [&str; 4] = [".get(", ".get_mut(", ".pointer(", ".pointer_mut("];

#[test]
fn the_program_reads_no_value_by_string_keys() -> io::Result<()> {
    let mut complaints = Vec::new();
    for source in sources()?.iter().filter(|source| source.is_in(&["host/cli/"])) {
        complaints.extend(
            lines(source)
                .filter(|(_, line)| reads_by_key(line))
                .map(|found| complaint(source, found, "read it as a type of `chimera_layer4_api`")),
        );
    }
    none(&complaints);
    Ok(())
}

#[test]
fn paths_and_codes_are_listed_once() -> io::Result<()> {
    let all = sources()?;
    let constants = |path: &str| -> Vec<String> {
        let source = all.iter().find(|source| source.path == path);
        let lines = source.map(|source| lines(source).map(|(_, line)| line).collect::<Vec<_>>());
        lines.unwrap_or_default().iter().filter_map(|line| constant(line)).collect()
    };
    let paths = constants(PATHS);
    let codes: Vec<String> = CODES.iter().flat_map(|path| constants(path)).collect();
    assert!(paths.len() > 40 && codes.len() > 20, "they are found: {paths:?} {codes:?}");
    let mut complaints = Vec::new();
    for source in all.iter().filter(|source| source.is_in(&USERS)) {
        for (number, line) in lines(source) {
            let is = |all: &[String]| all.iter().any(|one| line.contains(&format!("\"{one}\"")));
            if line.contains("/v1/") || is(&paths) {
                let words = "call or name what `chimera_layer4_api::paths` has";
                complaints.push(complaint(source, (number, line), words));
            } else if is(&codes) {
                let words = "name the constant in `chimera_layer4_api::problem::code`";
                complaints.push(complaint(source, (number, line), words));
            }
        }
    }
    none(&complaints);
    Ok(())
}

fn complaint(source: &Source, (number, line): (usize, &str), instead: &str) -> String {
    format!("{}:{number}: {}: {instead}", source.path, line.trim())
}

/// The lines of code outside of tests, each with its number.
fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let end = source.first_line_of_tests().unwrap_or(usize::MAX);
    let numbered = source.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(move |(number, line)| *number < end && !line.trim_start().starts_with("//"))
}

/// The text that a line sets a constant to.
fn constant(line: &str) -> Option<String> {
    let (_, value) = line.trim_end().strip_suffix("\";")?.rsplit_once("= \"")?;
    Some(value.to_owned())
}

/// Whether something is indexed with a text, or asked for one by a method.
fn reads_by_key(line: &str) -> bool {
    let literal = |rest: &str| rest.starts_with('"') || rest.starts_with("&\"");
    let is_index = |(at, _): (usize, &str)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_some_and(|c| is_word(c) || c == ')' || c == ']' || c == '?')
            && line.get(at + 1..).is_some_and(literal)
    };
    let asks = |look: &&str| {
        let mut after = line.match_indices(*look).map(|(at, _)| line.get(at + look.len()..));
        after.any(|rest| rest.is_some_and(literal))
    };
    line.match_indices('[').any(is_index) || LOOKS.iter().any(asks)
}

#[test]
fn each_way_to_read_by_a_key_is_found() {
    for bad in [
        "text(&done[\"genome\"])",
        "one()[\"a\"][\"b\"]",
        "done.get(\"findings\")",
        "done.pointer(\"/report/contract\")",
        "x.as_object_mut()?.get_mut(\"a\")",
    ] {
        assert!(reads_by_key(bad), "{bad}");
    }
    for good in [
        "let names = [\"a\", \"b\"];",
        "row([\"TASK\"])",
        "vec![\"a\"]",
        "agents.get(name)",
        "#[arg(conflicts_with_all = [\"quota\"])]",
        "stats.tasks.get(&state)",
    ] {
        assert!(!reads_by_key(good), "{good}");
    }
    assert_eq!(
        constant("    TASK task(id) = \"/v1/tasks/{id}\";").as_deref(),
        Some("/v1/tasks/{id}")
    );
    assert_eq!(constant("pub const BUSY: &str = \"busy\";").as_deref(), Some("busy"));
}
