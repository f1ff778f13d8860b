//! Holds a component's world against the contract.
//!
//! Linking alone is not conformance: a component whose `task` record lacks a
//! field links and then fails at its first call. So every function and type
//! of the exported interface is compared before anything runs. What a
//! component imports is type-checked by the engine's linker, which knows what
//! this host really offers.

use wit_parser::{Function, Interface, Resolve, WorldId, WorldItem};

use super::types::compare;
use super::wit::FILES;
pub use super::wit::VERSION;

const NAMESPACE: &str = "chimera";
const PACKAGE: &str = "agent";
/// What every agent exports.
const LIFECYCLE: &str = "lifecycle";
/// What an agent may export beside it.
const STATE: &str = "state";

/// Every way in which the world of a component falls short of the contract,
/// and the contract version that it was built for, if it names one.
pub(super) fn conformance(component: &Resolve, world: WorldId) -> (Option<String>, Vec<String>) {
    let contract = match contract() {
        Ok(contract) => contract,
        Err(error) => {
            return (None, vec![format!("the host's own contract does not parse: {error:#}")]);
        }
    };
    let Some((version, lifecycle)) = exported(component, world, LIFECYCLE) else {
        return (None, vec![missing_export(component, world)]);
    };
    let mut reasons = compare_interface(&contract, component, (&version, lifecycle));
    if let Some((version, state)) = exported(component, world, STATE) {
        let differences = compare_interface(&contract, component, (&version, state));
        reasons.extend(differences.iter().map(|reason| format!("interface `state`: {reason}")));
    }
    (Some(version), reasons)
}

/// How an exported interface differs from the contract's of the same name.
fn compare_interface(
    contract: &Resolve,
    component: &Resolve,
    (version, found): (&str, &Interface),
) -> Vec<String> {
    if !compatible(version) {
        let reason = format!("it is built for chimera:agent@{version}, and this host speaks 0.1.x");
        return vec![reason];
    }
    let wanted = found.name.as_deref().and_then(|name| interface(contract, name));
    let Some(wanted) = wanted else {
        return vec![format!("the host's own contract has no {:?}", found.name)];
    };
    let mut reasons = Vec::new();
    for function in wanted.functions.values() {
        match found.functions.get(&function.name) {
            Some(have) => compare_function((contract, function), (component, have), &mut reasons),
            None => reasons.push(format!("function `{}` is missing", function.name)),
        }
    }
    reasons
}

fn contract() -> anyhow::Result<Resolve> {
    let mut resolve = Resolve::default();
    let mut files = wit_parser::SourceMap::default();
    for (name, text) in FILES {
        files.push_str(name, text);
    }
    let group = files.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
    resolve.push_group(group)?;
    Ok(resolve)
}

fn interface<'a>(resolve: &'a Resolve, name: &str) -> Option<&'a Interface> {
    resolve.interfaces.iter().map(|(_, i)| i).find(|i| i.name.as_deref() == Some(name))
}

fn exported<'a>(
    component: &'a Resolve,
    world: WorldId,
    name: &str,
) -> Option<(String, &'a Interface)> {
    let exports = component.worlds.get(world)?.exports.values();
    exports.into_iter().find_map(|item| {
        let WorldItem::Interface { id, .. } = item else { return None };
        let interface = component.interfaces.get(*id)?;
        let package = &component.packages.get(interface.package?)?.name;
        let ours = package.namespace == NAMESPACE
            && package.name == PACKAGE
            && interface.name.as_deref() == Some(name);
        ours.then(|| {
            (package.version.as_ref().map_or_else(String::new, ToString::to_string), interface)
        })
    })
}

fn missing_export(component: &Resolve, world: WorldId) -> String {
    let names: Vec<String> = component
        .worlds
        .get(world)
        .map(|world| {
            world.exports.keys().map(|key| component.name_world_key(key)).take(10).collect()
        })
        .unwrap_or_default();
    let found = if names.is_empty() { "nothing".into() } else { names.join(", ") };
    format!("interface `chimera:agent/lifecycle` is not exported; it exports {found}")
}

/// Below 1.0 the minor version is the one that breaks.
fn compatible(version: &str) -> bool {
    version.starts_with("0.1.") && !version.contains('-')
}

fn compare_function(
    (contract, wanted): (&Resolve, &Function),
    (component, found): (&Resolve, &Function),
    into: &mut Vec<String>,
) {
    let name = &wanted.name;
    if wanted.params.len() != found.params.len() {
        let (have, want) = (found.params.len(), wanted.params.len());
        return into.push(format!("function `{name}` has {have} parameters, expected {want}"));
    }
    for (want, have) in wanted.params.iter().zip(&found.params) {
        let path = format!("function `{name}`, parameter {}", want.name);
        compare((contract, want.ty), (component, have.ty), &path, into);
    }
    match (wanted.result, found.result) {
        (Some(want), Some(have)) => {
            let path = format!("function `{name}`, result");
            compare((contract, want), (component, have), &path, into);
        }
        (None, None) => {}
        (Some(_), None) => into.push(format!("function `{name}` returns nothing")),
        (None, Some(_)) => {
            into.push(format!("function `{name}` returns something, expected nothing"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract with one text replaced, held against the contract: with all
    /// that an agent may export.
    fn reasons_after(from: &str, to: &str) -> Vec<String> {
        reasons_of("stateful-agent", from, to)
    }

    fn reasons_of(world: &str, from: &str, to: &str) -> Vec<String> {
        let mut resolve = Resolve::default();
        let mut files = wit_parser::SourceMap::default();
        let mut replaced = 0;
        for (name, text) in FILES {
            replaced += text.matches(from).count();
            files.push_str(name, text.replace(from, to));
        }
        assert!(from == to || replaced > 0, "{from:?} is not in the contract");
        let group = files.parse().map_err(|(_, error)| error).unwrap();
        resolve.push_group(group).unwrap();
        let world = resolve.worlds.iter().find(|(_, found)| found.name == world).unwrap().0;
        conformance(&resolve, world).1
    }

    #[test]
    fn the_contract_meets_itself_with_and_without_the_optional_part() {
        for world in ["agent", "stateful-agent"] {
            assert_eq!(reasons_of(world, "", ""), Vec::<String>::new());
        }
    }

    #[test]
    fn each_difference_is_named() {
        for (from, to, reason) in [
            ("health: func() -> agent-health;", "", "function `health` is missing"),
            ("attempt: u32,", "", "function `execute-task`, parameter task has no field `attempt`"),
            (
                "attempt: u32,",
                "attempt: u64,",
                "function `execute-task`, parameter task.attempt is `u64`, expected `u32`",
            ),
            (
                "invalid-input(string),",
                "",
                "function `init`, result.err has no case `invalid-input`",
            ),
            (
                "capabilities: func() -> agent-capabilities;",
                "capabilities: func();",
                "function `capabilities` returns nothing",
            ),
            (
                "shutdown: func()",
                "shutdown: func(now: bool)",
                "function `shutdown` has 1 parameters, expected 0",
            ),
            (
                "@0.1.0;",
                "@0.2.0;",
                "it is built for chimera:agent@0.2.0, and this host speaks 0.1.x",
            ),
            (
                "restore: func(state: list<u8>)",
                "restore: func(state: string)",
                "interface `state`: function `restore`, parameter state is `string`, expected a list",
            ),
            (
                "save: func() -> result<list<u8>, agent-error>;",
                "",
                "interface `state`: function `save` is missing",
            ),
            (
                "export lifecycle;",
                "",
                "interface `chimera:agent/lifecycle` is not exported; it exports \
                 chimera:agent/state@0.1.0",
            ),
        ] {
            let reasons = reasons_after(from, to);
            assert!(reasons.iter().any(|r| r == reason), "{reason}\n{reasons:#?}");
        }
    }

    #[test]
    fn all_differences_come_at_once() {
        assert!(reasons_after("string", "char").len() > 5);
    }
}
