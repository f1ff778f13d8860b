//! The programs of the document from which the specification was made. `blocks/` keeps
//! each block byte for byte, named by the line at which it begins there; `left_out.toml`
//! says what the document leaves out around it.
//!
//! A block that the library cannot compile yet has `compile = false` there. The tests
//! count those: the numbers below only ever become smaller.

mod compose;
mod composed;
mod guests;
mod host;
mod kept;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use self::compose::{Around, Kind, LeftOut, Side};
use crate::harness::root;

/// Blocks in Rust that do not compile yet.
const NOT_COMPILED: usize = 20;
/// Blocks in Rust that no test runs yet, of those that have something to do.
const NOT_RUN: usize = 10;

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

/// What was done is taken off the list, so that it cannot be undone unseen.
#[test]
fn what_does_not_compile_or_run_yet_is_counted() {
    let (kept, left_out) = (blocks().len(), left_out());
    let count = |what: fn(&Around) -> bool| left_out.values().filter(|around| what(around)).count();
    let (all, compiled) = (left_out.len(), count(|around| around.compile));
    let (runs, run) = (count(|around| around.runs), count(|around| around.run_by.is_some()));
    println!(
        "document: {kept} blocks, {compiled} of {all} rust blocks compiled, {run} of {runs} run"
    );
    assert_eq!((kept, all, runs), (46, 24, 13));
    assert_eq!(all - compiled, NOT_COMPILED, "set NOT_COMPILED to the first number");
    assert_eq!(runs - run, NOT_RUN, "set NOT_RUN to the first number");
    let guests = count(|around| around.side == Side::Guest);
    assert_eq!(guests, 4, "two agents, and one in two blocks");
}

#[test]
fn a_block_that_runs_names_the_test_that_runs_it() {
    for (line, around) in left_out() {
        let Some(test) = &around.run_by else { continue };
        assert!(around.compile && around.runs, "block {line} cannot run: {test}");
        let (file, function) = test.split_once("::").expect("`run_by` is FILE::FUNCTION");
        let path = folder().join(file).with_extension("rs");
        let text = fs::read_to_string(&path).unwrap();
        let names = text.contains(&format!("fn {function}()")) && text.contains(line.as_str());
        assert!(names, "{} has no test {function} that names block {line}", path.display());
    }
}
