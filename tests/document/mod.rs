//! The programs of the document from which the specification was made. `blocks/` keeps
//! each block byte for byte, named by the line at which it begins there; `left_out.toml`
//! says what the document leaves out around it.
//! All are compiled, and what has something to do is run.

mod commands;
mod compose;
mod composed;
mod fragments;
mod guests;
mod host;
mod kept;
pub(crate) mod monitoring;
mod page;
mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use self::compose::{Kind, LeftOut, Side};
use crate::harness::root;

/// What is kept: how the document marks a block, how its file's name ends, and how many.
const KINDS: [(&str, &str, usize); 3] =
    [("rust", "rs.txt", 24), ("bash", "sh.txt", 19), ("yaml", "yaml", 3)];

fn folder() -> PathBuf {
    root().join("tests/document")
}

/// The kept blocks by the names of their files.
fn blocks() -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder().join("blocks")).unwrap();
    let with_text = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(with_text).collect()
}

/// The blocks in Rust by their lines.
fn rust_blocks() -> BTreeMap<String, String> {
    let named = |(name, text): (String, String)| Some((name.strip_suffix(".rs.txt")?.into(), text));
    blocks().into_iter().filter_map(named).collect()
}

fn left_out() -> LeftOut {
    compose::left_out(&fs::read_to_string(folder().join("left_out.toml")).unwrap()).unwrap()
}

#[test]
fn each_block_in_rust_has_what_is_left_out_around_it() {
    let (blocks, left_out) = (rust_blocks(), left_out());
    let lines: Vec<&String> = blocks.keys().collect();
    assert_eq!(lines, left_out.keys().collect::<Vec<_>>());
    for (line, around) in &left_out {
        assert!(around.reason.ends_with('.'), "block {line} has no reason");
        let is_whole = match around.kind {
            Kind::Program => around.after.contains("main()"),
            Kind::Agent => around.side == Side::Guest,
            Kind::Statements => !around.before.is_empty() && !around.after.is_empty(),
            Kind::Items | Kind::Definition => around.side == Side::Host,
        };
        assert!(is_whole, "block {line} is no {:?}", around.kind);
    }
}

/// Blocks of Rust that have something to do: the others are settings, definitions and, of
/// one agent, a first half.
const RUN: usize = 13;

/// The host's are modules of this binary; the agents are built where a test runs them.
#[test]
fn all_blocks_in_rust_are_compiled_and_those_run_that_have_something_to_do() {
    let (kept, left_out) = (blocks().len(), left_out());
    let agents = guests::AGENTS.iter().copied().flatten();
    let mut compiled: Vec<&str> = host::COMPILED.iter().chain(agents).copied().collect();
    compiled.sort_unstable();
    let run = left_out.values().filter(|around| around.run_by.is_some()).count();
    let (all, done) = (left_out.len(), compiled.len());
    println!("document: {kept} blocks, {done} of {all} rust blocks compiled, {run} of {RUN} run");
    assert_eq!((kept, all, run), (46, 24, RUN));
    assert_eq!(compiled, left_out.keys().collect::<Vec<_>>());
}

#[test]
fn a_block_that_runs_names_the_test_that_runs_it() {
    for (line, around) in left_out() {
        let Some(test) = &around.run_by else { continue };
        let (file, function) = test.split_once("::").expect("`run_by` is FILE::FUNCTION");
        let path = folder().join(file).with_extension("rs");
        let text = fs::read_to_string(&path).unwrap();
        let names = text.contains(&format!("fn {function}()")) && text.contains(line.as_str());
        assert!(names, "{} has no test {function} that names block {line}", path.display());
    }
}
