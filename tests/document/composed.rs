//! A block is changed nowhere but where the document itself says that something is missing.

use super::compose::{Added, Around, InPlaceOf, Kind, Side, compose, host_modules, left_out};
use super::{left_out as kept_left_out, rust_blocks};

/// A block with a comment that stands for code.
const BLOCK: &str = "let a = A {\n    b: 1, // one\n    // ... the rest\n};\n";

fn around() -> Around {
    Around {
        side: Side::Host,
        kind: Kind::Statements,
        reason: "Nothing is left out.".into(),
        run_by: None,
        imports: String::new(),
        before: String::new(),
        after: String::new(),
        in_place_of: Vec::new(),
        added: Vec::new(),
    }
}

fn in_place_of(line: &str) -> Around {
    let with = "    ..A::default()\n".to_owned();
    Around { in_place_of: vec![InPlaceOf { line: line.into(), with }], ..around() }
}

fn added(below: &str) -> Around {
    let code = "    c: 2,\n    d: 3,\n".to_owned();
    Around { added: vec![Added { below: below.into(), code }], ..around() }
}

#[test]
fn every_block_keeps_each_of_its_lines_but_comments_that_stand_for_code() {
    let left_out = kept_left_out();
    for (line, block) in rust_blocks() {
        let around = &left_out[&line];
        let composed = compose(&block, around).unwrap_or_else(|wrong| panic!("{line}: {wrong}"));
        let mut rest = composed.lines();
        for wanted in block.lines() {
            let stands = |comment: &InPlaceOf| comment.line == wanted.trim();
            let is_replaced = around.in_place_of.iter().any(stands);
            assert!(is_replaced || rest.any(|line| line == wanted), "{line} lost `{wanted}`");
        }
        let opened = |sign| composed.matches(sign).count();
        assert_eq!(opened('{'), opened('}'), "{line}:\n{composed}");
    }
}

#[test]
fn nothing_left_out_is_the_block_itself() {
    assert_eq!(compose(BLOCK, &around()).unwrap(), BLOCK);
}

#[test]
fn imports_stand_first_and_a_function_goes_round_the_block() {
    let around = Around {
        imports: "use x::*;".into(),
        before: "fn run() -> A {\n".into(),
        after: "    a\n}\n".into(),
        ..around()
    };
    let composed = format!("use x::*;\nfn run() -> A {{\n{BLOCK}    a\n}}\n");
    assert_eq!(compose(BLOCK, &around).unwrap(), composed);
}

#[test]
fn code_goes_in_the_place_of_a_comment_and_below_a_line() {
    let replaced = compose(BLOCK, &in_place_of("// ... the rest")).unwrap();
    assert_eq!(replaced, "let a = A {\n    b: 1, // one\n    ..A::default()\n};\n");
    let longer = compose(BLOCK, &added("b: 1, // one")).unwrap();
    assert_eq!(
        longer,
        "let a = A {\n    b: 1, // one\n    c: 2,\n    d: 3,\n    // ... the rest\n};\n"
    );
}

#[test]
fn a_line_that_is_no_comment_or_not_there_once_is_refused() {
    for (around, words) in [
        (in_place_of("b: 1, // one"), "`b: 1, // one` is no comment"),
        (in_place_of("};"), "`};` is no comment"),
        (in_place_of("// ... another"), "`// ... another` is not in the block"),
        (in_place_of("// ... the"), "is not in the block"),
        (added("c: 2,"), "`c: 2,` is not in the block"),
        (added(""), "`` is not in the block"),
    ] {
        let refused = compose(BLOCK, &around).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    let twice = format!("{BLOCK}{BLOCK}");
    let refused = compose(&twice, &in_place_of("// ... the rest")).unwrap_err();
    assert!(refused.contains("more than once"), "{refused}");
}

#[test]
fn a_key_that_is_not_known_is_refused() {
    let text = "[0001]\nside = \"host\"\nkind = \"items\"\nreason = \"\"\n";
    assert!(left_out(text).is_ok());
    let refused = left_out(&format!("{text}replace = \"all\"\n")).unwrap_err();
    assert!(refused.contains("replace"), "{refused}");
}

#[test]
fn modules_are_made_of_the_hosts_side() {
    let all = [
        ("0001", around()),
        ("0003", Around { side: Side::Guest, ..around() }),
        ("0004", in_place_of("// ... the rest")),
    ];
    let blocks = all.iter().map(|(line, _)| ((*line).to_owned(), BLOCK.to_owned())).collect();
    let mut left_out = all.into_iter().map(|(line, around)| (line.to_owned(), around)).collect();
    let modules = host_modules(&blocks, &left_out).unwrap();
    let names: Vec<&str> = modules.lines().filter(|line| line.contains("mod ")).collect();
    assert_eq!(names, ["pub(super) mod b0001 {", "pub(super) mod b0004 {"]);
    assert!(modules.ends_with("COMPILED: &[&str] = &[\"0001\", \"0004\"];\n"), "{modules}");
    left_out.insert("0005".into(), around());
    let refused = host_modules(&blocks, &left_out).unwrap_err();
    assert!(refused.contains("0005"), "{refused}");
    left_out.insert("0001".into(), in_place_of("};"));
    let refused = host_modules(&blocks, &left_out).unwrap_err();
    assert!(refused.starts_with("block 0001: `};` is no comment"), "{refused}");
}
