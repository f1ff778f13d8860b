//! The map of the code, held by an ordinary test.
//!
//! Only what no tool checks is here: which file may name what, what a file
//! looks like, which fixtures are in use. Lints are clippy's; crates, licences
//! and advisories are cargo-deny's. Folders are walked rather than asked of
//! git, since a source archive has no git. Every complaint names a file and
//! says what to do.

mod api;
mod arrows;
mod json;
mod words;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where Rust of ours lives.
const CODE: [&str; 6] = ["host/", "guest-sdk/", "agents/", "examples/", "tests/", "benches/"];
/// Programs for the sandbox that the tests run. Misbehaving is their purpose.
const FIXTURES: &str = "tests/guests/";
/// This file spells out what it looks for.
const THIS: &str = "tests/tidy/mod.rs";
/// Past this a file is normally two ideas.
const MOST_LINES: usize = 600;
/// Folders that builds leave beside the sources.
const MADE: [&str; 3] = ["target", "build", "node_modules"];
/// A crate that has the name of one.
const CRATE: &str = "host/build";

#[test]
fn core_decides_and_touches_nothing() -> io::Result<()> {
    check(&[Rule::instead(
        "core does no I/O, reads no clock and no environment: let the caller hand it in",
    )
    .inside(&["host/core/"])
    .never(&["std::fs", "std::net", "std::process", "std::env", "tokio::"])
    .never(&["SystemTime::now", "Instant::now"])])
}

/// Which crate may depend on which is the compiler's and cargo-deny's to check.
#[test]
fn each_library_has_one_user_inside_its_crate() -> io::Result<()> {
    check(&[
        Rule::instead(
            "metrics belong to host/fabric/src/telemetry/metrics: count through the collector",
        )
        .except(&["host/fabric/src/telemetry/metrics/"])
        .never(&["prometheus::", "sysinfo::"]),
        Rule::instead("traces belong to host/fabric/src/telemetry/traces: begin spans through it")
            // The test that stands in for a collector reads what one is sent.
            .except(&["host/fabric/src/telemetry/traces/", "tests/http/traces.rs"])
            .never(&["opentelemetry::", "opentelemetry_sdk::", "opentelemetry_otlp::"]),
    ])
}

#[test]
fn the_environment_is_read_in_one_place() -> io::Result<()> {
    check(&[Rule::instead("host/settings/src/lib.rs alone reads the environment: take a setting")
        .inside(&["host/", "guest-sdk/"])
        // Cargo names the folders of a build script by variables alone.
        .except(&["host/settings/src/lib.rs", "host/build/src/script.rs"])
        .never(&["env::var", "env::vars", "env::var_os", "env::vars_os"])
        .never(&["env::set_var", "env::remove_var"])])
}

#[test]
fn no_unsafe_code_by_hand() -> io::Result<()> {
    check(&[Rule::instead("only generated code may be unsafe: use a crate made for this")
        .except(&["guest-sdk/src/contract.rs"])
        .never(&["unsafe"])])
}

/// A test that sleeps is slow when it passes and wrong when the machine is busy.
#[test]
fn tests_wait_for_something_rather_than_for_a_while() -> io::Result<()> {
    let rule = Rule::instead(
        "wait for a named signal or pause the clock; where neither can be, end the line with \
         `// tidy: ` and the reason",
    )
    .except(&[FIXTURES])
    .never(&["thread::sleep", "time::sleep", "time::sleep_until"]);

    let mut complaints = Vec::new();
    for source in sources()? {
        let tests = source.first_line_of_tests();
        let in_tests = |name: &&Name| tests.is_some_and(|first| name.line >= first);
        let excused = |name: &&Name| source.line(name.line).contains("// tidy: ");
        let sleeps = rule.broken_by(&source).filter(in_tests).filter(|name| !excused(name));
        complaints.extend(sleeps.map(|name| rule.complaint(&source, name)));
    }
    none(&complaints);
    Ok(())
}

#[test]
fn every_file_says_what_it_is_for() -> io::Result<()> {
    let silent = sources()?.into_iter().filter(|source| !source.text.starts_with("//! "));
    let complaint = |source: Source| format!("{}: begin with `//!` and a sentence", source.path);
    none(&silent.map(complaint).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn no_file_is_two_ideas() -> io::Result<()> {
    let long = sources()?.into_iter().filter(|source| source.text.lines().count() > MOST_LINES);
    let complaint = |source: Source| format!("{}: over {MOST_LINES} lines: split it", source.path);
    none(&long.map(complaint).collect::<Vec<_>>());
    Ok(())
}

/// An operator's tools read the fields: `Some(sha256:…)` is the form of a Rust type.
#[test]
fn logs_have_no_debug_text() -> io::Result<()> {
    let ours = sources()?.into_iter().filter(|source| source.is_in(&["host/"]));
    let mut complaints = Vec::new();
    for source in ours {
        let mut is_line = false;
        for (index, line) in code(&source.text).lines().enumerate() {
            is_line |= line.contains("tracing::") && line.contains("!(");
            if is_line && ["(?", " ?", "=?"].iter().any(|form| line.contains(form)) {
                complaints.push(format!(
                    "{}:{}: a field by `Debug`: write `%`, or `field::display` in an `Option`",
                    source.path,
                    index + 1
                ));
            }
            is_line &= !line.contains(");");
        }
    }
    none(&complaints);
    Ok(())
}

#[test]
fn nothing_is_left_for_later() -> io::Result<()> {
    let marks = ["TODO", "FIXME", "XXX"];
    none(&lines_where("do it now, or open an issue that says what is missing", |line| {
        line.split(|c| !is_word(c)).any(|word| marks.contains(&word))
    })?);
    Ok(())
}

#[test]
fn nothing_holds_on_one_machine_only() -> io::Result<()> {
    let folders = ["/work/", "/root/", "/home/"];
    none(&lines_where("name it from the repository's root, or make a temporary folder", |line| {
        folders.iter().any(|folder| begins_a_path(line, folder))
    })?);
    Ok(())
}

#[test]
fn every_fixture_is_tested() -> io::Result<()> {
    let sources = sources()?;
    let tests = sources
        .iter()
        .filter(|source| source.is_in(&["tests/"]) && !source.is_in(&[FIXTURES, THIS]));
    let tests = tests.map(|source| source.text.as_str()).collect::<String>();
    let mut complaints = Vec::new();
    for entry in fs::read_dir(root().join(FIXTURES))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let built = [format!("guest(\"{name}\")"), format!("guest_path(\"{name}\")")];
        if !built.iter().any(|call| tests.contains(call)) {
            let [bytes, path] = built;
            complaints.push(format!(
                "{FIXTURES}{name}: no test has `{bytes}` or `{path}`: test it or remove it"
            ));
        }
    }
    none(&complaints);
    Ok(())
}

/// Of two types of one name the document would describe one, wherever the other is meant.
#[test]
fn every_schema_has_a_name_of_its_own() -> io::Result<()> {
    let mut complaints = Vec::new();
    let mut named = HashMap::new();
    for source in sources()? {
        for (name, line) in schemas(&source.text) {
            let place = format!("{}:{line}", source.path);
            if let Some(other) = named.insert(name, place.clone()) {
                complaints.push(format!(
                    "{place}: {other} has a schema of this name: add `#[schema(as = …)]`"
                ));
            }
        }
    }
    none(&complaints);
    assert!(named.len() > 50, "they are found: {named:?}");
    Ok(())
}

/// The schemas that a file derives, each with its line.
fn schemas(text: &str) -> Vec<(String, usize)> {
    let word = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let (mut found, mut is_schema, mut renamed) = (Vec::new(), false, None);
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let declared = line.trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
        let declared = declared.trim_start_matches("pub ");
        let name = ["struct ", "enum "].iter().find_map(|kind| declared.strip_prefix(kind));
        if line.contains("derive(") && line.contains("ToSchema)") {
            is_schema = true;
        } else if let Some((_, name)) = line.split_once("schema(as = ") {
            renamed = Some(word(name));
        } else if let Some(name) = name {
            let name = renamed.take().unwrap_or_else(|| word(name));
            found.extend(std::mem::take(&mut is_schema).then_some((name, index + 1)));
        }
    }
    found
}

#[test]
fn every_crate_takes_the_workspaces_lints() -> io::Result<()> {
    let manifests = files()?.into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let lax = manifests.filter(|file| !file.text.contains("\n[lints]\nworkspace = true\n"));
    let complaint = |file: Source| format!("{}: add `workspace = true` under `[lints]`", file.path);
    none(&lax.map(complaint).collect::<Vec<_>>());
    Ok(())
}

// === Rules

/// Which names may not stand in which files, and what to do instead.
struct Rule {
    instead: &'static str,
    inside: Vec<&'static str>,
    except: Vec<&'static str>,
    never: Vec<&'static str>,
}

impl Rule {
    /// A rule for all code of ours, until it is narrowed.
    fn instead(instead: &'static str) -> Self {
        Self { instead, inside: CODE.to_vec(), except: Vec::new(), never: Vec::new() }
    }

    fn inside(mut self, places: &[&'static str]) -> Self {
        self.inside = places.to_vec();
        self
    }

    fn except(mut self, places: &[&'static str]) -> Self {
        self.except = places.to_vec();
        self
    }

    /// `crate_name::` forbids the crate, `a::b` those words in a row.
    fn never(mut self, names: &[&'static str]) -> Self {
        self.never.extend(names);
        self
    }

    fn broken_by<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = &'a Name> {
        let applies = source.is_in(&self.inside) && !source.is_in(&self.except);
        let names = source.names.iter().filter(move |_| applies);
        names.filter(|name| self.never.iter().any(|never| name.mentions(never)))
    }

    fn complaint(&self, source: &Source, name: &Name) -> String {
        format!("{}:{}: `{}`: {}", source.path, name.line, name.path, self.instead)
    }
}

fn check(rules: &[Rule]) -> io::Result<()> {
    let mut complaints = Vec::new();
    for source in sources()? {
        for rule in rules {
            complaints.extend(rule.broken_by(&source).map(|name| rule.complaint(&source, name)));
        }
    }
    none(&complaints);
    Ok(())
}

/// Complaints about the lines of any file, Rust or not, of which `wrong` is true.
fn lines_where(instead: &str, wrong: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files()?.iter().filter(|file| file.path != THIS) {
        for (index, line) in file.text.lines().enumerate().filter(|(_, line)| wrong(line)) {
            complaints.push(format!("{}:{}: {}: {instead}", file.path, index + 1, line.trim()));
        }
    }
    Ok(complaints)
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn begins_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| is_word(c) || "./-}~*".contains(c))
    })
}

// === Files

/// A file, by its path from the repository's root.
struct Source {
    path: String,
    text: String,
    /// Empty unless it is Rust.
    names: Vec<Name>,
}

impl Source {
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number - 1).unwrap_or_default()
    }

    /// Tests stand at the end of a file, in one of their own, or in a folder of theirs.
    fn first_line_of_tests(&self) -> Option<usize> {
        let all = format!("/{}", self.path);
        if all.contains("/tests/") || all.ends_with("/tests.rs") {
            return Some(1);
        }
        let before = self.text.lines().position(|line| line == "#[cfg(test)]");
        before.map(|lines| lines + 1)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files of ours.
fn sources() -> io::Result<Vec<Source>> {
    let rust = |file: &Source| file.is_in(&CODE) && file.path.ends_with(".rs");
    Ok(files()?.into_iter().filter(rust).collect())
}

/// The text files of the repository.
fn files() -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    walk(&root(), "", &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, path: &str, files: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A folder, or in a worktree a file that says where the folder is.
        if name == ".git" {
            continue;
        }
        let (path, kind) = (format!("{path}{name}"), entry.file_type()?);
        if kind.is_symlink() {
            // What it names is read where it is.
            continue;
        }
        if kind.is_dir() {
            let hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
            let made = MADE.contains(&name.as_str()) && path != CRATE;
            if !made && !hidden {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
            let names = if path.ends_with(".rs") { names(&code(&text)) } else { Vec::new() };
            files.push(Source { path, text, names });
        }
    }
    Ok(())
}

// === Rust, as far as it must be understood

/// A name in the code, with its path as far as the file spells it out.
#[derive(Debug, PartialEq)]
struct Name {
    path: String,
    line: usize,
}

impl Name {
    fn mentions(&self, words: &str) -> bool {
        if words.ends_with("::") {
            return self.path.starts_with(words);
        }
        format!("::{}::", self.path).contains(&format!("::{words}::"))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every name in `code`; `use a::{b, c::d}` gives `a::b` and `a::c::d`.
fn names(code: &str) -> Vec<Name> {
    let mut found = Vec::new();
    let mut line = 1;
    // Outside a `use` there is no `::{`, so that braces count only inside one.
    let mut within: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let tail = rest.trim_start_matches(|c| is_word(c) || c == ':');
        let length = rest.len() - tail.len();
        let (token, after) = rest.split_at(length.max(first.len_utf8()));
        rest = after;
        if length > 0 {
            let outer = within.last().map_or("", String::as_str);
            let path = format!("{outer}{}", token.trim_start_matches(':'));
            if token.ends_with("::") && rest.starts_with('{') {
                within.push(path);
            } else {
                found.push(Name { path: path.trim_end_matches(':').to_owned(), line });
            }
        } else if first == '}' {
            within.pop();
        } else if first == '\n' {
            line += 1;
        }
    }
    found
}

/// `text` without its comments and what its literals hold; lines stay lines.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.len() - rest.trim_start_matches(is_word).len();
        let (token, after) = rest.split_at(word.max(first.len_utf8()));
        let dropped = match token {
            "/" => comment(after),
            "\"" => string(after),
            "'" => character(after),
            "r" | "br" | "cr" => raw_string(after),
            _ => 0,
        };
        let (dropped, after) = after.split_at(dropped);
        code.push_str(if dropped.is_empty() { token } else { " " });
        code.extend(dropped.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    code
}

/// Bytes up to and with the first `end`, or all of them.
fn through(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

// What follows the token that may begin it, in bytes; 0: it begins something else.

fn comment(after: &str) -> usize {
    match after.chars().next() {
        Some('/') => after.find('\n').unwrap_or(after.len()),
        Some('*') => through(after, "*/"),
        _ => 0,
    }
}

fn string(after: &str) -> usize {
    let mut escaped = false;
    let end = after.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(after.len(), |at| at + 1)
}

/// A quote begins a lifetime unless another one follows a character later.
fn character(after: &str) -> usize {
    if let Some(escaped) = after.strip_prefix('\\') {
        let sign = escaped.chars().next().map_or(0, char::len_utf8);
        return 1 + sign + through(escaped.get(sign..).unwrap_or_default(), "'");
    }
    let sign = after.chars().next().map_or(0, char::len_utf8);
    if after.get(sign..).is_some_and(|tail| tail.starts_with('\'')) { sign + 1 } else { 0 }
}

fn raw_string(after: &str) -> usize {
    let tail = after.trim_start_matches('#');
    let hashes = after.len() - tail.len();
    let Some(text) = tail.strip_prefix('"') else { return 0 };
    hashes + 1 + through(text, &format!("\"{}", "#".repeat(hashes)))
}

#[test]
fn code_is_separated_from_comments_and_literals() {
    let kept = |text: &str| code(text).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(kept("a // b\nc /* d */ e"), "a c e");
    assert_eq!(kept(r#"f("b \" c", 'd', '\'', '\u{41}', &'e g)"#), "f( , , , , &'e g)");
    assert_eq!(kept("f(r#\"b \" c\"#, br\"d\", r#type)"), "f( , , r#type)");
    assert_eq!(code("\"a\n\" b").lines().count(), 2);
}

#[test]
fn a_use_tree_gives_every_name_in_full() {
    let paths = |code: &str| names(code).into_iter().map(|name| name.path).collect::<Vec<_>>();
    assert_eq!(paths("use a::{b, c::{d, e}, f};"), ["use", "a::b", "a::c::d", "a::c::e", "a::f"]);
    assert_eq!(paths("fn f(x: &::a::B) { c::<D>() }"), ["fn", "f", "x", "a::B", "c", "D"]);
    let name = Name { path: "std::fs::read".into(), line: 1 };
    assert!(name.mentions("std::") && name.mentions("std::fs") && name.mentions("fs::read"));
    assert!(!name.mentions("fs::") && !name.mentions("d::fs") && !name.mentions("std::f"));
}

/// A walk that found nothing would hold every rule.
#[test]
fn the_files_are_found() -> io::Result<()> {
    assert!(sources()?.iter().any(|source| source.path == THIS));
    assert!(files()?.iter().any(|file| file.path == "Cargo.toml"));
    Ok(())
}
