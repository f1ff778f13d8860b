//! From the file's tables to agent declarations: one pass that collects every
//! complaint, of every agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Value;

use super::agent_keys::{AGENT_KEYS, OF_THE_QUOTA};
use super::agents::{AgentDeclaration, PartialQuota};
use super::layers::Layers;
use super::parts::capabilities::GRANT_KEYS;
use super::reader::Reader;
use crate::json::Tree;
use crate::scheduler::submission::MOST_NAME_BYTES;
use crate::telemetry::shown;
use crate::{Digest, Grants, ResourceQuota};

/// A name that is far too long is not repeated in full.
const SHOWN_CHARS: usize = 100;

/// The agents that the file declares, by type.
///
/// # Errors
/// Every complaint at once.
pub fn declared(
    layers: &Layers,
    defaults: &ResourceQuota,
    max_agents: usize,
) -> Result<BTreeMap<String, AgentDeclaration>, Vec<String>> {
    let (mut declared, mut complaints, mut agents) = (BTreeMap::new(), Vec::new(), 0);
    let beside = Path::new(&layers.file).parent().unwrap_or(Path::new(""));
    for (name, typed) in &layers.agents {
        let Value::Table(table) = typed.clone() else {
            complaints.push(format!("{}: allowed is a table", origin(name, layers)));
            continue;
        };
        let mut reader = Reader { table, within: String::new(), complaints: bad_name(name) };
        let one = declaration(&mut reader, beside);
        agents += one.instances as usize;
        let quota = one.quota.or(defaults).complaints();
        reader.complaints.extend(quota.into_iter().map(|message| format!("quota.{message}")));
        let said = reader.complaints.into_iter();
        complaints.extend(said.map(|message| format!("{}: {message}", origin(name, layers))));
        declared.insert(name.clone(), one);
    }
    if agents > max_agents {
        complaints.push(format!(
            "{} declares {agents} agents, and `max_agents` is {max_agents}; raise it",
            layers.file
        ));
    }
    if complaints.is_empty() { Ok(declared) } else { Err(complaints) }
}

fn origin(name: &str, layers: &Layers) -> String {
    let name: String = name.chars().take(SHOWN_CHARS).collect();
    shown(&format!("agents.{name} in {}", layers.file))
}

/// What is wrong with the name of an agent type, which becomes a label, a header and a line of
/// a terminal.
#[must_use]
pub fn bad_name(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let bytes = name.len();
    if !(1..=MOST_NAME_BYTES).contains(&bytes) {
        wrong.push(format!("the name has {bytes} bytes; allowed is 1 to {MOST_NAME_BYTES}"));
    }
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        wrong.push(format!("the name has the control character {c:?}; leave it out"));
    }
    wrong
}

pub(super) fn declaration(reader: &mut Reader, beside: &Path) -> AgentDeclaration {
    let declaration = AgentDeclaration {
        component: component(reader, beside),
        instances: instances(reader),
        quota: quota(reader),
        environment: environment(reader),
        parameters: parameters(reader),
        grants: grants(reader),
        fresh: reader.take("fresh").unwrap_or_default(),
        tasks_per_instance: reader.take("tasks_per_instance"),
    };
    let of_the_quota = OF_THE_QUOTA.map(|inner| format!("quota.{}", inner.key));
    reader.complain_of_the_rest(&AGENT_KEYS, &of_the_quota);
    declaration
}

fn grants(reader: &mut Reader) -> Grants {
    let mut granted = Grants::default();
    for grant in GRANT_KEYS {
        (grant.read)(reader, &mut granted);
    }
    granted
}

/// One by default. A wrong value counts as none, since it has its own complaint.
fn instances(reader: &mut Reader) -> u32 {
    if !reader.table.contains_key("instances") {
        return 1;
    }
    reader.take("instances").unwrap_or_default()
}

fn component(reader: &mut Reader, beside: &Path) -> PathBuf {
    let typed: Option<String> = reader.required("component");
    if typed.as_ref().is_some_and(String::is_empty) {
        reader.complain("component", "is empty; give a file, or the digest of a genome".into());
    }
    let typed = typed.unwrap_or_default();
    if !typed.starts_with("sha256:") {
        return beside.join(typed);
    }
    if let Err(error) = typed.parse::<Digest>() {
        reader.complaints.push(format!("component {error}"));
    }
    typed.into()
}

fn quota(reader: &mut Reader) -> PartialQuota {
    let table = reader.take_table("quota").unwrap_or_default();
    reader.inside("quota.", table, |quota| {
        let read = PartialQuota {
            max_cpu_cores: quota.take("max_cpu_cores"),
            max_memory_mb: quota.take("max_memory_mb"),
            max_execution_time_secs: quota.take("max_execution_time_secs"),
            max_network_mbps: quota.take("max_network_mbps"),
        };
        quota.complain_of_the_rest(&OF_THE_QUOTA, &[]);
        read
    })
}

/// The values may be secrets: no complaint repeats one.
fn environment(reader: &mut Reader) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(value) = reader.table.remove("environment") else { return variables };
    let Value::Table(table) = value else {
        reader.complaints.push("environment: allowed is a table, as { MODE = \"fast\" }".into());
        return variables;
    };
    for (name, value) in table {
        if name.is_empty() || name.contains(['=', '\0']) {
            reader.complaints.push(format!(
                "environment: a variable's name is {name:?}; allowed is one that is not empty and \
                 has neither `=` nor NUL in it"
            ));
        }
        match value {
            Value::String(value) => drop(variables.insert(name, value)),
            _ => reader.complaints.push(format!(
                "environment.{}: allowed is text; put the value in quotes",
                shown(&name)
            )),
        }
    }
    variables
}

fn parameters(reader: &mut Reader) -> BTreeMap<String, serde_json::Value> {
    let named: BTreeMap<String, Tree> = reader.take("parameters").unwrap_or_default();
    named.into_iter().map(|(name, Tree(value))| (name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentId, InstancePolicy, KeyValueGrant};

    fn read(text: &str) -> Result<BTreeMap<String, AgentDeclaration>, Vec<String>> {
        let layers = Layers::new().with_file("/etc/chimera/chimera.toml", text).unwrap();
        declared(&layers, &ResourceQuota::default(), 10)
    }

    #[track_caller]
    fn refuses(text: &str, expected: &[&str]) {
        let complaints = read(text).unwrap_err();
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        let all = complaints.join("\n");
        for message in expected {
            assert!(all.contains(message), "{message}\n{all}");
        }
    }

    #[test]
    fn an_agent_is_declared_with_what_it_needs_and_the_rest_at_its_default() {
        let text = r#"
            [agents.echo]
            component = "echo.wasm"
            [agents.analyst]
            component = "/opt/analyst.wasm"
            instances = 2
            quota = { max_memory_mb = 64 }
            environment = { MODE = "fast" }
            parameters = { threshold = 3, names = ["a"] }
            folders = [{ host = "/data", guest = "/in" }]
            http = ["https://*.example.com", "http://127.0.0.1:8080"]
            keyvalue = { max_mb = 4 }
            fresh = true
        "#;
        let agents = read(text).unwrap();
        let echo = &agents["echo"];
        assert_eq!(echo.component, Path::new("/etc/chimera/echo.wasm"));
        assert_eq!((echo.instances, echo.fresh), (1, false));
        let analyst = &agents["analyst"];
        assert_eq!(analyst.component, Path::new("/opt/analyst.wasm"));
        let id = AgentId::from(uuid::Uuid::nil());
        let config = analyst.config("analyst", id, &ResourceQuota::default());
        assert_eq!(config.resource_quota.max_memory_mb, 64);
        assert_eq!(config.resource_quota.max_cpu_cores, 1.0);
        assert_eq!(config.instances, InstancePolicy::Fresh);
        assert_eq!(config.parameters["names"], serde_json::json!(["a"]));
        assert_eq!(config.environment["MODE"], "fast");
        assert_eq!(config.grants.folders.len(), 1);
        let origins: Vec<_> = config.grants.http.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://*.example.com", "http://127.0.0.1:8080"]);
        assert_eq!(config.grants.keyvalue, Some(KeyValueGrant { max_mb: 4 }));
        assert_eq!(echo.grants, Grants::default());
    }

    #[test]
    fn a_component_is_a_file_or_a_digest_and_none_starts_on_demand() {
        let digest = Digest::of(b"").to_string();
        let text = format!("[agents.one]\ncomponent = {digest:?}\ninstances = 0");
        let agents = read(&text).unwrap();
        assert_eq!(agents["one"].component, Path::new(&digest));
        assert_eq!(agents["one"].instances, 0);
        refuses(
            "[agents.one]\ncomponent = \"sha256:12\"",
            &["agents.one in /etc/chimera/chimera.toml: component \"sha256:12\" is not a digest"],
        );
        refuses("[agents.one]\ncomponent = \"\"", &["component is empty; give a file"]);
    }

    #[test]
    fn every_complaint_names_its_agent() {
        let text = r#"
            [agents]
            none = 3
            [agents.one]
            instances = -1
            fresh = "yes"
            [agents.two]
            component = "two.wasm"
            memory = 3
            limits = { memory = 64 }
            max_memory_mb = 64
            [agents.three]
            component = "three.wasm"
            instances = 11
            quota = { max_memory_mb = 0, max_cpu_core = 1 }
        "#;
        refuses(
            text,
            &[
                "agents.none in /etc/chimera/chimera.toml: allowed is a table",
                "agents.one in /etc/chimera/chimera.toml: missing field `component`",
                "agents.one in /etc/chimera/chimera.toml: instances has the wrong form: invalid value",
                "agents.one in /etc/chimera/chimera.toml: fresh has the wrong form: invalid type",
                "agents.two in /etc/chimera/chimera.toml: unknown field `memory`; allowed are component, instances, quota,",
                "agents.two in /etc/chimera/chimera.toml: unknown field `limits`; allowed are component",
                "unknown field `max_memory_mb`; did you mean quota.max_memory_mb?",
                "agents.three in /etc/chimera/chimera.toml: quota.max_memory_mb is 0",
                "unknown field `quota.max_cpu_core`; did you mean max_cpu_cores?",
                "declares 12 agents, and `max_agents` is 10",
            ],
        );
        let error = Layers::new().with_file("chimera.toml", "agents = 3").unwrap();
        assert!(super::super::resolve(&error).is_err());
    }

    #[test]
    fn a_private_key_of_the_parsers_is_a_key() {
        let text = r#"
            [agents.one]
            component = "one.wasm"
            parameters = { a = { "$__toml_private_datetime" = "1979-05-27" }, b = [{ "$__toml_private_datetime" = "xx" }] }
        "#;
        let key = "$__toml_private_datetime";
        let named = &read(text).unwrap()["one"].parameters;
        assert_eq!(named["a"], serde_json::json!({ key: "1979-05-27" }));
        assert_eq!(named["b"], serde_json::json!([{ key: "xx" }]));
        for (field, message) in [
            ("component", "component has the wrong form"),
            ("http", "http has the wrong form"),
            ("quota", "unknown field `quota.$__toml_private_datetime`"),
            ("keyvalue", "unknown field `keyvalue.$__toml_private_datetime`"),
            ("folders", "folders has the wrong form"),
            ("environment.A", "environment.A: allowed is text"),
        ] {
            let component = if field == "component" { "" } else { "component = \"one.wasm\"\n" };
            let text =
                format!("[agents.one]\n{component}{field} = {{ \"{key}\" = \"1979-05-27\" }}");
            refuses(&text, &[message]);
        }
    }

    #[test]
    fn a_date_is_no_text() {
        for (line, message) in [
            ("component = 1979-05-27", "component is a date or a time, which is not allowed here"),
            ("component = \"a\"\nhttp = [07:32:00]", "http is a date or a time"),
            ("component = \"a\"\nquota = 1979-05-27", "quota is a date or a time"),
            ("component = \"a\"\ninstances = 1979-05-27", "instances is a date or a time"),
            (
                "component = \"a\"\nenvironment = { A = 1979-05-27 }",
                "environment.A: allowed is text",
            ),
            (
                "component = \"a\"\nfolders = [{ host = 1979-05-27, guest = \"/a\" }]",
                "folders[0].host is a date or a time",
            ),
        ] {
            refuses(&format!("[agents.one]\n{line}"), &[message]);
        }
    }

    #[test]
    fn names_fit_where_they_are_used() {
        let long = "x".repeat(257);
        let text = format!(
            "[agents.\"\"]\ncomponent = \"a\"\n[agents.{long}]\ncomponent = \"a\"\n\
             [agents.\"a\\u001b[2J\"]\ncomponent = \"a\"\n\
             environment = {{ \"\" = \"\", \"A=B\" = \"\", \"C\\u0000\" = \"\", PIN = 1234 }}"
        );
        refuses(
            &text,
            &[
                "the name has 0 bytes; allowed is 1 to 256",
                "the name has 257 bytes; allowed is 1 to 256",
                "agents.a\\u{1b}[2J in /etc/chimera/chimera.toml: the name has the control",
                "a variable's name is \"\"; allowed",
                "a variable's name is \"A=B\"; allowed",
                "a variable's name is \"C\\0\"; allowed",
                "environment.PIN: allowed is text",
            ],
        );
        assert!(!read(&text).unwrap_err().join("\n").contains("1234"), "it may be a secret");
    }

    #[test]
    fn folders_are_absolute_on_both_sides() {
        let text = r#"
            [agents.one]
            component = "one.wasm"
            folders = [
                { host = "data", guest = "data" },
                { host = "/data", guest = "/in/../out", acess = "read-only" },
                { host = "/data", access = "all" },
            ]
        "#;
        refuses(
            text,
            &[
                "folders[0].host is \"data\"; allowed is an absolute path",
                "folders[0].guest is \"data\"; allowed is a plain absolute path",
                "folders[1].guest is \"/in/../out\"; allowed is a plain absolute path",
                "unknown field `folders[1].acess`; did you mean access?",
                "missing field `folders[2].guest`",
                "folders[2].access has the wrong form: unknown variant `all`",
            ],
        );
    }

    #[test]
    fn a_path_of_the_guest_is_one_folder() {
        let text = r#"
            [agents.one]
            component = "one.wasm"
            folders = [
                { host = "/tmp", guest = "/a" },
                { host = "/srv" },
                { host = "/etc", guest = "/a" },
                { host = "/opt", guest = "//a/./" },
                { host = "/opt", guest = "/a/b" },
            ]
        "#;
        refuses(
            text,
            &[
                "missing field `folders[1].guest`",
                "folders[2].guest: \"/a\" is given twice; give it once",
                "folders[3].guest: \"//a/./\" is given twice; give it once",
            ],
        );
    }

    #[test]
    fn what_is_granted_is_an_origin() {
        let text = "[agents.one]\ncomponent = \"one.wasm\"\n\
                    http = [\"https://a.org\", \"example.com\", \"https://b.org/v1\"]";
        refuses(
            text,
            &[
                "http[1] \"example.com\" is no origin: it has no scheme; give one like https://",
                "http[2] \"https://b.org/v1\" is no origin: \"/v1\" is too much",
            ],
        );
    }

    #[test]
    fn an_unknown_table_is_one_complaint_with_the_name_that_was_meant() {
        let layers = Layers::new();
        let text = "[agnts.echo]\ncomponent = \"echo.wasm\"\ninstances = 2";
        let layers = layers.with_file("chimera.toml", text).unwrap();
        assert_eq!(
            super::super::resolve(&layers).unwrap_err(),
            ["agnts in chimera.toml: there is no such table; did you mean agents?"]
        );
    }
}
