//! The program as a stranger uses it: what it prints, and how it ends.

use std::path::Path;

use assert_cmd::Command;
use chimera_layer4_toolchain::{self as toolchain, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{guest, guest_path, guests_target, program, root};
use crate::shell::outside_of_cargo;

/// The program with an environment of its own and a data folder that goes.
pub(crate) struct Chimera {
    home: TempDir,
}

/// What one call printed, and its exit code.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Chimera {
    /// The folder that the program is started in.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data folder that the program uses.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.home.path().join("chimera")
    }

    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .env("XDG_DATA_HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Self::end(&mut self.command(arguments))
    }

    pub(crate) fn end(command: &mut Command) -> Ended {
        let output = command.output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Bad input: this exit code, nothing on standard output, these words.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}\n{}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
        for word in words {
            assert!(ended.err.contains(word), "{arguments:?} lacks {word:?}:\n{}", ended.err);
        }
    }
}

fn echo() -> String {
    guest_path("echo").display().to_string()
}

fn hostile() -> String {
    guest_path("hostile").display().to_string()
}

#[test]
fn a_run_prints_the_result_and_then_its_cost() {
    let chimera = Chimera::new();
    let first = chimera.run(&["run", &echo(), "--task", r#"{"a":1}"#]);
    assert_eq!((first.code, first.out.as_str()), (0, "{\n  \"a\": 1\n}\n"), "{}", first.err);
    for word in ["wall ", "cpu ", "peak memory ", "compiled in ", "cache miss", "instantiated in "]
    {
        assert!(first.err.contains(word), "{}", first.err);
    }
    let second = chimera.run(&["run", &echo(), "--task", "2"]);
    assert!(second.err.contains("cache hit"), "{}", second.err);
}

#[test]
fn a_task_comes_from_a_file_or_standard_input() {
    let chimera = Chimera::new();
    std::fs::write(chimera.home.path().join("task.json"), "[1, 2]").unwrap();
    std::fs::write(chimera.home.path().join("table.csv"), "a,b\n1,2\n").unwrap();
    let from = |task: &str| chimera.run(&["run", &echo(), "--task", task]).out;
    assert_eq!(serde_json::from_str::<Value>(&from("@task.json")).unwrap(), json!([1, 2]));
    assert_eq!(serde_json::from_str::<Value>(&from("@table.csv")).unwrap(), json!("a,b\n1,2\n"));
    let mut piped = chimera.command(&["run", &echo(), "--task", "-"]);
    assert_eq!(Chimera::end(piped.write_stdin("7")).out, "7\n");
}

#[test]
fn json_is_one_object_with_result_cost_and_telemetry() {
    let chimera = Chimera::new();
    let ended = chimera.run(&["run", &echo(), "--task", "5", "--json", "--repeat", "20"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["result"]["output"], json!(5));
    assert!(report["cost"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(report["repeated"]["tasks"], json!(20));
    assert_eq!(report["repeated"]["failed"], json!(0));
    assert!(report["telemetry"]["dropped"].is_object());
}

#[test]
fn grants_and_parameters_reach_the_agent() {
    let chimera = Chimera::new();
    std::fs::write(chimera.home.path().join("secret"), "granted").unwrap();
    let dir = format!("{}::/data", chimera.home.path().display());
    let read = chimera.run(&["run", &hostile(), "--task", r#"{"do":"read"}"#, "--dir", &dir]);
    assert_eq!(serde_json::from_str::<Value>(&read.out).unwrap(), json!({"Ok": "granted"}));
    let env =
        chimera.run(&["run", &hostile(), "--task", r#"{"do":"environment"}"#, "--env", "A=b=c"]);
    assert_eq!(serde_json::from_str::<Value>(&env.out).unwrap(), json!([["A", "b=c"]]));
    let trap = chimera.run(&["run", &hostile(), "--param", "in_init=trap"]);
    assert_eq!(trap.code, 1, "{}", trap.err);
    assert!(trap.err.contains("`init` trapped"), "{}", trap.err);
    assert!(trap.err.contains("as asked"), "the panic's own words: {}", trap.err);
}

/// What the parser of the command line can tell alone is 2, the rest is 3.
#[test]
fn a_wrong_value_has_the_exit_code_of_its_kind() {
    let chimera = Chimera::new();
    let echo = echo();
    let (run, submit) = (["run", &echo], ["task", "submit", "--type", "echo"]);
    let list = ["task", "list"];
    let rows: [(i32, &[&str], &[&str]); 17] = [
        (2, &run, &["--port", "70000"]),
        (2, &run, &["--repeat", "0"]),
        (2, &["task", "show"], &["one"]),
        (2, &list, &["--after", "one"]),
        (2, &list, &["--reason", "bored"]),
        (2, &list, &["--priority", "urgent"]),
        (2, &submit, &["--attempts", "one"]),
        (2, &submit, &["--id", "one"]),
        (3, &submit, &["--attempts", "0"]),
        (3, &submit, &["--delay", "9999999999999"]),
        (3, &submit, &["--metadata", "one"]),
        (3, &run, &["--quota", "memory=0"]),
        (3, &run, &["--env", "one"]),
        (3, &run, &["--param", "one"]),
        (3, &run, &["--dir", "one"]),
        (3, &run, &["--http", "one"]),
        (3, &run, &["--task", "{"]),
    ];
    for (code, command, wrong) in rows {
        chimera.refuses(code, &[command, wrong].concat(), &["error: "]);
    }
}

#[test]
fn each_way_to_fail_has_its_exit_code() {
    let chimera = Chimera::new();
    let hostile = hostile();
    let fails = |code, arguments: &[&str], words: &[&str]| {
        let mut all = vec!["run", hostile.as_str()];
        all.extend(arguments);
        chimera.refuses(code, &all, words);
    };
    fails(1, &["--task", r#"{"do":"trap"}"#], &["`execute-task` trapped"]);
    fails(1, &["--task", r#"{"do":"fail"}"#], &["failed: as asked"]);
    fails(5, &["--task", r#"{"do":"spin"}"#, "--quota", "time=1"], &["max_execution_time_secs"]);
    fails(
        5,
        &["--task", r#"{"do":"hoard"}"#, "--quota", "memory=8"],
        &["max_memory_mb", "of 8.0 MiB"],
    );
}

#[test]
fn mistakes_on_the_command_line_are_named_with_the_remedy() {
    let chimera = Chimera::new();
    let echo = echo();
    let bad = |arguments: &[&str], words: &[&str]| {
        let mut all = vec!["run", echo.as_str()];
        all.extend(arguments);
        chimera.refuses(3, &all, words);
    };
    bad(&["--task", "{a"], &["--task is not JSON", "line 1 column 2"]);
    bad(&["--task", "@nowhere.json"], &["nowhere.json", "No such file"]);
    bad(&["--task", "@"], &["a file's name follows the @"]);
    bad(&["--quota", "cpu=0"], &["max_cpu_cores is 0; allowed is 0.001 to 1024"]);
    bad(&["--quota", "speed=9"], &["there is no quota \"speed\"", "cpu, memory, time and network"]);
    bad(&["--quota", "memory=lots"], &["\"lots\" is not a whole number"]);
    bad(&["--quota", "memory=1,memory=64"], &["--quota: \"memory\" is given twice"]);
    bad(&["--env", "A=1", "--env", "A=2"], &["--env: \"A\" is given twice"]);
    bad(&["--dir", "/tmp::/data", "--dir", "/::/data"], &["--dir: \"/data\" is given twice"]);
    bad(&["--dir", "/tmp::/data", "--dir", "/::/data/"], &["--dir: \"/data/\" is given twice"]);
    bad(&["--dir", "/tmp::/../data"], &["is not a plain absolute path"]);
    bad(&["--config", "/dev/zero"], &["/dev/zero", "it is not a file"]);
    bad(&["--env", "NAME"], &["--env \"NAME\"", "NAME=VALUE"]);
    bad(&["--param", "=1"], &["--param", "NAME=VALUE"]);
    bad(&["--dir", "/tmp"], &["HOST::GUEST"]);
    bad(&["--dir", "/no/such::/data"], &["there is no folder \"/no/such\""]);
    bad(&["--dir", "/tmp::data"], &["is not a plain absolute path"]);
    bad(&["--config", "nowhere.toml"], &["nowhere.toml"]);
    chimera.refuses(2, &["run"], &["Usage"]);
    chimera.refuses(2, &["run", &echo, "--repeat", "0"], &["--repeat"]);
    chimera.refuses(2, &["fly"], &["fly"]);
}

#[test]
fn settings_come_from_the_environment_and_the_file() {
    let chimera = Chimera::new();
    let mut command = chimera.command(&["run", &echo()]);
    let ended =
        Chimera::end(command.env("LAYER4_MAX_AGENTS", "none").env("LAYER4_REDIS_URL", "localhost"));
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("LAYER4_MAX_AGENTS is \"none\""), "{}", ended.err);
    assert!(
        ended.err.contains("LAYER4_REDIS_URL is \"localhost\"; allowed is an address"),
        "{}",
        ended.err
    );

    let file = "[default_resource_quota]\nmax_execution_time_secs = 1\n";
    std::fs::write(chimera.home.path().join("chimera.toml"), file).unwrap();
    chimera.refuses(5, &["run", &hostile(), "--task", r#"{"do":"spin"}"#], &["after 1 s"]);
    std::fs::write(chimera.home.path().join("chimera.toml"), "max_agent = 1").unwrap();
    chimera.refuses(3, &["run", &echo()], &["max_agent in chimera.toml: no such setting"]);
    std::fs::write(chimera.home.path().join("chimera.toml"), "max_agents = ").unwrap();
    chimera.refuses(3, &["run", &echo()], &["chimera.toml is not valid TOML"]);
}

#[test]
fn what_is_no_agent_is_refused_with_the_reason() {
    let chimera = Chimera::new();
    let file =
        |name: &str, bytes: &[u8]| std::fs::write(chimera.home.path().join(name), bytes).unwrap();
    file("text.wasm", b"hello");
    file("core.wasm", &wat::parse_str("(module)").unwrap());
    let echo = guest("echo");
    file("cut.wasm", echo.get(..echo.len() / 2).unwrap());
    file("empty.wasm", &wat::parse_str("(component)").unwrap());
    for command in ["run", "check"] {
        let arguments: &[&str] = if command == "run" { &["run"] } else { &["agent", "check"] };
        for (name, words) in [
            ("text.wasm", "it starts with the bytes 68 65 6c 6c"),
            ("core.wasm", "it is a core WebAssembly module"),
            ("cut.wasm", "malformed"),
            ("empty.wasm", "interface `chimera:agent/lifecycle` is not exported"),
        ] {
            let ended = chimera.run(&[arguments, &[name]].concat());
            assert_eq!(ended.code, 4, "{name}: {}", ended.err);
            assert!(format!("{}{}", ended.out, ended.err).contains(words), "{name}: {}", ended.err);
        }
        let ended = chimera.run(&[arguments, &["nowhere.wasm"]].concat());
        assert_eq!(ended.code, 3);
    }
    chimera.refuses(3, &["run", "/dev/zero"], &["it is not a file"]);
    std::fs::create_dir(chimera.home.path().join("folder")).unwrap();
    chimera.refuses(3, &["run", "folder"], &["it has no Cargo.toml"]);
}

#[test]
fn inspect_says_what_a_component_is_and_needs() {
    let chimera = Chimera::new();
    let text = chimera.run(&["agent", "inspect", &echo()]).out;
    for word in ["chimera:agent@0.1.0", "sha256:", "wasi:cli/environment", "--env", "at once"] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    let json = chimera.run(&["agent", "inspect", &echo(), "--json"]).out;
    let inspected: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(inspected["contract"], "0.1.0");
    assert_eq!(inspected["size_bytes"], json!(guest("echo").len()));
    assert_eq!(inspected["capabilities"]["max_concurrent_tasks"], json!(1));

    let sick = chimera.run(&["agent", "inspect", &hostile(), "--param", "in_init=trap"]).out;
    assert!(sick.contains("capabilities  not known: "), "{sick}");
}

#[test]
fn a_new_agent_is_made_tested_built_checked_and_run() {
    let chimera = Chimera::new();
    let sdk = root().join("guest-sdk").canonicalize().unwrap();
    let new = chimera.run(&["agent", "new", "counter", "--sdk", &sdk.display().to_string()]);
    assert_eq!(new.code, 0, "{}", new.err);
    let folder = chimera.home.path().join("counter");
    assert!(cargo_test(&folder), "its own test passes");

    let build = chimera.run(&["agent", "build", "counter"]);
    assert_eq!(build.code, 0, "{}", build.err);
    let component = Path::new(build.out.trim());
    assert!(component.is_file() && component.metadata().unwrap().len() < 300 << 10);
    assert!(chimera.run(&["agent", "check", "counter"]).out.contains("meets chimera:agent@0.1.0"));
    let check = ["agent", "check", "counter", "--run", "--task", r#"{"text":"one two"}"#];
    let check = chimera.run(&check);
    assert!(check.code == 0 && !check.out.contains("\nwarn"), "{}", check.out);
    let run = chimera.run(&["run", "counter", "--task", r#"{"text":"one two"}"#]);
    let output: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(output, json!({"words": 2, "texts_so_far": 1}));
    let wrong = chimera.run(&["run", "counter", "--task", r#"{"text":1}"#]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("text"), "{}", wrong.err);

    chimera.refuses(3, &["agent", "new", "counter"], &["is there already"]);
    chimera.refuses(3, &["agent", "new", "1st"], &["names the agent"]);
    chimera.refuses(3, &["agent", "new", "other", "--sdk", "/tmp"], &["is not the SDK's folder"]);
    assert!(!chimera.home.path().join("other").exists(), "nothing is left behind");
    std::fs::write(folder.join("src/lib.rs"), "this is not Rust").unwrap();
    chimera.refuses(6, &["agent", "build", "counter"], &["does not build"]);
}

#[test]
fn a_new_agent_in_the_specifications_form_is_made_tested_built_checked_and_run() {
    let chimera = Chimera::new();
    let sdk = root().join("guest-sdk").canonicalize().unwrap().display().to_string();
    let new = chimera.run(&["agent", "new", "--form", "plain", "counter", "--sdk", &sdk]);
    assert_eq!(new.code, 0, "{}", new.err);
    let folder = chimera.home.path().join("counter");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("chimera-layer4 = ")).unwrap();
    assert!(line.ends_with("/host\", default-features = false }"), "{line}");
    assert!(cargo_test(&folder), "its own test passes");
    let lock = std::fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    assert!(!lock.contains("\"wasmtime\""), "an agent builds nothing of the host");

    let task = r#"{"text":"one two"}"#;
    let check = chimera.run(&["agent", "check", "counter", "--run", "--task", task]);
    assert!(check.code == 0 && !check.out.contains("\nwarn"), "{}{}", check.out, check.err);
    let build = chimera.run(&["agent", "build", "counter"]);
    assert!(Path::new(build.out.trim()).metadata().unwrap().len() < 300 << 10);
    let run = chimera.run(&["run", "counter", "--task", task]);
    let output: Value = serde_json::from_str(&run.out).expect(&run.err);
    assert_eq!(output, json!({"words": 2, "texts_so_far": 1}));
    let wrong = chimera.run(&["run", "counter", "--task", r#"{"text":1}"#]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("refused its input") && wrong.err.contains("text"), "{}", wrong.err);

    let alone = chimera.home.path().join("guest-sdk");
    std::fs::create_dir(&alone).unwrap();
    std::fs::write(alone.join("Cargo.toml"), "[package]\nname = \"chimera-agent-sdk\"\n").unwrap();
    let without_host = ["agent", "new", "--form", "plain", "other", "--sdk", "guest-sdk"];
    chimera.refuses(3, &without_host, &["is not the folder of chimera-layer4"]);
}

/// A program that lies in no checkout knows the SDK by its version alone.
#[test]
fn an_installed_program_makes_an_agent_that_names_the_version_of_the_sdk() {
    let chimera = Chimera::new();
    let home = chimera.home.path();
    let installed = home.join("bin").join("chimera");
    std::fs::create_dir(home.join("bin")).unwrap();
    // A link would lead back to the checkout.
    std::fs::copy(program(), &installed).unwrap();
    // Called so, and another project's.
    std::fs::create_dir(home.join("guest-sdk")).unwrap();
    std::fs::write(home.join("guest-sdk/Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
    let mut new = Command::new(&installed);
    let new = Chimera::end(new.args(["agent", "new", "counter"]).current_dir(home));
    assert_eq!(new.code, 0, "{}", new.err);
    let told = "its SDK is version 0.1.0 of chimera-agent-sdk, which is in no registry";
    assert!(new.err.contains(told), "{}", new.err);
    let manifest = home.join("counter/Cargo.toml");
    let text = std::fs::read_to_string(manifest).unwrap();
    assert!(text.contains("\nchimera-agent-sdk = \"0.1.0\"\n"), "{text}");

    // Its first command, with the checkout's folder.
    let sdk = root().canonicalize().unwrap();
    let commands: Vec<_> = new.out.lines().filter(|line| line.starts_with("  (cd ")).collect();
    let first = commands[0].replace("CHECKOUT", sdk.to_str().unwrap());
    let mut shell = outside_of_cargo("sh");
    let done = shell.args(["-c", &format!("{first} 2>&1")]).current_dir(home).output().unwrap();
    assert!(done.status.success(), "{first}: {}", String::from_utf8_lossy(&done.stdout));
    assert!(commands[1].contains("cargo test"), "{}", new.out);
    let target = Some(guests_target());
    let component =
        toolchain::build(&home.join("counter"), target.as_deref(), &Stop::default(), &mut |_| {});
    let component = component.unwrap().display().to_string();
    let run = chimera.run(&["run", &component, "--task", r#"{"text":"one two"}"#]);
    let output: Value = serde_json::from_str(&run.out).expect(&run.err);
    assert_eq!(output, json!({"words": 2, "texts_so_far": 1}));
}

fn cargo_test(folder: &Path) -> bool {
    let mut cargo = outside_of_cargo("cargo");
    cargo.args(["test", "--quiet"]).current_dir(folder).env_remove("CARGO_TARGET_DIR");
    cargo.status().unwrap().success()
}

#[test]
fn a_missing_target_is_added_through_rustup_or_asked_for() {
    let chimera = Chimera::new();
    let folder = chimera.home.path();
    std::fs::create_dir(folder.join("crate")).unwrap();
    std::fs::write(folder.join("crate/Cargo.toml"), "").unwrap();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = |name: &str, text: &str| write_program(&bin.join(name), text);
    let build = || Chimera::end(chimera.command(&["agent", "build", "crate"]).env("PATH", &bin));

    let none = build();
    assert_eq!(none.code, 6);
    assert!(
        none.err.contains("`rustc` is missing, and agents in Rust are built with it"),
        "{}",
        none.err
    );

    program("rustc", "echo /no/such/folder");
    program("rustup", "echo \"$@\" > called; exit 0");
    program("cargo", "exit 1");
    assert!(build().err.contains("does not build"));
    let called = std::fs::read_to_string(folder.join("crate/called")).unwrap();
    assert_eq!(called, "target add wasm32-wasip2\n");

    program("rustup", "echo 'no network' >&2; exit 1");
    let offline = build();
    assert_eq!(offline.code, 6);
    let words = "could not be added: no network; run `rustup target add wasm32-wasip2`";
    assert!(offline.err.contains(words), "{}", offline.err);
}

/// rustup does not stand two of itself in one toolchain.
#[test]
fn builds_at_once_add_a_missing_target_once() {
    let chimera = Chimera::new();
    let folder = chimera.home.path();
    let sysroot = folder.join("toolchain");
    let libraries = sysroot.join("lib");
    std::fs::create_dir(&sysroot).unwrap();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = |name: &str, text: &str| write_program(&bin.join(name), text);
    let (root, lib) = (sysroot.display(), libraries.display());
    program("rustc", &format!("[ $2 = sysroot ] && echo {root} || echo {lib}"));
    // It takes its time, so that all the builds ask for the target before it is there.
    let rustup = format!(
        "echo \"$@\" >> {root}/calls; /bin/mkdir {root}/busy || exit 1\n\
         i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done\n\
         /bin/mkdir {lib}; /bin/rmdir {root}/busy"
    );
    program("rustup", &rustup);
    program("cargo", "exit 1");
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (chimera, bin) = (&chimera, &bin);
            let agent = format!("agent{number}");
            std::fs::create_dir(folder.join(&agent)).unwrap();
            std::fs::write(folder.join(&agent).join("Cargo.toml"), "").unwrap();
            scope.spawn(move || {
                let mut build = chimera.command(&["agent", "build", &agent]);
                let ended = Chimera::end(build.env("PATH", bin));
                assert!(ended.err.contains("does not build"), "it went on: {}", ended.err);
            });
        }
    });
    let calls = std::fs::read_to_string(sysroot.join("calls")).unwrap();
    assert_eq!(calls, "target add wasm32-wasip2\n");
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let chimera = Chimera::new();
    let mut command = std::process::Command::new(program());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    command.args(["run", &echo(), "--task", "1"]).env("XDG_DATA_HOME", chimera.home.path());
    let ended = command.stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(7), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn what_a_guest_says_cannot_write_to_the_terminal() {
    let chimera = Chimera::new();
    let ended = chimera.run(&["run", &echo(), "--task", "\"\u{9b}31m red \u{202e}\""]);
    assert_eq!(ended.out, "\"\\u009b31m red \\u202e\"\n");
}

#[test]
fn many_runs_end_as_the_first_that_failed() {
    let chimera = Chimera::new();
    let order = r#"{"do":"trap"}"#;
    let ended = chimera.run(&["run", &hostile(), "--task", order, "--repeat", "3"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("tasks 3 · failed 3"), "{}", ended.err);
    assert!(ended.err.contains("the last task: wall"), "{}", ended.err);
}
