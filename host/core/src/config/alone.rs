//! An agent type that is declared alone: by a file beside its component, or in JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::AgentDeclaration;
use super::declared::{bad_name, declaration};
use super::reader::Reader;
use super::toml_file::{self, NotToml};
use super::weight::too_much;
use crate::json::Tree;
use crate::telemetry::shown;
use crate::{Digest, ResourceQuota};

/// An agent type that a file of its own declares: the text has the keys of `[agents.NAME]`
/// but for `component`.
///
/// # Errors
/// Every complaint at once.
pub fn declared_alone(
    name: &str,
    component: PathBuf,
    file: &str,
    text: &str,
    defaults: &ResourceQuota,
) -> Result<AgentDeclaration, Vec<String>> {
    if let Some((mib, most)) = too_much(text) {
        return Err(vec![format!(
            "the values of {file} would take some {mib} MiB of memory; allowed are {most} for it"
        )]);
    }
    let table = toml_file::table(text)
        .map_err(|NotToml(reason)| vec![format!("{file} is not valid TOML: {reason}")])?;
    alone(name, component, &shown(file), table, defaults)
}

/// An agent type that is declared in JSON: an object with the keys of `[agents.NAME]` but
/// for `component`.
///
/// # Errors
/// Every complaint at once.
pub fn declared_in_json(
    name: &str,
    component: Digest,
    settings: &BTreeMap<String, Tree>,
    defaults: &ResourceQuota,
) -> Result<AgentDeclaration, Vec<String>> {
    let settings = settings.iter().map(|(name, Tree(value))| (name, value));
    let table = members("", settings).map_err(|complaint| vec![complaint])?;
    alone(name, component.to_string().into(), "settings", table, defaults)
}

fn alone(
    name: &str,
    component: PathBuf,
    place: &str,
    mut table: Table,
    defaults: &ResourceQuota,
) -> Result<AgentDeclaration, Vec<String>> {
    let mut complaints = bad_name(name);
    if table.contains_key("component") {
        complaints.push(format!(
            "the key `component` is not allowed here: the component is {}",
            component.display()
        ));
    }
    // A placeholder, which is read as any other and then replaced.
    table.insert("component".into(), Value::String("-".into()));
    let mut reader = Reader { table, within: String::new(), complaints };
    let declaration = AgentDeclaration { component, ..declaration(&mut reader, Path::new("")) };
    let quota = declaration.quota.or(defaults).complaints();
    reader.complaints.extend(quota.into_iter().map(|message| format!("quota.{message}")));
    if reader.complaints.is_empty() {
        return Ok(declaration);
    }
    Err(reader.complaints.into_iter().map(|message| format!("{place}: {message}")).collect())
}

fn members<'a>(
    within: &str,
    object: impl Iterator<Item = (&'a String, &'a serde_json::Value)>,
) -> Result<Table, String> {
    let member = |(name, value): (&'a String, &'a serde_json::Value)| {
        Ok((name.clone(), in_toml(&format!("{within}{name}"), value)?))
    };
    object.map(member).collect()
}

fn in_toml(place: &str, value: &serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => {
            return Err(format!("{} is null; leave the key out", shown(place)));
        }
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            // As a fraction it would be another number.
            (None, Some(fraction)) if !number.is_u64() => Value::Float(fraction),
            (None, _) => {
                return Err(format!(
                    "settings: {} has the wrong form: {number} is a whole number that is too \
                     large; allowed are {} to {}, or the number as text",
                    shown(place),
                    i64::MIN,
                    i64::MAX
                ));
            }
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            let item = |(index, item)| in_toml(&format!("{place}[{index}]"), item);
            Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Json::Object(object) => Value::Table(members(&format!("{place}."), object.iter())?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Layers, declared};
    use super::*;

    #[test]
    fn a_file_of_its_own_declares_all_but_the_component() {
        let quota = ResourceQuota::default();
        let alone = |name: &str, text: &str| {
            declared_alone(name, "/agents/a.wasm".into(), "/agents/a.toml", text, &quota)
        };
        let plain = alone("a", "").unwrap();
        assert_eq!((plain.component.as_path(), plain.instances), (Path::new("/agents/a.wasm"), 1));
        assert_eq!(plain.grants, crate::Grants::default());
        let said = alone("a", "instances = 2\nhttp = [\"https://a.example\"]").unwrap();
        assert_eq!((said.instances, said.grants.http.len()), (2, 1));
        for (name, text, expected) in [
            ("a", "component = \"b\"", "/agents/a.toml: the key `component` is not allowed here"),
            ("a", "memory = 3", "/agents/a.toml: unknown field `memory`"),
            ("a", "quota = { max_memory_mb = 0 }", "/agents/a.toml: quota.max_memory_mb is 0"),
            ("a", "instances = ", "/agents/a.toml is not valid TOML: line 1"),
            ("", "", "the name has 0 bytes"),
        ] {
            let complaints = alone(name, text).unwrap_err();
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].contains(expected), "{complaints:?}");
        }
    }

    #[test]
    fn a_document_declares_as_a_table_does() {
        let genome = Digest::of(b"");
        let in_json = |settings: serde_json::Value| {
            let settings = settings.as_object().cloned().unwrap().into_iter();
            let settings = settings.map(|(name, value)| (name, Tree(value))).collect();
            declared_in_json("a", genome, &settings, &ResourceQuota::default())
        };
        let digest = genome.to_string();
        let text = format!(
            "[agents.a]\ncomponent = {digest:?}\ninstances = 2\nquota = {{ max_cpu_cores = 0.5 }}\n\
             parameters = {{ a = [1, {{ b = true }}] }}\n\
             folders = [{{ host = \"/data\", guest = \"/in\" }}]"
        );
        let layers = Layers::new().with_file("chimera.toml", &text).unwrap();
        let said = in_json(serde_json::json!({
            "instances": 2,
            "quota": { "max_cpu_cores": 0.5 },
            "parameters": { "a": [1, { "b": true }] },
            "folders": [{ "host": "/data", "guest": "/in" }],
        }));
        assert_eq!(said.unwrap(), declared(&layers, &ResourceQuota::default(), 10).unwrap()["a"]);
        for (settings, expected) in [
            (serde_json::json!({ "parameters": { "a": [null] } }), "parameters.a[0] is null"),
            (
                serde_json::json!({ "parameters": { "a": [{ "b": 9_223_372_036_854_775_808_u64 }] } }),
                "parameters.a[0].b has the wrong form: 9223372036854775808 is a whole number that \
                 is too large; allowed are -9223372036854775808 to 9223372036854775807",
            ),
            (serde_json::json!({ "instances": -1 }), "settings: instances has the wrong form"),
            (
                serde_json::json!({ "instances": u64::MAX }),
                "settings: instances has the wrong form",
            ),
        ] {
            let complaints = in_json(settings).unwrap_err();
            assert!(complaints.len() == 1 && complaints[0].contains(expected), "{complaints:?}");
        }
    }
}
