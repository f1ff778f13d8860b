//! Runs every command in the README, the book (`docs/src`) and the texts beside the code,
//! and compares their tables and the files that they name with the code.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use chimera_layer4::fabric::config::SETTINGS;
use serde_json::Value;

use crate::cli::Chimera;
use crate::harness::{guests_target, program, root};
use crate::http::Api;
use crate::port_9090::alone_on_port_9090;
use crate::shell::outside_of_cargo;

const SETTINGS_PAGE: &str = "docs/src/settings.md";

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The README and each page of the book: its path from the repository's root, and its text.
fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("docs/src")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".md"));
    let mut paths: Vec<String> = names.map(|name| format!("docs/src/{name}")).collect();
    paths.push("README.md".to_owned());
    // Commands of one run follow each other, so their order stays the same.
    paths.sort();
    let with_text = |path: String| {
        let text = read(&path);
        (path, text)
    };
    paths.into_iter().map(with_text).collect()
}

/// The texts for those who work on the code, as [`pages`] has its own.
fn others() -> [(String, String); 4] {
    let paths = ["CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md", "agents/README.md"];
    paths.map(|path| (path.to_owned(), read(path)))
}

/// What lies beside the code, as [`pages`] has its own. `host/deploy/README.md` is left out:
/// its commands set up a machine, as root. CI checks the files that they install.
fn beside_the_code() -> [(String, String); 5] {
    let folders =
        ["agents/echo", "agents/data-analyzer", "agents/packer", "agents/text-stats", "guest-sdk"];
    folders.map(|folder| format!("{folder}/README.md")).map(|path| (path.clone(), read(&path)))
}

/// The commands of each `sh` block.
fn blocks() -> Vec<String> {
    let pages = [pages(), others().to_vec(), beside_the_code().to_vec()].concat();
    pages.iter().flat_map(|(_, text)| blocks_of(text)).collect()
}

fn blocks_of(text: &str) -> Vec<String> {
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What a test cannot run: itself, what needs the tools of five languages, and the
/// benchmarks, which would take minutes of a machine that does nothing else.
const NOT_HERE: [(&str, &str); 5] = [
    ("cargo test -p chimera-layer4-core\n", ".ci/run"),
    ("agents/first-result.sh\n", ".ci/run"),
    ("cargo test --workspace\n", ".ci/run"),
    ("cargo bench --bench execution_benchmarks\n", ".ci/run"),
    ("cargo bench --bench scheduler\n", ".ci/run"),
];

/// How blocks begin that run nowhere, each with the reason.
const NOWHERE: [(&str, &str); 3] = [
    ("cargo build --release --target wasm32-wasip2 -p packer\n", "it searches for minutes"),
    ("agents/text-stats/build.sh all ", "CI runs each part, with folders of its own"),
    ("rustup target add wasm32-wasip2\n", "the package is the reader's own"),
];

#[test]
fn every_command_runs() {
    let scratch = tempfile::tempdir().unwrap();
    make_programs(&scratch.path().join("bin"));
    let mut ran = 0;
    for block in blocks() {
        let elsewhere = NOT_HERE.iter().any(|(command, _)| block == *command);
        if elsewhere || NOWHERE.iter().any(|(beginning, _)| block.starts_with(beginning)) {
            continue;
        }
        let output = run(&block, scratch.path());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{text}");
        ran += 1;
    }
    assert!(ran >= 8, "the pages lost their commands: {ran} ran");
}

fn run(block: &str, scratch: &Path) -> std::process::Output {
    let _alone = block.contains("chimera serve").then(alone_on_port_9090);
    // The folder goes before whatever PATH these tests were started with.
    let block = format!("PATH={}:$PATH\n{block}", scratch.join("bin").display());
    outside_of_cargo("bash")
        .args(["-euo", "pipefail", "-c", &block])
        .current_dir(root())
        .env("TMPDIR", scratch)
        .env("XDG_DATA_HOME", scratch.join("share"))
        .env("CARGO_TARGET_DIR", guests_target())
        .output()
        .unwrap()
}

/// `chimera`, and a `cargo` that runs the program as it is instead of building
/// it once more; CI runs the first command to the letter.
fn make_programs(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    symlink(program(), folder.join("chimera")).unwrap();
    let cargo = folder.join("cargo");
    let script = r#"#!/usr/bin/env bash
if [[ "$1 $2" == "run --" ]]; then exec chimera "${@:3}"; fi
PATH=${PATH#*:} exec cargo "$@"
"#;
    std::fs::write(&cargo, script).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_runs_elsewhere_really_does() {
    // The first command builds the program, which `every_command_runs` leaves out.
    let first =
        "cargo run -- run agents/data-analyzer --task @agents/data-analyzer/data/penguins.json\n";
    for (command, file) in NOT_HERE.into_iter().chain([(first, ".ci/run")]) {
        assert!(blocks().iter().any(|block| block == command), "{command} is gone from the pages");
        let text = read(file);
        assert!(text.contains(command.trim()), "{file} does not run {command}");
    }
    for (beginning, _) in NOWHERE {
        let there = blocks().iter().any(|block| block.starts_with(beginning));
        assert!(there, "{beginning} is gone from the pages");
    }
}

/// What a later step of CI installs does not help in a fresh clone of the repository.
#[test]
fn ci_runs_the_two_commands_before_it_prepares_anything() {
    let text = read(".ci/run");
    let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("    step ")).collect();
    let names = steps.iter().map(|line| line.split('"').nth(1).unwrap()).take(3);
    let first =
        ["a newcomer's machine", "the README's first command", "the README's second command"];
    assert_eq!(names.collect::<Vec<_>>(), first);
    assert!(text.contains(r#"command" covered bare cargo test --workspace"#));
    let again = "cargo test --workspace --locked";
    let runs = text.lines().filter(|line| line.contains(again) && !line.contains("--ignored"));
    assert_eq!(runs.count(), 0, "the tests run once");
}

#[test]
fn every_setting_is_in_the_table_and_nothing_else() {
    let text = read(SETTINGS_PAGE);
    for setting in SETTINGS {
        let row = format!("| `{}` | `{}` |", setting.key, setting.variable);
        assert!(text.contains(&row), "{SETTINGS_PAGE} lacks {row}");
    }
    let rows = ["| `LAYER4_", "| `OTEL_"].map(|start| text.matches(start).count());
    assert_eq!(rows.iter().sum::<usize>(), SETTINGS.len());
}

/// A host refuses a variable that is no setting, so a unit or a manifest that sets one starts none.
#[test]
fn variables_that_the_operators_files_set_are_settings() {
    let mut found = 0;
    for file in ["systemd/chimera.service", "kubernetes/deployment.yaml", "Containerfile"] {
        let text = read(&format!("host/deploy/{file}"));
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for variable in words.filter(|word| word.starts_with("LAYER4_")) {
                let is_setting = SETTINGS.iter().any(|setting| setting.variable == variable);
                assert!(is_setting, "{file}: {variable} is no setting");
                found += 1;
            }
        }
    }
    assert!(found >= 6, "the files lost their variables: {found} found");
}

/// The program lists the keys that it knows when it meets one that it does not.
#[test]
fn every_key_of_an_agents_table_has_a_row() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("chimera.toml");
    std::fs::write(&file, "[agents.a]\ncomponent = \"a.wasm\"\nzzzzzzzz = 1\n").unwrap();
    let refused = chimera.run(&["config", "check", "--config", file.to_str().unwrap()]);
    let known = refused.err.split("`zzzzzzzz`; allowed are ").nth(1);
    let known =
        known.and_then(|rest| rest.lines().next()).unwrap_or_else(|| panic!("{}", refused.err));
    let text = read(SETTINGS_PAGE);
    let table = text.split("Each table `[agents.NAME]`").nth(1).unwrap();
    let table = table.split("\n\n").nth(1).unwrap();
    for key in known.split(", ") {
        assert!(table.contains(&format!("\n| `{key}` |")), "{SETTINGS_PAGE} lacks a row for {key}");
    }
    assert_eq!(table.matches("\n| `").count(), known.split(", ").count(), "and has no others");
}

/// Files move; what says where something is moves with them.
#[test]
fn files_that_pages_name_are_there() {
    let decisions = std::fs::read_dir(root().join("docs/decisions")).unwrap();
    let decisions = decisions.map(|entry| {
        let page = format!("docs/decisions/{}", entry.unwrap().file_name().to_string_lossy());
        (page.clone(), read(&page))
    });
    let mut gone = Vec::new();
    for (page, text) in pages().into_iter().chain(others()).chain(decisions) {
        let named = quoted(&text).filter(|name| {
            ["host/", "tests/", "benches/", "examples/"].iter().any(|start| name.starts_with(start))
        });
        let named = named.filter(|name| !name.contains(['{', '*', ' ', '…']));
        let missing = named.filter(|name| !root().join(name).exists());
        gone.extend(missing.map(|name| (page.clone(), name.to_owned())));
    }
    assert!(gone.is_empty(), "no such file: {gone:?}");
}

#[test]
fn packages_that_pages_name_are_there() {
    let lock = read("Cargo.lock");
    let mut found = 0;
    for (page, text) in pages() {
        for command in quoted(&text).filter(|name| name.starts_with("cargo test -p ")) {
            let package = command.split(' ').nth(3).unwrap();
            let entry = format!("name = \"{package}\"\n");
            assert!(lock.contains(&entry), "{page} names no package of ours: {command}");
            found += 1;
        }
    }
    assert!(found > 0, "no page says how to run one test");
}

/// The path of each function in the files of `tests/`, as a test's filter reads it.
fn functions(folder: &Path, module: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "guests" {
                functions(&path, &format!("{module}{name}::"), paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = ["main", "alone", "mod"].contains(&name);
            let module = if is_root { module.to_owned() } else { format!("{module}{name}::") };
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.split_once("fn ")?.1.split('(').next());
            paths.extend(names.map(|name| format!("{module}{name}")));
        }
    }
}

/// `cargo test` with a filter that nothing matches runs no test, and succeeds.
#[test]
fn tests_that_pages_name_are_there() {
    let mut paths = Vec::new();
    functions(&root().join("tests"), "", &mut paths);
    assert!(paths.contains(&"readme::tests_that_pages_name_are_there".to_owned()), "{paths:?}");
    let mut found = 0;
    for (page, text) in pages().into_iter().chain(others()) {
        for command in quoted(&text) {
            let flags = command.starts_with("--ignored ").then_some(command);
            let of_tests = command.contains("cargo test ").then(|| command.split_once(" -- "));
            let after = flags.or(of_tests.flatten().map(|(_, after)| after)).unwrap_or_default();
            for filter in after.split_whitespace().filter(|word| !word.starts_with("--")) {
                let is_there = paths.iter().any(|path| path.contains(filter));
                assert!(is_there, "{page}: no path of a test contains `{filter}`: {command}");
                found += 1;
            }
        }
    }
    assert!(found > 5, "the pages lost their commands: {found} found");
}

/// A page names a route by its method and its path, where the host's own parts may stand for
/// parameters.
#[tokio::test(flavor = "multi_thread")]
async fn routes_that_pages_name_are_there() {
    let api = Api::new(&[]).await;
    let document = api.get("/openapi.json").await.json();
    let routes = document["paths"].as_object().unwrap();
    let (mut found, mut gone) = (0, Vec::new());
    for (page, text) in pages() {
        for named in quoted(&text) {
            let Some((method, path)) = named.split_once(' ') else { continue };
            let path = path.split('?').next().unwrap();
            let is_method = ["GET", "PUT", "POST", "DELETE"].contains(&method);
            if !is_method || !path.starts_with('/') || path.contains('…') {
                continue;
            }
            let method = method.to_lowercase();
            let fits = |(route, methods): (&String, &Value)| {
                is_route(route, path) && methods.get(&method).is_some()
            };
            found += 1;
            if !routes.iter().any(fits) {
                gone.push((page.clone(), named.to_owned()));
            }
        }
    }
    assert!(found > 20, "the pages lost their routes: {found} found");
    assert!(gone.is_empty(), "no such route: {gone:?}");
    api.end().await.unwrap();
}

/// Whether a path is one of the route: part by part, of which `{…}` stands for any.
fn is_route(route: &str, path: &str) -> bool {
    let [route, path] = [route, path].map(|one| one.split('/').collect::<Vec<_>>());
    route.len() == path.len()
        && route.iter().zip(&path).all(|(part, named)| part == named || part.starts_with('{'))
}

#[test]
fn steps_that_pages_name_are_there() {
    let ci = read(".ci/run");
    let (_, cases) = ci.rsplit_once("\ncase ").unwrap();
    let mut found = 0;
    for (page, text) in pages().into_iter().chain(others()) {
        let steps = quoted(&text).filter_map(|command| command.strip_prefix(".ci/run "));
        for step in steps {
            assert!(cases.contains(&format!("\n{step}) ")), "{page}: .ci/run has no part {step}");
            found += 1;
        }
    }
    assert!(found > 0, "no page names a part of .ci/run");
}

#[test]
fn pages_that_pages_link_are_there() {
    let mut gone = Vec::new();
    for (page, text) in pages() {
        let path = root().join(&page);
        let folder = path.parent().unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = links.filter(|link| !link.starts_with("https://"));
        let missing = files.filter(|link| !folder.join(link).exists());
        gone.extend(missing.map(|link| (page.clone(), link.to_owned())));
    }
    assert!(gone.is_empty(), "no such page: {gone:?}");
}

/// A rendered book has its own pages alone: it turns a link to `x.md` into one to `x.html`.
#[test]
fn links_of_the_book_stay_in_the_book() {
    let book = pages().into_iter().filter(|(page, _)| page.starts_with("docs/src/"));
    let mut out = Vec::new();
    for (page, text) in book {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let leaving = links.filter(|link| link.contains("../"));
        out.extend(leaving.map(|link| (page.clone(), link.to_owned())));
    }
    assert!(out.is_empty(), "name the file between backticks, or include it in a page: {out:?}");
}

#[test]
fn files_that_the_book_includes_are_there() {
    let mut included = Vec::new();
    for (_, text) in pages() {
        let files = text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next());
        included.extend(files.map(str::to_owned));
    }
    let folder = root().join("docs/src");
    let gone: Vec<&String> = included.iter().filter(|file| !folder.join(file).exists()).collect();
    assert!(gone.is_empty(), "no such file: {gone:?}");
    // A new decision gets a line of docs/src/decisions.md.
    for entry in std::fs::read_dir(root().join("docs/decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = format!("../decisions/{name}");
        assert!(name == "README.md" || included.contains(&file), "the book lacks {name}");
    }
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = read("docs/src/SUMMARY.md");
    for (page, _) in pages() {
        let name = page.trim_start_matches("docs/src/");
        let is_listed = summary.contains(&format!("({name})"));
        assert!(is_listed || ["README.md", "SUMMARY.md"].contains(&name), "{page} is not listed");
    }
}

/// The README's Rust is compiled as a doc test of the library; no other page's is.
#[test]
fn all_rust_of_the_pages_is_compiled() {
    for (page, text) in pages() {
        assert!(page == "README.md" || !text.contains("```rust"), "{page}: move it to the README");
    }
}

#[test]
fn the_readme_is_short() {
    let bytes = read("README.md").len();
    assert!(bytes <= 8192, "{bytes} bytes: move text to docs/src");
}

#[test]
fn every_alert_has_a_heading_in_the_runbook() {
    let rules = read("host/deploy/prometheus/rules.yml");
    let lines = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = lines.collect();
    let runbook = read("docs/src/runbook.md");
    for alert in &alerts {
        assert!(runbook.contains(&format!("\n## {alert}\n")), "the runbook lacks {alert}");
    }
    assert_eq!(runbook.matches("\n## ").count(), alerts.len(), "and has no others");
}
