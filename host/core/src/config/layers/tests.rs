//! Settings in a file, the environment and flags, and the complaints about wrong ones.

use super::super::resolve;
use super::*;

const FILE: &str = "chimera.toml";

fn file(text: &str) -> Layers {
    Layers::new().with_file(FILE, text).unwrap()
}

fn environment(pairs: &[(&str, &str)]) -> Layers {
    let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Layers::new().with_environment(pairs)
}

fn complaints(layers: &Layers) -> Vec<String> {
    resolve(layers).unwrap_err()
}

#[test]
fn a_value_says_where_it_was_typed() {
    let layers = file("max_agents = 2\nagent_timeout_secs = 3\nmax_store_mb = 100")
        .with_environment([("LAYER4_AGENT_TIMEOUT_SECS".to_owned(), "4".to_owned())])
        .with_flag("max_store_mb", "200".into(), "--max-store-mb");
    for (key, source) in [
        ("max_agents", "max_agents in chimera.toml"),
        ("agent_timeout_secs", "LAYER4_AGENT_TIMEOUT_SECS"),
        ("max_store_mb", "--max-store-mb"),
        ("log_dir", "default"),
    ] {
        assert_eq!(layers.source(key), source);
    }
    let config = resolve(&layers).unwrap();
    let read = (config.max_agents, config.agent_timeout_secs, config.queue.max_store_mb);
    assert_eq!(read, (2, 4, 200));
}

#[test]
fn a_date_or_an_array_is_no_setting() {
    let private = "{ \"$__toml_private_datetime\" = \"1979-05-27\" }";
    for (text, message) in [
        (
            "data_dir = 1979-05-27".to_owned(),
            "data_dir in chimera.toml is a date or a time; allowed is",
        ),
        ("log_dir = [\"/a\"]".to_owned(), "log_dir in chimera.toml is an array; allowed is"),
        (format!("data_dir = {private}"), "data_dir in chimera.toml: there is no such table"),
        ("key = 1979-05-27".to_owned(), "key in chimera.toml: no such setting"),
    ] {
        let said = complaints(&file(&text));
        let [one] = &said[..] else { panic!("{said:#?}") };
        assert!(one.contains(message), "{one}");
    }
}

#[test]
fn a_file_goes_under_what_was_there_before_it() {
    let layers = Layers::new()
        .with_flag("max_agents", "3".into(), "--max-agents")
        .with_file(FILE, "max_agents = 2")
        .unwrap();
    assert_eq!(layers.source("max_agents"), "--max-agents");
    assert_eq!(resolve(&layers).unwrap().max_agents, 3);
}

#[test]
fn the_file_is_named_once_there_is_one() {
    assert_eq!(Layers::new().file(), "");
    assert_eq!(file("").file(), FILE);
}

#[test]
fn a_complaint_begins_with_where_its_setting_was_typed() {
    let layers = environment(&[("LAYER4_BIND_ADDRESS", "0.0.0.0")]);
    for (complaint, shown) in [
        ("bind_address is 0.0.0.0, which", "LAYER4_BIND_ADDRESS is 0.0.0.0, which"),
        ("max_agents is 0", "max_agents is 0"),
        ("bind_address", "bind_address"),
    ] {
        assert_eq!(layers.with_origin(complaint.into()), shown);
    }
}

#[test]
fn values_of_each_kind_are_taken_as_their_text() {
    let layers = file(
        "debug_mode = true\nlog_dir = \"a b\"\nmax_agents = 7\n\
         [default_resource_quota]\nmax_cpu_cores = 0.5\nmax_network_mbps = \"none\"",
    );
    let config = resolve(&layers).unwrap();
    assert!(config.debug_mode);
    assert_eq!(config.telemetry.log_dir, Some("a b".into()));
    assert_eq!(config.max_agents, 7);
    assert_eq!(config.default_resource_quota.max_cpu_cores, 0.5);
    assert_eq!(config.default_resource_quota.max_network_mbps, None);
}

#[test]
fn a_key_that_is_no_setting_is_named_with_what_was_meant() {
    assert_eq!(
        complaints(&file("max_agent = 3")),
        ["max_agent in chimera.toml: no such setting; did you mean max_agents?"]
    );
    assert_eq!(
        complaints(&environment(&[("LAYER4_AGENTS_AT_ONCE", "3")])),
        ["LAYER4_AGENTS_AT_ONCE: no such setting; `chimera config show` lists them"]
    );
    let layers = Layers::new().with_flag("colour", "red".into(), "--colour");
    assert_eq!(
        complaints(&layers),
        ["--colour: no such setting; `chimera config show` lists them"]
    );
}

#[test]
fn variables_of_others_are_not_looked_at() {
    let layers = environment(&[
        ("HOME", "/root"),
        ("MAX_AGENTS", "x"),
        ("layer4_max_agents", "x"),
        ("", ""),
    ]);
    assert!(resolve(&layers).is_ok());
}

#[test]
fn a_table_that_is_none_of_ours_is_named_and_its_settings_are_not_read() {
    let layers = file("[limits]\nmax_agents = 3\n[default_resource_quota]\nmax_memory_mb = 9");
    assert_eq!(
        complaints(&layers),
        ["limits in chimera.toml: there is no such table; allowed are agents, \
             default_resource_quota"]
    );
    assert_eq!(layers.source("default_resource_quota.max_memory_mb").split(' ').count(), 3);
    assert_eq!(
        complaints(&file("[agent.echo]\nx = 1")),
        ["agent in chimera.toml: there is no such table; did you mean agents?"]
    );
}

#[test]
fn agents_are_tables() {
    assert_eq!(
        complaints(&file("agents = 3")),
        ["agents in chimera.toml: allowed are tables, one for each agent type, as [agents.echo]"]
    );
    let layers = file("[agents.a]\ncomponent = \"a.wasm\"\n[agents.b]");
    let names: Vec<&String> = layers.agents.keys().collect();
    assert_eq!(names, ["a", "b"]);
    assert!(resolve(&layers).is_ok(), "agents are no settings");
}

/// The line itself may hold a token.
#[test]
fn a_file_that_is_not_toml_is_answered_with_the_line_and_not_its_text() {
    for (text, line) in [
        ("api_token = hush", "line 1: "),
        ("max_agents = 2\n\napi_token = hush", "line 3: "),
        ("a = 1\na = 2 # hush", "line 2: "),
    ] {
        let error = Layers::new().with_file(FILE, text).unwrap_err().to_string();
        let expected = format!("chimera.toml is not valid TOML: {line}");
        assert!(error.starts_with(&expected) && error.len() > expected.len(), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn a_file_whose_values_take_too_much_is_not_read() {
    let text = format!("x = [{}]", "{},".repeat(1 << 19));
    let error = Layers::new().with_file(FILE, &text).unwrap_err();
    let InvalidFile::TooMuch { mib, most, .. } = &error else { panic!("{error}") };
    assert!(mib > most, "{error}");
    assert!(error.to_string().starts_with("the values of chimera.toml would take"), "{error}");
}
