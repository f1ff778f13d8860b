//! Which crate of the host depends on which: ARCHITECTURE.md draws it, cargo holds it,
//! and `cargo test --workspace --test system -- arrows --nocapture` prints it, with the
//! arrows between the parts of the fabric and of the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use super::{Source, sources};
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
    let (package, rest) = text.split_once("[dependencies]").unwrap();
    let name = package.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
    let own = rest.split("\n[").next().unwrap().lines();
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
/// it, each with those that it imports. Code of tests counts as little as the root, which
/// names what is in it.
fn parts(folder: &str, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
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
fn arrows_between_the_parts_of_the_fabric_make_no_circle() -> io::Result<()> {
    let parts = parts("host/fabric/src/", &sources()?);
    assert!(parts.len() > 5, "{parts:?}");
    print("fabric", &parts);
    for (part, imports) in &parts {
        let unknown: Vec<_> = imports.iter().filter(|to| !parts.contains_key(*to)).collect();
        assert!(unknown.is_empty(), "fabric/{part} imports {unknown:?} by the root: name its part");
    }
    let circles = circles(parts);
    assert!(circles.is_empty(), "these import each other, or what does: {circles:?}");
    Ok(())
}

/// The files of the runtime are in layers, and so are those of each layer.
#[test]
fn arrows_inside_each_folder_of_the_runtime_make_no_circle() -> io::Result<()> {
    let (all, src) = (sources()?, "host/runtime/src/");
    let inside = all.iter().filter_map(|source| source.path.strip_prefix(src)?.rsplit_once('/'));
    let folders: BTreeSet<_> = inside.map(|(folder, _)| format!("{folder}/")).collect();
    assert!(folders.contains("sandbox/capabilities/http/"), "{folders:?}");
    for folder in [String::new()].into_iter().chain(folders) {
        let parts = parts(&format!("{src}{folder}"), &all);
        print(format!("runtime/{folder}").trim_end_matches('/'), &parts);
        assert_eq!(circles(parts), [""; 0], "in host/runtime/src/{folder}");
    }
    Ok(())
}

/// Crates whose parts still import by the crate's root, where a circle is not seen.
const BY_THE_ROOT: [&str; 3] = ["core", "folders", "server"];

#[test]
fn arrows_between_the_parts_of_the_other_crates_make_no_circle() -> io::Result<()> {
    let all = sources()?;
    let crates = arrows().into_keys().filter(|name| !name.starts_with("chimera"));
    for name in crates.chain(["cli".to_owned()]) {
        let parts = parts(&format!("host/{name}/src/"), &all);
        let imports = parts.values().flatten();
        let unknown: BTreeSet<_> = imports.filter(|to| !parts.contains_key(*to)).collect();
        let known = BY_THE_ROOT.contains(&name.as_str());
        assert_eq!(!unknown.is_empty(), known, "{name} imports {unknown:?} by the root");
        assert_eq!(circles(parts), [""; 0], "in {name}");
    }
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
        source("lib.rs", "pub use self::a::A;"),
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
}
