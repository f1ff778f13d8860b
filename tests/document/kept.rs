//! Where the document is beside the repository, as on the machine that runs `.ci/run`,
//! the kept blocks are held against it. A clone that lies alone prints NOT COMPARED.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use super::{KINDS, blocks, folder};
use crate::harness::root;
use crate::settings_page::is_update;

/// From the repository's root.
const DOCUMENT: &str = "../shared/seed.md";
const UPDATE: &str = "UPDATE_DOCS=1 cargo test --workspace --test system -- document::kept";

/// Blocks of other kinds, by line and kind: two drawings, and a list of dependencies.
const NOT_KEPT: [(usize, &str); 3] = [(71, ""), (315, "toml"), (857, "")];

/// With `UPDATE_DOCS` set, the blocks are written; without it, they must be as they would be.
#[test]
fn the_blocks_are_those_of_the_document() {
    let document = match fs::read_to_string(root().join(DOCUMENT)) {
        Ok(document) => document,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("NOT COMPARED: the blocks with the document: there is no {DOCUMENT}");
            return;
        }
        Err(error) => panic!("{DOCUMENT}: {error}"),
    };
    let (mut theirs, mut others) = (BTreeMap::new(), Vec::new());
    for Block { line, kind, text } in blocks_of(&document) {
        match KINDS.iter().find(|(name, _, _)| *name == kind) {
            Some((_, ending, _)) => drop(theirs.insert(format!("{line:04}.{ending}"), text)),
            None => others.push((line, kind)),
        }
    }
    if is_update() {
        for (name, text) in &theirs {
            fs::write(folder().join("blocks").join(name), text).unwrap();
        }
    }
    let ours = blocks();
    let names = |blocks: &BTreeMap<String, String>| blocks.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "run `{UPDATE}`");
    for (name, text) in &theirs {
        assert!(ours[name] == *text, "{name} differs from {DOCUMENT}: run `{UPDATE}`");
    }
    assert_eq!(others, NOT_KEPT, "{DOCUMENT} has other blocks than those that are left alone");
    println!("compared with {DOCUMENT}: {} blocks are the same to the byte", ours.len());
}

#[test]
fn so_many_of_each_kind_are_kept() {
    let blocks = blocks();
    for (kind, ending, count) in KINDS {
        let ending = format!(".{ending}");
        let names = blocks.keys().filter_map(|name| name.strip_suffix(&ending));
        let lines: Vec<&str> = names.collect();
        println!("document: {} {kind} blocks", lines.len());
        assert_eq!(lines.len(), count, "{kind}: {lines:?}");
        let is_line = |name: &&&str| name.len() == 4 && name.bytes().all(|b| b.is_ascii_digit());
        assert_eq!(lines.iter().filter(is_line).count(), count, "{kind}: {lines:?}");
    }
    assert_eq!(blocks.len(), KINDS.iter().map(|(_, _, count)| count).sum::<usize>());
}

/// One block of a page in Markdown.
#[derive(Debug, PartialEq)]
struct Block<'a> {
    /// Where it begins: the line that has its kind.
    line: usize,
    kind: &'a str,
    /// What is between the two lines of backticks.
    text: String,
}

fn blocks_of(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (index, line) in page.split_inclusive('\n').enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                let kind = kind.trim_end();
                open = Some(Block { line: index + 1, kind, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.push_str(line),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "the last block has no end");
    blocks
}

#[test]
fn a_block_is_what_stands_between_two_lines_of_backticks() {
    let blocks = blocks_of("a\n```rust\n  b\n\nc `d`\n```\n```\ne\r\n```\nf\n");
    let block = |line, kind, text: &str| Block { line, kind, text: text.to_owned() };
    assert_eq!(blocks, [block(2, "rust", "  b\n\nc `d`\n"), block(7, "", "e\r\n")]);
}
