//! `chimera config`: what a settings file says, and what a start would stumble over.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::guest_path;

#[test]
fn a_check_tells_every_component_that_is_no_file() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("chimera.toml");
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let stored = format!("sha256:{}", "0".repeat(64));
    // Not the folder of the file, which others may enter.
    let data_dir = format!("data_dir = {:?}\n", folder.join("data"));
    let good = data_dir
        + &declare("echo", &guest_path("echo"), 1)
        + &declare("stored", Path::new(&stored), 1);
    fs::write(&file, &good).unwrap();
    assert_eq!(chimera.run(&check).code, 0);

    let wrong = declare("gone", Path::new("gone.wasm"), 1) + &declare("folder", &folder, 1);
    fs::write(&file, good + &wrong).unwrap();
    let words = ["agents.gone in ", "gone.wasm: there is none", "agents.folder in ", "not a file"];
    chimera.refuses(3, &check, &words);
}

#[test]
fn of_many_mistakes_the_first_are_listed_and_the_rest_counted() {
    let chimera = Chimera::new();
    let many: String = (0..20_000).map(|n| format!("key_{n} = 1\n")).collect();
    let agent = format!("[agents.echo]\ncomponent = \"echo.wasm\"\n{many}");
    let long = format!("{} = 1\nmax_agents = 0\n", "x".repeat(500_000));
    let (unknown, field) = ("key_0 in ", "unknown field `key_0`");
    for (text, words) in [
        (many, [unknown, "no such setting", "; and 19980 more"]),
        (agent, [field, "allowed are component", "; and 19980 more"]),
        (long, ["xxxxx…", "no such setting", "max_agents in long is \"0\"; allowed is a whole"]),
    ] {
        fs::write(chimera.home().join("long"), text).unwrap();
        for command in [&["config", "check"][..], &["serve", "--port", "0"]] {
            let arguments = [command, &["--config", "long"]].concat();
            chimera.refuses(3, &arguments, &words);
            let length = chimera.run(&arguments).err.len();
            assert!(length < 5000, "the message has {length} bytes");
        }
    }
}

#[test]
fn a_check_finds_what_a_start_would_stumble_over() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    let (file, data) = (folder.join("chimera.toml"), folder.join("data"));
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let data_dir = format!("data_dir = {data:?}\n");
    let echo = declare("echo", &guest_path("echo"), 1);
    fs::write(&file, format!("{data_dir}log_dir = {:?}\n{echo}", folder.join("a/b/c"))).unwrap();
    let good = chimera.run(&check);
    assert_eq!(good.code, 0, "{}", good.err);
    let left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["chimera.toml"], "a look makes nothing");

    let part = folder.join("part.wasm");
    let whole = fs::read(guest_path("echo")).unwrap();
    fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    let granted = "folders = [{ host = \"/not/there\", guest = \"/data\" }]\n";
    // A folder in a file, and one that no file system has.
    for log_dir in [file.join("logs"), "/proc/logs".into()] {
        let settings = format!("{data_dir}log_dir = {log_dir:?}\n");
        let agents = declare("part", &part, 1) + &echo + granted;
        fs::write(&file, settings + &agents).unwrap();
        let log_dir = format!("log_dir in {} is {}", file.display(), log_dir.display());
        let words = [
            log_dir.as_str(),
            "which cannot be written to",
            "agents.part in ",
            "part.wasm: the component is malformed",
            "agents.echo in ",
            "granted folder /not/there: there is no such folder",
        ];
        chimera.refuses(3, &check, &words);
    }
    fs::write(&file, format!("{data_dir}http_ca_file = {part:?}\n{echo}")).unwrap();
    chimera.refuses(3, &check, &["http_ca_file in ", "part.wasm"]);
}

/// In the words that `run` has for `--dir`.
#[test]
fn two_folders_under_one_path_of_the_guest_are_refused_by_each_reader_of_the_file() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = |folder: &tempfile::TempDir, guest: &str| {
        format!("{{ host = {:?}, guest = {guest:?} }}", folder.path())
    };
    let echo = declare("echo", &guest_path("echo"), 1);
    let once = format!("{echo}folders = [{}]\n", host(&one, "/a"));
    let mut service = Service::start(Chimera::new(), &once);
    for guest in ["/a", "/a/"] {
        let both = [host(&one, "/a"), host(&two, guest)].join(", ");
        let twice = format!("{echo}folders = [{both}]\n");
        let words = format!("folders[1].guest: {guest:?} is given twice; give it once");
        service.rewrite(&twice);
        service.signal(Signal::HUP);
        let told = service.hears("nothing was reloaded");
        assert!(told.contains("is given twice; give it once"), "{told}");
        let chimera = Chimera::new();
        let file = chimera.home().join("twice.toml");
        fs::write(&file, twice).unwrap();
        let file = file.to_str().unwrap();
        for command in [&["config", "check"][..], &["serve", "--port", "0"]] {
            chimera.refuses(3, &[command, &["--config", file]].concat(), &[&words]);
        }
    }
}

/// `toml` reads a table with this key as a date, and a date as text.
#[test]
fn a_table_with_a_private_key_stays_one_and_a_date_is_no_text() {
    let chimera = Chimera::new();
    let file = chimera.home().join("dates.toml");
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let private = "{ \"$__toml_private_datetime\" = \"xx\" }";
    let echo = declare("echo", &guest_path("echo"), 1);
    fs::write(&file, format!("{echo}parameters = {{ a = {private}, b = 1979-05-27 }}\n")).unwrap();
    let taken = chimera.run(&check);
    assert_eq!(taken.code, 0, "{}", taken.err);
    for (text, words) in [
        (format!("data_dir = {private}\n"), "data_dir in "),
        ("data_dir = 1979-05-27\n".to_owned(), "data_dir in "),
        ("[agents.echo]\ncomponent = 1979-05-27\n".to_owned(), "component is a date or a time"),
        (format!("[agents.echo]\ncomponent = {private}\n"), "component has the wrong form"),
    ] {
        fs::write(&file, text).unwrap();
        chimera.refuses(3, &check, &[words]);
    }
}

#[test]
fn the_settings_are_shown_with_their_sources_and_without_secrets() {
    let chimera = Chimera::new();
    let shown = |arguments: &[&str]| {
        let mut command = chimera.command(arguments);
        let command =
            command.env("LAYER4_API_TOKEN", "0123456789abcdef").env("LAYER4_MAX_AGENTS", "3");
        let ended = Chimera::end(command);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(!ended.out.contains("0123456789abcdef"), "{}", ended.out);
        ended.out
    };
    let text = shown(&["config", "show", "--port", "7"]);
    for line in [
        "max_agents = 3  (LAYER4_MAX_AGENTS)",
        "metrics_port = 7  (--port)",
        "api_token = (secret)  (LAYER4_API_TOKEN)",
        "max_connections = 4096  (default)",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let shown: Value = serde_json::from_str(&shown(&["config", "show", "--json"])).unwrap();
    assert_eq!(shown["max_agents"]["value"], "3");
    assert_eq!(shown["drain_timeout_secs"]["source"], "default");
}

#[test]
fn declared_agents_are_shown_without_what_may_be_secret() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    let config = r#"
        otlp_endpoint = "http://me:hush@localhost:4318"
        [agents.echo]
        component = "echo\u001b[2J.wasm"
        instances = 0
        quota = { max_memory_mb = 77 }
        environment = { TOKEN = "hush" }
        parameters = { password = "hush" }
        folders = [{ host = "/srv", guest = "/data", access = "read-write" }]
        http = ["https://*.Example.com:443"]
        keyvalue = { max_mb = 8 }
        fresh = true
        tasks_per_instance = 7
    "#;
    let file = folder.join("chimera.toml");
    fs::write(&file, config).unwrap();
    let show = |more: &[&str]| {
        let mut arguments = vec!["config", "show", "--config", file.to_str().unwrap()];
        arguments.extend(more);
        let ended = chimera.run(&arguments);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(!ended.out.contains("hush") && !ended.out.contains('\u{1b}'), "{}", ended.out);
        ended.out
    };
    let text = show(&[]);
    for words in [
        "otlp_endpoint = http://(secret)@localhost:4318",
        "echo\\u{1b}[2J.wasm, 0 of it",
        "agents.echo.quota = max_cpu_cores 1, max_memory_mb 77",
        "agents.echo.environment = TOKEN\n",
        "agents.echo.parameters = password\n",
        "agents.echo.folders = /srv as /data (read-write)\n",
        "agents.echo.http = https://*.example.com\n",
        "agents.echo.keyvalue = max_mb 8\n",
        "agents.echo.fresh = true\n",
        "agents.echo.tasks_per_instance = 7\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let shown: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    let echo = &shown["agents"]["echo"];
    assert_eq!((&echo["instances"], &echo["fresh"]), (&0.into(), &true.into()));
    assert_eq!(echo["quota"]["max_memory_mb"], 77);
    assert_eq!(
        (&echo["environment"][0], &echo["parameters"][0]),
        (&"TOKEN".into(), &"password".into())
    );
    assert_eq!(echo["folders"][0]["guest"], "/data");
    assert_eq!(echo["http"][0], "https://*.example.com");
    assert_eq!(echo["keyvalue"]["max_mb"], 8);
}
