//! `docs/src/settings.md`: its tables are made from those in the code.

use std::fs;

use chimera_layer4::fabric::FabricConfig;
use chimera_layer4::fabric::config::{AGENT_KEYS, AgentKey, PARTS, SETTINGS, Setting};

use crate::cli::Chimera;
use crate::harness::root;

const PAGE: &str = "docs/src/settings.md";
const UPDATE: &str = "UPDATE_DOCS=1 cargo test --workspace --test system -- settings_page";

/// With `UPDATE_DOCS` set, the page is written; without it, it must be as it would be.
#[test]
fn the_page_has_what_the_tables_in_the_code_say() {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let made = between(&page, "settings", &settings());
    let made = between(&made, "keys of agents", &keys_of_agents());
    if is_update() {
        fs::write(&path, &made).unwrap();
    }
    assert!(page == made || is_update(), "{PAGE} is out of date: run `{UPDATE}`");
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
pub(crate) fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

#[test]
fn the_program_has_the_flags_of_the_settings() {
    let help = Chimera::new().run(&["--help"]).out;
    let flags: Vec<&str> = SETTINGS.iter().filter_map(|setting| setting.flag).collect();
    assert_eq!(flags.len(), 3);
    for flag in flags {
        assert!(help.contains(&format!(" {flag} ")), "{flag}\n{help}");
    }
}

/// The page with what is between two comments replaced.
fn between(page: &str, name: &str, text: &str) -> String {
    let begin = format!("<!-- Made from the code by a test: {name} -->\n");
    let end = format!("\n<!-- End of {name} -->");
    let (before, rest) = page.split_once(&begin).expect("the page has the comment");
    let (_, after) = rest.split_once(&end).expect("the page has the comment at the end");
    format!("{before}{begin}{text}{end}{after}")
}

fn settings() -> String {
    let mut text = String::new();
    for part in PARTS {
        text += &format!("\n### {}\n\n", part.title);
        text += "| `chimera.toml` | variable | default | allowed | what it is |\n";
        text += "| --- | --- | --- | --- | --- |\n";
        text.extend(part.settings.iter().map(row));
    }
    let reloads: Vec<String> = SETTINGS
        .iter()
        .filter(|setting| setting.reloads)
        .map(|setting| format!("`{}`", setting.key))
        .collect();
    text + &match reloads.as_slice() {
        [] => "\nA reload changes none of these settings. They need a restart.\n".to_owned(),
        some => format!("\nA reload changes {}. The others need a restart.\n", some.join(", ")),
    }
}

fn row(setting: &Setting) -> String {
    let Setting { key, variable, flag, help, allowed, default_note, show, .. } = setting;
    let default = match show(&FabricConfig::default()).as_str() {
        "" | "none" => "none".to_owned(),
        value => format!("`{value}`"),
    };
    let flag = flag.map(|flag| format!(" Flag: `{flag}`.")).unwrap_or_default();
    format!("| `{key}` | `{variable}` | {default}{default_note} | {allowed} | {help}{flag} |\n")
}

fn keys_of_agents() -> String {
    let inner = AGENT_KEYS.iter().flat_map(|table| {
        table.keys.iter().map(|key| line(&format!("`{}` in `{}`", key.key, table.key), key))
    });
    let outer = AGENT_KEYS.iter().map(|key| line(&format!("`{}`", key.key), key));
    let head =
        "| key | what it is | values | default | example |\n| --- | --- | --- | --- | --- |\n";
    let (outer, inner): (String, String) = (outer.collect(), inner.collect());
    format!("{head}{outer}\nThese are the keys of the tables in it.\n\n{head}{inner}")
}

fn line(name: &str, key: &AgentKey) -> String {
    let AgentKey { help, allowed, default, example, .. } = key;
    format!("| {name} | {help} | {allowed} | {} | `{example}` |\n", default())
}
