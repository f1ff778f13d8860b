//! `docs/src/document.md` has a row for all that the document names. Where the list of it is
//! beside the repository, the rows are held against it; elsewhere that is NOT COMPARED.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use crate::harness::root;

const PAGE: &str = "docs/src/document.md";
/// The list, from the repository's root.
const LIST: &str = "../shared/research/seed-audit.md";
const ROWS: usize = 284;
/// What a row may say, in the order of the page's first sentence.
const WORDS: [&str; 4] = ["works", "renamed", "partly", "absent"];

#[test]
fn each_row_says_what_there_is_or_why_not() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let rows = rows(&page, "line");
    let mut counts = BTreeMap::new();
    for row in &rows {
        let [line, item, word, reason] = row.as_slice() else { panic!("{row:?}: four cells") };
        assert!(!line.is_empty() && !item.is_empty(), "{row:?}");
        assert!(WORDS.contains(&word.as_str()), "{row:?}: allowed are {WORDS:?}");
        assert!(word == "works" || !reason.is_empty(), "{row:?}: say why");
        *counts.entry(word.as_str()).or_insert(0) += 1;
    }
    let [works, renamed, partly, absent] = WORDS.map(|word| counts.get(word).unwrap_or(&0));
    let sentence = format!(
        "Of the {} rows {works} are `works`, {renamed} `renamed`, {partly} `partly` and {absent} `absent`.",
        rows.len()
    );
    println!("document: {sentence}");
    assert_eq!(rows.len(), ROWS);
    assert!(page.contains(&sentence), "{PAGE} is to say: {sentence}");
}

#[test]
fn the_rows_are_those_of_the_list() {
    let list = match fs::read_to_string(root().join(LIST)) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("NOT COMPARED: {PAGE} with the list of rows: there is no {LIST}");
            return;
        }
        Err(error) => panic!("{LIST}: {error}"),
    };
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let lines = |rows: Vec<Vec<String>>| -> Vec<String> {
        let number = |cell: &str| cell.chars().filter(|c| !c.is_alphabetic()).collect::<String>();
        rows.iter().map(|row| number(&row[0]).trim().to_owned()).collect()
    };
    let [ours, theirs] = [rows(&page, "line"), rows(&list, "seed line")].map(lines);
    assert_eq!(ours, theirs, "{PAGE} and {LIST} differ");
    println!("compared with {LIST}: the page has each of its rows");
}

/// The rows of each table whose first column is named so, cell by cell.
fn rows(page: &str, first: &str) -> Vec<Vec<String>> {
    let (head, mut inside, mut rows) = (format!("| {first} |"), false, Vec::new());
    for line in page.lines() {
        let is_row = line.starts_with('|');
        if inside && is_row && !line.starts_with("| ---") {
            rows.push(cells(line));
        }
        inside = is_row && (inside || line.starts_with(&head));
    }
    rows
}

/// A line of a table; `\|` is part of a cell.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\0");
    line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

#[test]
fn a_cell_may_have_a_bar() {
    let page = "| line | b |\n| --- | --- |\n| 1 | `x \\| y` |\n\n| no | b |\n| 2 | z |\n";
    assert_eq!(rows(page, "line"), [["1", "`x | y`"]]);
    assert_eq!(cells("| 3 | a | works | |"), ["3", "a", "works", ""]);
}
