//! Turns what was typed into a task, a quota and grants.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use chimera_layer4_core::config::PartialQuota;
use chimera_layer4_core::{
    AgentConfig, FolderAccess, FolderGrant, Grants, HttpGrant, InstancePolicy, JsonText,
    KeyValueGrant, ResourceQuota, json,
};
use serde_json::Value;

use super::args::flags::GrantArgs;
use super::exit::BadInput;
use super::input;
use chimera_layer4_fabric::utils;

/// A payload is held in memory several times over; larger data belongs in a
/// granted folder.
const PAYLOAD_BYTES: u64 = 64 << 20;

/// The payload that `--task` names.
pub(super) async fn payload(typed: &str) -> anyhow::Result<JsonText> {
    let typed = typed.to_owned();
    input::patiently(move || read_payload(&typed)).await
}

fn read_payload(typed: &str) -> Result<JsonText, BadInput> {
    match typed.strip_prefix('@') {
        Some("") => Err(BadInput("--task @: a file's name follows the @".into())),
        Some(path) => from_file(Path::new(path)),
        None if typed == "-" => {
            let text = read(std::io::stdin().lock(), "--task -: standard input")?;
            read_json(&text, "--task -")
        }
        None => read_json(typed, "--task"),
    }
}

fn from_file(path: &Path) -> Result<JsonText, BadInput> {
    let name = format!("--task @{}", path.display());
    let text = read(input::open(path, &name)?, &name)?;
    let is_json = path.extension().is_none_or(|end| end.eq_ignore_ascii_case("json"));
    if is_json { read_json(&text, &name) } else { Ok(Value::String(text).into()) }
}

/// Reads all of a source; an error names it as `name`.
pub(super) fn read(source: impl Read, name: &str) -> Result<String, BadInput> {
    let mut text = String::new();
    let mut bounded = source.take(PAYLOAD_BYTES + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|error| BadInput(format!("{name} cannot be read as UTF-8 text: {error}")))?;
    if text.len() as u64 > PAYLOAD_BYTES {
        let most = PAYLOAD_BYTES >> 20;
        return Err(BadInput(format!(
            "{name} is larger than {most} MiB; grant its folder with --dir and name the file in the task"
        )));
    }
    Ok(text)
}

fn read_json(text: &str, origin: &str) -> Result<JsonText, BadInput> {
    JsonText::parse(text).map_err(|error| {
        let shown: String = text.trim().chars().take(60).collect();
        BadInput(format!(
            "{origin} is not JSON: {error}; it starts with {shown:?}. A text is quoted, like '\"text\"'"
        ))
    })
}

/// The quota of the agent: the defaults with what `--quota` replaced.
pub(super) fn quota(defaults: &ResourceQuota, typed: &[String]) -> Result<ResourceQuota, BadInput> {
    let (named, no_network) = named_quota(typed)?;
    let mut quota = named.or(defaults);
    if no_network {
        quota.max_network_mbps = None;
    }
    let complaints = quota.complaints();
    if complaints.is_empty() {
        Ok(quota)
    } else {
        Err(BadInput(format!("--quota: {}", complaints.join("; "))))
    }
}

/// What `--quota` names, and whether that is no network.
pub(super) fn named_quota(typed: &[String]) -> Result<(PartialQuota, bool), BadInput> {
    let (mut quota, mut no_network) = (PartialQuota::default(), false);
    let mut seen = BTreeSet::new();
    for pair in typed {
        let (key, value) = split(pair, "--quota", "KEY=VALUE")?;
        once(&mut seen, "--quota", key)?;
        let wrong = |what: &str| BadInput(format!("--quota {pair}: {value:?} is not {what}"));
        let whole = || value.parse().map_err(|_| wrong("a whole number"));
        match key {
            "cpu" | "max_cpu_cores" => {
                let cores = value.parse().map_err(|_| wrong("a number"))?;
                quota.max_cpu_cores = Some(cores);
            }
            "memory" | "max_memory_mb" => quota.max_memory_mb = Some(whole()?),
            "network" | "max_network_mbps" if value == "none" => no_network = true,
            "network" | "max_network_mbps" => {
                let rate = value.parse().map_err(|_| wrong("a number, or `none`"))?;
                quota.max_network_mbps = Some(rate);
            }
            "time" | "max_execution_time_secs" => quota.max_execution_time_secs = Some(whole()?),
            _ => {
                return Err(BadInput(format!(
                    "--quota {pair}: there is no quota {key:?}; the quotas are cpu, memory, time and network"
                )));
            }
        }
    }
    Ok((quota, no_network))
}

/// The agent as the flags describe it.
pub(super) fn agent(
    agent_type: &str,
    quota: ResourceQuota,
    grants: &GrantArgs,
    instances: InstancePolicy,
) -> Result<AgentConfig, BadInput> {
    let mut config = AgentConfig { instances, ..utils::agent_config(agent_type, quota) };
    let mut seen = BTreeSet::new();
    for pair in &grants.env {
        let (name, value) = split(pair, "--env", "NAME=VALUE")?;
        once(&mut seen, "--env", name)?;
        config.environment.insert(name.into(), value.into());
    }
    config.parameters = parameters(&grants.param)?;
    let folders = grants.dir.iter().map(|typed| folder(typed)).collect::<Result<Vec<_>, _>>()?;
    if let Some((_, message)) = FolderGrant::given_twice(&folders).into_iter().next() {
        return Err(BadInput(format!("--dir: {message}")));
    }
    let keyvalue = grants.keyvalue.map(|max_mb| KeyValueGrant { max_mb }.check());
    let keyvalue =
        keyvalue.transpose().map_err(|wrong| BadInput(format!("--keyvalue is {wrong}")))?;
    config.grants = Grants { folders, http: origins(&grants.http)?, keyvalue };
    Ok(config)
}

fn origins(typed: &[String]) -> Result<Vec<HttpGrant>, BadInput> {
    let mut seen = BTreeSet::new();
    let origin = |typed: &String| {
        let grant: HttpGrant =
            typed.parse().map_err(|error| BadInput(format!("--http {error}")))?;
        once(&mut seen, "--http", &grant.to_string())?;
        Ok(grant)
    };
    typed.iter().map(origin).collect()
}

pub(super) fn parameters(typed: &[String]) -> Result<BTreeMap<String, Value>, BadInput> {
    let mut parameters = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for pair in typed {
        let (name, value) = parameter("--param", pair)?;
        once(&mut seen, "--param", &name)?;
        parameters.insert(name, value);
    }
    Ok(parameters)
}

/// A parameter; a value that is not JSON is taken as text.
pub(super) fn parameter(flag: &str, pair: &str) -> Result<(String, Value), BadInput> {
    let (name, value) = split(pair, flag, "NAME=VALUE")?;
    let value = json::tree(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// The labels of a task.
pub(super) fn metadata(typed: &[String]) -> Result<BTreeMap<String, String>, BadInput> {
    let mut metadata = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for pair in typed {
        let (name, value) = split(pair, "--metadata", "KEY=VALUE")?;
        once(&mut seen, "--metadata", name)?;
        metadata.insert(name.to_owned(), value.to_owned());
    }
    Ok(metadata)
}

/// Of two values for one name, which counts would be a guess.
fn once(seen: &mut BTreeSet<String>, flag: &str, name: &str) -> Result<(), BadInput> {
    if seen.insert(name.to_owned()) {
        return Ok(());
    }
    Err(BadInput(format!("{flag}: {name:?} is given twice; give it once")))
}

fn folder(typed: &str) -> Result<FolderGrant, BadInput> {
    let mut parts = typed.split("::");
    let (host, guest, access, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    let shape = || {
        BadInput(format!(
            "--dir {typed}: the form is HOST::GUEST or HOST::GUEST::rw, like ./data::/data"
        ))
    };
    let (Some(host), Some(guest), None) = (host.filter(|h| !h.is_empty()), guest, rest) else {
        return Err(shape());
    };
    let access = match access {
        None | Some("ro") => FolderAccess::ReadOnly,
        Some("rw") => FolderAccess::ReadWrite,
        Some(_) => return Err(shape()),
    };
    if !guest.starts_with('/') || guest.split('/').any(|part| part == "..") {
        return Err(BadInput(format!(
            "--dir {typed}: {guest:?} is not a plain absolute path; the guest sees one like /data"
        )));
    }
    if !Path::new(host).is_dir() {
        return Err(BadInput(format!("--dir {typed}: there is no folder {host:?}")));
    }
    Ok(FolderGrant { host: PathBuf::from(host), guest: guest.to_owned(), access })
}

fn split<'a>(pair: &'a str, flag: &str, form: &str) -> Result<(&'a str, &'a str), BadInput> {
    pair.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| BadInput(format!("{flag} {pair:?}: the form is {form}")))
}
