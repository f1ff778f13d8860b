//! Which crate of the host depends on which: ARCHITECTURE.md draws it, cargo holds it,
//! and `cargo test --workspace --test system -- arrows --nocapture` prints it, with the
//! arrows between the parts of each folder.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use super::{Source, is_word, sources};
use crate::harness::root;

const PREFIX: &str = "chimera-layer4-";

/// The crates of the host, each with those that it depends on, by their folders' names.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let host = root().join("host");
    let folders = fs::read_dir(&host).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.map(|folder| folder.join("Cargo.toml")).filter(|path| path.is_file());
    manifests.chain([host.join("Cargo.toml")]).map(|path| arrow(&path)).collect()
}

fn arrow(manifest: &std::path::Path) -> (String, Vec<String>) {
    let text = fs::read_to_string(manifest).unwrap();
    let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
    // Some are for one kind of target.
    let sections = text.split("\n[").filter_map(|section| section.split_once("]\n"));
    let is_own = |name: &str| name == "dependencies" || name.ends_with(".dependencies");
    let own = sections.filter(|(name, _)| is_own(name)).flat_map(|(_, lines)| lines.lines());
    let own = own.filter_map(|line| line.strip_prefix(PREFIX));
    let own = own.map(|line| line.split(['.', ' ']).next().unwrap().to_owned());
    (name.trim_matches('"').trim_start_matches(PREFIX).to_owned(), own.collect())
}

#[test]
fn the_arrows_are_drawn_as_they_are() {
    let drawn = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut missing = Vec::new();
    for (name, below) in arrows() {
        let line = format!("{name:<14} ─▶ {}", below.join(" "));
        let line = line.trim_end_matches(" ─▶ ").trim_end();
        println!("{line}");
        if !drawn.lines().any(|drawn| drawn.trim_end() == line) {
            missing.push(line.to_owned());
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md lacks these lines:\n{}", missing.join("\n"));
}

/// The parts of a crate, which are the files and folders of its `src` or of a folder in
/// it, each with the names that it takes from there. Code of tests counts as little as the
/// root, which names what is in it.
fn named(folder: &str, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let (_, inside) = folder.split_once("src/").unwrap();
    let root = format!("crate::{}", inside.replace('/', "::"));
    let mut parts = BTreeMap::<_, BTreeSet<_>>::new();
    for source in sources {
        let path = source.path.strip_prefix(folder);
        let Some(path) = path.filter(|path| !["lib.rs", "mod.rs"].contains(path)) else {
            continue;
        };
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let part = module.split('/').next().unwrap_or_default();
        let imports = parts.entry(part.to_owned()).or_default();
        let tests = source.first_line_of_tests().unwrap_or(usize::MAX);
        // So many `super` lead to the root.
        let up = "super::".repeat(module.split('/').count());
        let names = source.names.iter().filter(|name| name.line < tests);
        let roots = names.filter_map(|name| {
            let path = name.path.strip_prefix("self::").unwrap_or(&name.path);
            path.strip_prefix(&root).or_else(|| path.strip_prefix(&up))
        });
        let of_parts = roots.map(|rest| rest.split("::").next().unwrap_or_default().to_owned());
        imports.extend(of_parts.filter(|to| to != part));
    }
    parts
}

/// Where a folder's own file may stand in a circle. The rows of the settings read the fields
/// of `FabricConfig`, whose defaults are constants beside the rows.
const WITH_ITS_PARTS: [&str; 1] = ["host/core/src/config/"];

const KINDS: [&str; 7] = ["struct", "enum", "trait", "fn", "const", "static", "type"];

/// The items that a file defines at its top level.
fn defined(code: &str) -> BTreeSet<&str> {
    let items = code.lines().filter(|line| !line.starts_with(char::is_whitespace));
    let name = |line| {
        let words = str::split(line, |c| !is_word(c)).filter(|word| !word.is_empty());
        words.skip_while(|word| !KINDS.contains(word)).find(|word| !KINDS.contains(word))
    };
    items.filter_map(name).collect()
}

/// Code without what it hands on: to name a part's item for others is not to use it.
fn without_reexports(code: &str) -> String {
    let hands_on = |line: &str| {
        line.starts_with("pub use ") || line.starts_with("pub(") && line.contains(") use ")
    };
    code.split_inclusive(';').filter(|statement| !statement.lines().any(hands_on)).collect()
}

/// As [`named`], where a name that the root took from one of the parts stands for the part.
/// The root is a part too, `mod`, where a folder in it names what the root itself defines:
/// only the files beside a `mod.rs` are parts of what it defines.
fn parts(folder: &str, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts = named(folder, sources);
    let is_root = |path: &str| ["lib.rs", "mod.rs"].contains(&path);
    let root = |source: &&Source| source.path.strip_prefix(folder).is_some_and(is_root);
    let mut owners = BTreeMap::new();
    for name in sources.iter().filter(root).flat_map(|root| &root.names) {
        let path = name.path.strip_prefix("self::").unwrap_or(&name.path);
        let ends = path.split_once("::").zip(path.rsplit_once("::"));
        if let Some(((part, _), (_, taken))) =
            ends.filter(|((part, _), _)| parts.contains_key(*part))
        {
            owners.insert(taken.to_owned(), part.to_owned());
        }
    }
    owners.retain(|name, _| !parts.contains_key(name));
    let own = sources.iter().filter(root).find(|_| !WITH_ITS_PARTS.contains(&folder));
    let code = own.map(|root| {
        let tests = root.first_line_of_tests().unwrap_or(usize::MAX);
        let code = super::code(&root.text);
        code.lines().take(tests - 1).collect::<Vec<_>>().join("\n")
    });
    let code = code.unwrap_or_default();
    let defined = defined(&code);
    let mut is_named = false;
    for (part, imports) in &mut parts {
        let inside = format!("{folder}{part}/");
        let is_folder = sources.iter().any(|source| source.path.starts_with(&inside));
        let owned = imports.iter().map(|name| match owners.get(name) {
            Some(owner) => owner.clone(),
            None if is_folder && defined.contains(name.as_str()) => "mod".to_owned(),
            None => name.clone(),
        });
        *imports = owned.filter(|to| to != part).collect();
        is_named |= imports.contains("mod");
    }
    if is_named {
        let uses = super::names(&without_reexports(&code)).into_iter().filter_map(|name| {
            let path = name.path.strip_prefix("self::").unwrap_or(&name.path);
            let first = path.split("::").next().unwrap_or_default();
            let part = owners.get(first).map_or(first, String::as_str);
            (path != part && parts.contains_key(part)).then(|| part.to_owned())
        });
        let uses = uses.collect();
        parts.insert("mod".to_owned(), uses);
    }
    parts
}

/// What is left when parts that import nothing of what is left are taken away: circles,
/// and what stands upon them.
fn circles(mut parts: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let left: BTreeSet<_> = parts.keys().cloned().collect();
        parts.retain(|_, imports| !imports.is_disjoint(&left));
        if parts.len() == left.len() {
            return left.into_iter().collect();
        }
    }
}

fn print(name: &str, parts: &BTreeMap<String, BTreeSet<String>>) {
    for (part, imports) in parts {
        let imports: Vec<_> = imports.iter().map(String::as_str).collect();
        let line = format!("{name}/{part:<12} ─▶ {}", imports.join(" "));
        println!("{}", line.trim_end_matches(" ─▶ "));
    }
}

#[test]
fn arrows_between_the_parts_of_the_fabric_name_the_parts() -> io::Result<()> {
    let parts = named("host/fabric/src/", &sources()?);
    assert!(parts.len() > 5, "{parts:?}");
    for (part, imports) in &parts {
        let unknown: Vec<_> = imports.iter().filter(|to| !parts.contains_key(*to)).collect();
        assert!(unknown.is_empty(), "fabric/{part} imports {unknown:?} by the root: name its part");
    }
    Ok(())
}

/// The folders of a crate's sources, from its `src` down.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let (src, inside) = path.split_once("src/").unwrap_or_default();
    let src = src.len() + "src/".len();
    let ends = inside.match_indices('/').map(move |(at, _)| src + at + 1);
    [src].into_iter().chain(ends).filter_map(|end| path.get(..end))
}

/// The parts of each folder are in layers.
#[test]
fn arrows_inside_each_folder_of_the_host_make_no_circle() -> io::Result<()> {
    let all = sources()?;
    let host = all.iter().filter(|source| source.path.starts_with("host/"));
    let host = host.filter(|source| source.path.contains("/src/"));
    let folders: BTreeSet<&str> = host.flat_map(|source| folders_of(&source.path)).collect();
    let deep = "host/runtime/src/sandbox/capabilities/http/";
    assert!(folders.contains(deep) && folders.contains("host/src/"), "{folders:?}");
    let mut found = Vec::new();
    for folder in folders {
        let parts = parts(folder, &all);
        let name = folder.trim_start_matches("host/").replacen("src/", "", 1);
        print(name.trim_end_matches('/'), &parts);
        let circles = circles(parts);
        if !circles.is_empty() {
            found.push(format!("{folder}: these import each other, or what does: {circles:?}"));
        }
    }
    super::none(&found);
    Ok(())
}

#[test]
fn arrows_in_a_circle_are_found() {
    let source = |path: &str, text: &str| Source {
        path: format!("src/{path}"),
        text: text.to_owned(),
        names: super::names(&super::code(text)),
    };
    let mut all = vec![
        source("lib.rs", "pub use self::a::A;\nfn f() { b::c() }"),
        source("a/mod.rs", "use super::b::B;"),
        source("a/inner.rs", "use super::super::c::{C, D};\nuse super::A;"),
        source("b.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
        source("c.rs", "use std::fmt;"),
    ];
    let found = parts("src/", &all);
    assert_eq!(found["a"].iter().collect::<Vec<_>>(), ["b", "c"]);
    assert!(found["b"].is_empty() && found["c"].is_empty());
    assert_eq!(circles(found), [""; 0]);
    all.push(source("c/deep.rs", "fn f() { crate::a::g() }"));
    assert_eq!(circles(parts("src/", &all)), ["a", "c"]);
    all.push(source("a/upper.rs", "use super::inner::I;\nuse crate::b::B;"));
    assert_eq!(parts("src/a/", &all)["upper"].iter().collect::<Vec<_>>(), ["inner"]);
    all.push(source("a/inner/deep.rs", "fn f() { crate::a::upper::g() }"));
    assert_eq!(circles(parts("src/a/", &all)), ["inner", "upper"]);
    all.push(source("d.rs", "use super::A;"));
    assert_eq!(named("src/", &all)["d"].iter().collect::<Vec<_>>(), ["A"]);
    assert_eq!(parts("src/", &all)["d"].iter().collect::<Vec<_>>(), ["a"]);
    let root = |text: &str, deep: &str| {
        let all = [source("lib.rs", text), source(deep, "use super::Failed;")];
        circles(parts("src/", &all))
    };
    let uses = "mod deep;\nuse deep::D;\npub(crate) struct Failed;";
    assert_eq!(root(uses, "deep/mod.rs"), ["deep", "mod"]);
    assert_eq!(root(uses, "deep.rs"), [""; 0], "a file beside it is a part of what it defines");
    assert_eq!(root(&uses.replace("use", "pub use"), "deep/mod.rs"), [""; 0]);
    assert_eq!(root(&uses.replace("Failed", "Other"), "deep/mod.rs"), [""; 0]);
    assert_eq!(folders_of("x/src/a/b.rs").collect::<Vec<_>>(), ["x/src/", "x/src/a/"]);
}
