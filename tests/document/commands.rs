//! The document's `bash` blocks, line by line: each line is a command that is run here or in
//! `.ci/run`, a name that a running host has, or one of the few that are neither.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chimera_layer4::fabric::config::SETTINGS;
use serde_json::{Value, json};

use super::blocks;
use crate::cli::Chimera;
use crate::harness::{guest_path, root};
use crate::http::service::{Service, declare};
use crate::shell::outside_of_cargo;

/// What a line of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Asks a host.
    Curl,
    /// Reads a log.
    Tail,
    /// A command of cargo's.
    Cargo,
    /// A variable and its value.
    Variable,
    /// The name of a metric.
    Metric,
    /// A setting or a capability, and its value.
    Setting,
    /// Of the manifest of a program.
    Manifest,
    /// Of an answer in JSON.
    Answer,
    /// Restarts the service.
    Systemctl,
    /// Fetches the repository and enters it.
    Clone,
    /// A figure of the document's own machine.
    Figure,
}

/// How many lines of each kind there are.
const LINES: [(Kind, usize); 11] = [
    (Kind::Curl, 16),
    (Kind::Tail, 6),
    (Kind::Cargo, 16),
    (Kind::Variable, 10),
    (Kind::Metric, 11),
    (Kind::Setting, 4),
    (Kind::Manifest, 2),
    (Kind::Answer, 7),
    (Kind::Systemctl, 1),
    (Kind::Clone, 2),
    (Kind::Figure, 4),
];

/// A line without its comment.
struct Line {
    /// Where its block begins.
    block: String,
    kind: Kind,
    text: String,
}

fn lines() -> Vec<Line> {
    let of_block = |(name, text): (String, String)| {
        let block = name.strip_suffix(".sh.txt")?.to_owned();
        let lines = text.lines().map(|line| line.split('#').next().unwrap().trim().to_owned());
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        let line = move |text: String| Line { kind: kind(&text), block: block.clone(), text };
        Some(lines.into_iter().map(line))
    };
    blocks().into_iter().filter_map(of_block).flatten().collect()
}

fn kind(line: &str) -> Kind {
    let first = line.split(' ').next().unwrap();
    match first {
        "curl" => Kind::Curl,
        "tail" => Kind::Tail,
        "cargo" => Kind::Cargo,
        "systemctl" => Kind::Systemctl,
        "git" | "cd" => Kind::Clone,
        "[dependencies]" | "chimera-layer4" => Kind::Manifest,
        "{" | "}" => Kind::Answer,
        _ if first.starts_with('"') => Kind::Answer,
        _ if first.starts_with("LAYER4_") => Kind::Variable,
        _ if first.starts_with("layer4_") => Kind::Metric,
        _ if first.starts_with("max_") && first.ends_with(':') => Kind::Setting,
        "Memory:" | "CPU:" | "Network:" | "Storage:" => Kind::Figure,
        _ => panic!("no test knows what kind of line this is: {line}"),
    }
}

/// The lines of one kind.
fn of(kind: Kind) -> Vec<String> {
    let lines = lines().into_iter().filter(|line| line.kind == kind);
    lines.map(|line| line.text).collect()
}

/// The environment block, as a shell would have it.
fn variables() -> Vec<(String, String)> {
    let pair = |line: String| {
        let (name, value) = line.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    of(Kind::Variable).into_iter().map(pair).collect()
}

/// A host with the document's environment, and what an operator has beside it. Its port is
/// one that is free.
fn serve(config: &str) -> Service {
    let variables = variables();
    let set: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    Service::start_with(Chimera::new(), config, &set)
}

/// Runs a line with the host's address and the host's logs; what it printed.
#[track_caller]
fn run(line: &str, service: &Service, logs: &Path) -> String {
    let address = service.url().strip_prefix("http://").unwrap();
    let here = line.replace("localhost:9090", address);
    // It ends when it has read what is there.
    let here = here.replace("tail -f", "tail -n +1");
    let here = here.replace("/var/log/layer4", &logs.display().to_string());
    let here = here.replace("curl ", "curl --silent --show-error --fail ");
    let output = outside_of_cargo("bash").args(["-o", "pipefail", "-c", &here]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    assert!(!output.stdout.is_empty(), "{line} prints nothing");
    String::from_utf8(output.stdout).unwrap()
}

/// What `grep` looks for in a line of the document.
fn searched(line: &str) -> Option<Vec<&str>> {
    let (_, pattern) = line.split_once("| grep ")?;
    let words = pattern.trim_start_matches("-E ").trim_matches(['"', '(', ')']);
    Some(words.split('|').collect())
}

#[test]
fn each_line_of_the_bash_blocks_is_of_a_kind_that_a_test_takes_care_of() {
    let lines = lines();
    let count = |kind| lines.iter().filter(|line| line.kind == kind).count();
    for (kind, expected) in LINES {
        assert_eq!(count(kind), expected, "{kind:?}");
    }
    let blocks: BTreeSet<&String> = lines.iter().map(|line| &line.block).collect();
    assert_eq!((blocks.len(), lines.len()), (19, LINES.iter().map(|(_, count)| count).sum()));
}

#[test]
fn the_environment_block_is_what_a_host_runs_with() {
    let chimera = Chimera::new();
    let mut command = chimera.command(&["config", "show", "--json"]);
    let shown = Chimera::end(command.envs(variables()));
    assert_eq!(shown.code, 0, "{}", shown.err);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    for (variable, value) in variables() {
        let setting = SETTINGS.iter().find(|setting| setting.variable == variable).unwrap();
        let shown = &shown[setting.key];
        let same = match (value.parse::<f64>(), shown["value"].as_str().unwrap().parse::<f64>()) {
            (Ok(value), Ok(shown)) => value == shown,
            _ => shown["value"] == value,
        };
        assert!(same, "{variable}={value}: {shown}");
        assert!(shown["source"].as_str().unwrap().contains(&variable), "{shown}");
    }
}

#[test]
fn each_curl_each_grep_and_each_log_has_something_of_a_running_host() {
    if outside_of_cargo("curl").arg("--version").output().is_err() {
        println!("NOT TESTED: the document's commands: there is no curl");
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let config = format!("log_dir = {:?}\n", logs.path());
    let config = config + &declare("echo", &guest_path("echo"), 1);
    let mut service = serve(&config);
    let task = json!({ "target_agent_type": "echo", "payload": 1 });
    let done = post(&service, "/v1/tasks?wait=30s", &task);
    assert_eq!(done["result"]["output"], 1, "{done}");

    let (mut curls, mut greps, mut tails) = (0, 0, 0);
    for line in of(Kind::Curl) {
        let printed = run(&line, &service, logs.path());
        let is_metrics = line.contains("/metrics");
        match searched(&line) {
            Some(words) => assert!(words.iter().any(|word| printed.contains(word)), "{printed}"),
            None if is_metrics => assert!(printed.starts_with("# HELP"), "{printed}"),
            None => drop(serde_json::from_str::<Value>(&printed).unwrap()),
        }
        curls += 1;
        greps += usize::from(searched(&line).is_some());
    }
    let metrics = run("curl http://localhost:9090/metrics", &service, logs.path());
    for name in of(Kind::Metric) {
        let is_sample = |line: &&str| {
            let rest = line.strip_prefix(&name).map(|rest| rest.trim_start_matches("_bucket"));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        assert!(metrics.lines().any(|line| is_sample(&line)), "{name}\n{metrics}");
    }
    answers_as_the_document_has_it(&run(
        "curl http://localhost:9090/health",
        &service,
        logs.path(),
    ));

    // A type that does not start is what there is an ERROR of; the end terminates agents.
    let fails =
        declare("fails", &guest_path("hostile"), 1) + "parameters = { in_init = \"trap\" }\n";
    service.rewrite(&(config + &fails));
    post(&service, "/v1/reload", &json!(null));
    assert_eq!(service.end().0, 0);
    for line in of(Kind::Tail) {
        let printed = run(&line, &service, logs.path());
        for word in searched(&line).into_iter().flatten() {
            assert!(printed.lines().any(|line| line.contains(word)), "{word}: {printed}");
        }
        tails += 1;
        greps += usize::from(searched(&line).is_some());
    }
    println!(
        "document: {} variables, {curls} curl, {greps} grep, {tails} tail, {} metrics on a running host",
        variables().len(),
        of(Kind::Metric).len()
    );
    assert_eq!((curls, greps, tails), (16, 9, 6));
}

fn post(service: &Service, path: &str, body: &Value) -> Value {
    let request = ureq::post(format!("{}{path}", service.url()));
    let request = request.config().http_status_as_error(false).build();
    let request = request.header("content-type", "application/json");
    request.send(body.to_string()).unwrap().body_mut().read_json().unwrap()
}

/// The fields of block 0714, of its types; those of a host with one agent that is well.
#[track_caller]
fn answers_as_the_document_has_it(printed: &str) {
    let theirs: Value = serde_json::from_str(&of(Kind::Answer).concat()).unwrap();
    let ours: Value = serde_json::from_str(printed).unwrap();
    for (name, value) in theirs.as_object().unwrap() {
        let same =
            value.is_u64() == ours[name].is_u64() && value.is_string() == ours[name].is_string();
        assert!(same, "{name}: {value} in the document, {} here", ours[name]);
    }
    assert_eq!((&ours["status"], &ours["active_agents"]), (&json!("healthy"), &json!(1)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(ours["timestamp"].as_u64().unwrap()) < 60, "{ours}");
    assert!(ours["uptime_seconds"].as_u64().unwrap() < 600, "{ours}");
}

#[test]
fn settings_that_the_document_changes_are_settings_of_ours() {
    for line in of(Kind::Setting) {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "max_concurrent_tasks" {
            // An agent says it of itself, as those of blocks 0213, 0464 and 0875 do.
            let capabilities = chimera_layer4::AgentCapabilities {
                max_concurrent_tasks: value.parse().unwrap(),
                ..Default::default()
            };
            assert_eq!(capabilities.max_concurrent_tasks, 5);
            continue;
        }
        let key = format!("default_resource_quota.{name}");
        let setting = SETTINGS.iter().find(|setting| setting.key == key).expect(&key);
        let chimera = Chimera::new();
        let mut command = chimera.command(&["config", "show", "--json"]);
        let shown = Chimera::end(command.env(setting.variable, value));
        assert_eq!(shown.code, 0, "{}", shown.err);
    }
}

/// A program depends on the package by its name in a git repository.
#[test]
fn the_dependency_of_the_document_names_our_package() {
    let manifest: toml::Table = toml::from_str(&of(Kind::Manifest).join("\n")).unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let [(name, source)] = &dependencies.iter().collect::<Vec<_>>()[..] else { panic!() };
    let read = |path: &str| -> toml::Table {
        toml::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
    };
    assert_eq!(read("host/Cargo.toml")["package"]["name"].as_str(), Some(name.as_str()));
    let workspace = read("Cargo.toml");
    assert_eq!(workspace["workspace"]["package"]["repository"], source["git"]);
    // Where the repository is fetched from is the reader's; so are its two lines for it.
    assert!(of(Kind::Clone)[0].ends_with(source["git"].as_str().unwrap()));
}

/// Each of cargo's commands, with what `.ci/run` has of it: of all members and with the lock.
const IN_CI: [(&str, &str); 15] = [
    ("cargo build", "bare cargo run -- run agents/data-analyzer"),
    ("cargo build --release", "cargo build --release --locked"),
    ("cargo test", "covered bare cargo test --workspace"),
    ("cargo test executor", "for word in executor scheduler metrics"),
    ("cargo test scheduler", "for word in executor scheduler metrics"),
    ("cargo test metrics", "for word in executor scheduler metrics"),
    ("cargo doc --open", "cargo doc --workspace --no-deps --locked"),
    ("cargo bench", "cargo bench --bench execution_benchmarks --workspace"),
    ("cargo bench", "cargo bench --bench scheduler --workspace"),
    ("cargo bench --bench execution_benchmarks", "cargo bench --bench execution_benchmarks"),
    ("cargo clippy -- -D warnings", "--all-targets --all-features --locked -- -D warnings"),
    (
        "cargo clippy --all-targets --all-features -- -D warnings",
        "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings",
    ),
    ("cargo fmt", "cargo fmt --all --check"),
    ("cargo fmt --all", "cargo fmt --all --check"),
    ("cargo test executor", "cargo test --workspace --lib --bins --locked \"$word\""),
];

#[test]
fn cargos_commands_are_run_by_ci() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    for (command, part) in IN_CI {
        assert!(ci.contains(part), ".ci/run does not run {part}, which stands for {command}");
    }
    let theirs: BTreeSet<String> = of(Kind::Cargo).into_iter().collect();
    let ours = IN_CI.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(theirs, ours);
}

/// `.ci/run` installs the unit, where systemd is, and looks for its other name.
#[test]
fn the_service_has_the_name_by_which_the_document_restarts_it() {
    let unit = fs::read_to_string(root().join("host/deploy/systemd/chimera.service")).unwrap();
    let name = of(Kind::Systemctl)[0].rsplit(' ').next().unwrap().to_owned();
    assert!(unit.contains(&format!("Alias={name}.service\n")), "{unit}");
    assert!(unit.contains("LAYER4_LOG_DIR=/var/log/layer4"), "{unit}");
}
