//! JSON of others becomes text, a type that names every field, or a tree without
//! private keys; never a `Value` by serde_json's own reader.

use std::io;

use super::{Source, code, is_word, names, none, sources};

const INSTEAD: &str = "serde_json gives some keys of a `Value` a private meaning, and nothing \
                       bounds what it takes: use `JsonText`, `json::Tree` or `json::tree`";
/// What reads text.
const READERS: [&str; 4] = ["from_str", "from_slice", "from_reader", "Deserializer"];
/// Types that hold whatever comes.
const ANYTHING: [&str; 3] = ["Value", "Map", "Table"];
/// Files that know `Value` and read JSON, of which each says why it may.
const MAY: [(&str, &str); 2] = [
    ("host/core/src/json/tree.rs", "it is the reader that knows no private keys"),
    ("host/core/src/json/mod.rs", "`read` takes the caller's type, which the rules below hold"),
];

#[test]
fn foreign_json_becomes_no_value() -> io::Result<()> {
    let ours: Vec<Source> =
        sources()?.into_iter().filter(|source| source.is_in(&["host/"])).collect();
    let mut complaints: Vec<String> = ours.iter().flat_map(wrong).collect();
    for (path, _) in MAY {
        let is_needed = ours.iter().any(|source| source.path == path && reads_values(source));
        if !is_needed {
            complaints.push(format!("{path}: it is an exception for nothing: remove it from MAY"));
        }
    }
    none(&complaints);
    Ok(())
}

fn wrong(source: &Source) -> Vec<String> {
    let outside = outside_of_tests(source);
    let is_excused = MAY.iter().any(|(path, _)| source.path == *path);
    let file = (!is_excused && reads_values(source)).then(|| "a file that knows both".to_owned());
    let arguments = outside.lines().filter(|line| is_asked_for(line)).map(str::trim);
    let found = file.into_iter().chain(arguments.map(str::to_owned)).chain(fields(&outside));
    found.map(|what| format!("{}: {what}: {INSTEAD}", source.path)).collect()
}

fn outside_of_tests(source: &Source) -> String {
    let lines = source.first_line_of_tests().map_or(usize::MAX, |first| first - 1);
    source.text.lines().take(lines).fold(String::new(), |text, line| text + line + "\n")
}

/// Whether it knows `Value` and reads JSON: of what is inferred, no text tells.
fn reads_values(source: &Source) -> bool {
    let names = names(&code(&outside_of_tests(source)));
    let mentions = |wanted: &str| names.iter().any(|name| name.mentions(wanted));
    mentions("serde_json::Value")
        && READERS.iter().any(|reader| mentions(&format!("serde_json::{reader}")))
}

/// Whether something is called, or taken by a handler, with a `Value` for its type.
fn is_asked_for(line: &str) -> bool {
    let line = code(line);
    let is_value = |of: &str| {
        let of = of.split_once('>').map_or(of, |(of, _)| of);
        of.split(|c| !is_word(c)).any(|word| word == "Value")
    };
    let makes = |before: &str| ["collect", "Map", "sum"].iter().any(|end| before.ends_with(end));
    let is_called = |(at, _)| {
        let (before, of): (&str, &str) =
            (line.get(..at).unwrap_or(""), line.get(at..).unwrap_or(""));
        !makes(before) && is_value(of)
    };
    line.match_indices("::<").any(is_called)
        || line.match_indices("Json<").any(|(at, _)| is_value(line.get(at..).unwrap_or("")))
        || line.contains("Value::deserialize(")
}

/// Fields that hold whatever comes, in types that are read.
fn fields(text: &str) -> Vec<String> {
    let text = code(text);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("derive(") {
        let derived = text.get(at..).unwrap_or("");
        let (traits, item) = derived.split_once(')').unwrap_or((derived, ""));
        if !traits.split(|c| !is_word(c)).any(|word| word == "Deserialize") {
            continue;
        }
        let mut is_read_otherwise = false;
        for line in of_the_item(item).lines().map(str::trim) {
            if line.starts_with("#[") {
                is_read_otherwise |= line.contains("deserialize_with") || line.contains("skip");
                continue;
            }
            if !is_read_otherwise && line.split(|c| !is_word(c)).any(|w| ANYTHING.contains(&w)) {
                found.push(line.to_owned());
            }
            is_read_otherwise = false;
        }
    }
    found
}

/// The item that an attribute stands before, to its last brace or its semicolon.
fn of_the_item(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return text.get(..at).unwrap_or(text),
            '}' => depth -= 1,
            ';' if depth == 0 => return text.get(..at).unwrap_or(text),
            _ => {}
        }
    }
    text
}

#[test]
fn each_way_to_a_value_is_found() {
    let wrong = |text: &str| {
        let source =
            Source { path: "host/cli/src/x.rs".into(), text: text.into(), names: Vec::new() };
        !wrong(&source).is_empty()
    };
    for bad in [
        "use serde_json::Value;\nlet x: Value = serde_json::from_str(text)?;",
        "use serde_json::{Value, from_slice};\nfn f(b: &[u8]) -> Option<Value> { from_slice(b).ok() }",
        "let x = serde_json::from_slice::<serde_json::Value>(text)?;",
        "client.ask::<Value>(path)",
        "text.read::<Vec<Value>>()",
        "async fn post(Json(body): Json<Value>) {}",
        "#[derive(\n    Clone, Deserialize,\n)]\nstruct A {\n    a: u8,\n    #[serde(default)]\n    b: Option<Value>,\n}",
        "#[derive(Deserialize)]\nstruct A(serde_json::Map<String, Value>);",
        "#[derive(serde::Deserialize)]\nenum A {\n    B(Vec<Value>),\n}",
    ] {
        assert!(wrong(bad), "{bad}");
    }
    for good in [
        "use serde_json::Value;\nlet x: Value = json::tree(text)?;",
        "let all = lines.collect::<Vec<Value>>();",
        "#[derive(Serialize)]\nstruct A {\n    a: Value,\n}",
        "#[derive(Deserialize)]\nstruct A {\n    #[serde(deserialize_with = \"f\")]\n    a: Value,\n    b: KeyValue,\n}",
        "#[derive(Deserialize)]\nstruct A;\nstruct B(Value);",
        "fn f() {}\n#[cfg(test)]\nmod tests { let x = from_str::<Value>(text); }",
    ] {
        assert!(!wrong(good), "{good}");
    }
}
