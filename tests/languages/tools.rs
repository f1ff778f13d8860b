//! How the tools are called, seen by programs that stand in for them: the real
//! ones are not on every machine.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::{Bench, write_program};
use crate::harness::{guest_path, program};

/// A componentize-py whose component is the agent `echo`, and that notes its calls.
fn componentize_py(bench: &Bench) -> String {
    let calls = bench.path("calls");
    let echo = guest_path("echo");
    format!(
        "echo \"$VIRTUAL_ENV $@\" >> {}\nwhile [ $# -gt 1 ]; do shift; done\n\
         case $1 in *.wasm) /bin/cp {} \"$1\";; *) /bin/mkdir -p \"$1\";; esac",
        calls.display(),
        echo.display()
    )
}

#[test]
fn a_project_is_built_again_only_when_it_has_changed() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    bench.program("componentize-py", &componentize_py(&bench));
    let component = project.join("build/words.wasm").canonicalize();
    assert!(component.is_err(), "it is not there yet");

    let calls = || fs::read_to_string(bench.path("calls")).unwrap().lines().count();
    let built = bench.build(&project);
    assert_eq!(built.code, 0, "{}", built.err);
    let component = project.join("build/words.wasm").canonicalize().unwrap();
    assert_eq!(built.out.trim(), component.display().to_string());
    assert_eq!(fs::read(&component).unwrap(), crate::harness::guest("echo"));
    let first = calls();
    bench.build(&project);
    assert_eq!(calls(), first, "nothing has changed");

    // What pip does when it installs a package.
    fs::create_dir_all(project.join(".venv/lib/python3.13/site-packages/package")).unwrap();
    bench.build(&project);
    assert_eq!(calls(), 2 * first, "a package is new");

    let source = fs::File::options().append(true).open(project.join("src/words.py")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
    bench.build(&project);
    assert_eq!(calls(), 3 * first, "a source has changed");
    // Older than the component by its own account, as `cp -p` leaves it.
    fs::copy(project.join("src/words.py"), project.join("src/other.py")).unwrap();
    let other = fs::File::options().append(true).open(project.join("src/other.py")).unwrap();
    other.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    bench.build(&project);
    assert_eq!(calls(), 4 * first, "a source is new");
    fs::remove_file(project.join("src/other.py")).unwrap();
    bench.build(&project);
    assert_eq!(calls(), 5 * first, "a source is gone");
    bench.build(&project);
    assert_eq!(calls(), 5 * first, "nothing has changed");
    let left = fs::read_dir(project.join("build")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    assert_eq!(
        left,
        ["bindings", "sources.txt", "wit", "words.wasm"],
        "what was in the making is gone"
    );
}

/// What is saved while the tools run was not read by them, perhaps.
#[test]
fn a_source_that_is_saved_during_a_build_is_for_the_next_one() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    let saves = format!("echo '# more' >> {}\n", project.join("src/words.py").display());
    bench.program("componentize-py", &(saves + &componentize_py(&bench)));
    bench.build(&project);
    bench.program("componentize-py", &componentize_py(&bench));
    let calls = || fs::read_to_string(bench.path("calls")).unwrap().lines().count();
    let first = calls();
    bench.build(&project);
    assert_eq!(calls(), 2 * first, "it was saved");
    bench.build(&project);
    assert_eq!(calls(), 2 * first, "nothing has changed");
}

#[test]
fn two_builds_at_once_both_succeed() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    bench.program("componentize-py", &componentize_py(&bench));
    std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.build(&project))).collect();
        for build in builds {
            let ended = build.join().unwrap();
            assert_eq!(ended.code, 0, "{}", ended.err);
        }
    });
}

#[test]
fn a_tool_whose_interpreter_is_gone_is_not_called_missing() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    let own = project.join(".venv/bin/componentize-py");
    write_program(&own, "");
    fs::write(&own, "#!/nowhere/python\n").unwrap();
    bench.fails(&project, 6, &["`componentize-py` cannot be started"]);
}

/// As `kill` does it, and not a terminal, which would tell the tools too.
#[test]
fn a_build_that_is_interrupted_ends_its_tools_and_leaves_nothing() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    let (pipe, began) = (bench.path("pipe"), bench.path("began"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Its child waits for input that never comes.
    bench.program(
        "componentize-py",
        &format!("(read -r line < {}) &\necho $! > {}\nwait", pipe.display(), began.display()),
    );
    let mut command = Command::new(program());
    command.args(["agent", "build"]).arg(&project).env("PATH", bench.bin.path());
    let mut build = command.env("CHIMERA_DATA_DIR", bench.path("data")).spawn().unwrap();
    let child = loop {
        let number = fs::read_to_string(&began).unwrap_or_default();
        if let Some(number) = number.strip_suffix('\n') {
            break Pid::from_raw(number.parse().unwrap()).unwrap();
        }
        assert!(build.try_wait().unwrap().is_none(), "it waits for its tool");
        std::thread::yield_now();
    };
    kill_process(Pid::from_child(&build), Signal::INT).unwrap();
    assert_eq!(build.wait().unwrap().code(), Some(130));
    // The process that adopts the child has yet to reap it.
    while is_running(child) {
        std::thread::yield_now();
    }
    let left = fs::read_dir(project.join("build")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["wit"]);
}

fn is_running(process: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    status.is_ok_and(|status| !status.contains(") Z "))
}

/// A build that was killed could not tidy up; the next one does, after a day.
#[test]
fn what_a_killed_build_left_is_swept_when_it_is_old() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    bench.program("componentize-py", &componentize_py(&bench));
    let old = project.join("build/.making-old");
    let new = project.join("build/.making-new");
    for folder in [&old, &new] {
        fs::create_dir_all(folder).unwrap();
    }
    let two_days = Duration::from_secs(48 * 60 * 60);
    fs::File::open(&old).unwrap().set_modified(SystemTime::now() - two_days).unwrap();
    assert_eq!(bench.build(&project).code, 0);
    assert_eq!((old.exists(), new.exists()), (false, true));
}

#[test]
fn the_contract_is_written_for_the_tools() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    bench.program("componentize-py", &componentize_py(&bench));
    assert_eq!(bench.build(&project).code, 0);
    let repository = crate::harness::root().join("wit");
    let files = fs::read_dir(repository).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "wit")) {
        let written = project.join("build/wit").join(path.file_name().unwrap());
        assert_eq!(fs::read(written).unwrap(), fs::read(&path).unwrap(), "{}", path.display());
    }
}

#[test]
fn a_python_project_has_tools_of_its_own() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    bench.program("componentize-py", "exit 1");
    let own = project.join(".venv/bin/componentize-py");
    write_program(&own, &componentize_py(&bench));
    let built = bench.build(&project);
    assert_eq!(built.code, 0, "{}", built.err);
    let venv = project.join(".venv").canonicalize().unwrap();
    let call = fs::read_to_string(bench.path("calls")).unwrap();
    assert!(call.starts_with(&format!("{} -d ", venv.display())), "{call}");
    fs::remove_file(own).unwrap();
    let source = fs::File::options().append(true).open(project.join("src/app.py")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
    bench.fails(&project, 6, &["words does not build", "what componentize-py says about it"]);
}

#[test]
fn packages_are_installed_once_and_asked_for_when_package_json_lacks_them() {
    let bench = Bench::new();
    let project = bench.project("js", "agent");
    bench.program("npm", "exit 1");
    let words = ["a package that package.json names (above", "where npm's registry can be reached"];
    bench.fails(&project, 6, &words);
    bench.program("npm", "exit 0");
    let words = ["the package `rolldown` is missing", "npm install --prefix "];
    bench.fails(&project, 6, &words);
    bench.program(
        "npm",
        "/bin/mkdir -p node_modules/rolldown node_modules/@bytecodealliance/jco-transpile",
    );
    let words = ["`@bytecodealliance/componentize-js` is missing", "componentize-js@0.23.0`"];
    bench.fails(&project, 6, &words);
    let engine = project.join("node_modules/@bytecodealliance/componentize-js");
    fs::create_dir_all(engine).unwrap();
    bench.program("npm", "exit 1");
    bench.fails(&project, 6, &["`node` is missing"]);
    bench.program("node", "exit 1");
    bench.fails(&project, 6, &["does not build; what node says about it is above"]);
}

#[test]
fn a_module_that_go_cannot_fetch_differs_from_sources_that_are_wrong() {
    let bench = Bench::new();
    let project = bench.project("go", "agent");
    bench.program(
        "go",
        "echo 'downloading'; echo 'go: some/module: no such host' >&2; [ $1 = build ]",
    );
    let words =
        ["a module that go.mod names (go: some/module: no such host) is missing", "GOPROXY"];
    bench.fails(&project, 6, &words);
    bench.program("go", "[ \"$1\" = mod ]");
    bench.fails(&project, 6, &["does not build; what go says about it is above"]);
    let bindings = project.join("build/bindings/wit_exports/wit_exports.go");
    let bindings = fs::read_to_string(bindings).unwrap();
    assert!(bindings.contains("\"example.com/agent/export_chimera_agent_lifecycle\""));
}

#[test]
fn a_tool_that_cannot_be_executed_is_named() {
    let bench = Bench::new();
    let project = bench.project("python", "words");
    fs::create_dir(bench.bin.path().join("componentize-py")).unwrap();
    bench.fails(&project, 6, &["`componentize-py` cannot be started", "can be executed"]);
}
