//! Holds a component's world against the contract.
//!
//! Linking alone is not conformance: a component whose `task` record lacks a
//! field links and then fails at its first call. So every function and type
//! of the contract's interfaces, exported or imported, is compared before
//! anything runs, and all differences are reported together. What else a
//! component imports is type-checked by the engine's linker, which knows what
//! this host really offers.

use wit_parser::{
    Function, IndexMap, Interface, PackageName, Resolve, WorldId, WorldItem, WorldKey,
};

use super::foreign;
use super::types::compare;
pub use super::wit::{FILES, VERSION};

const NAMESPACE: &str = "chimera";
const PACKAGE: &str = "agent";
/// What every agent exports.
const LIFECYCLE: &str = "lifecycle";
/// What an agent may export beside it.
const STATE: &str = "state";

/// Every way in which the world of a component falls short of the contract,
/// and the contract version that it was built for, if it names one.
pub fn conformance(component: &Resolve, world: WorldId) -> (Option<String>, Vec<String>) {
    let contract = match contract() {
        Ok(contract) => contract,
        Err(error) => {
            return (None, vec![format!("the host's own contract does not parse: {error:#}")]);
        }
    };
    let Some(ours) = contract.packages.iter().map(|(_, package)| &package.name).next() else {
        return (None, vec!["the host's own contract is no package".into()]);
    };
    let (exports, imports) = match component.worlds.get(world) {
        Some(world) => {
            (of_contract(component, &world.exports), of_contract(component, &world.imports))
        }
        None => Default::default(),
    };
    let other = |part: &&Part<'_>| !foreign::is_served(part.package, ours);
    // What is exported beside what this host knows is for other hosts.
    let named = |name: &str| exports.iter().find(|part| part.name() == name && !other(part));
    let Some(lifecycle) = named(LIFECYCLE) else {
        let lifecycle = exports.iter().find(|part| part.name() == LIFECYCLE);
        return match lifecycle.map(|part| part.package) {
            Some(package) => (version(package), vec![foreign::version(package, ours)]),
            None => (None, vec![foreign::world(component, world)]),
        };
    };
    let built_for = version(lifecycle.package);
    // Of another version little would fit, and the version is what is wrong.
    if let Some(import) = imports.iter().find(other) {
        return (built_for, vec![foreign::version(import.package, ours)]);
    }
    let mut reasons = missing_or_different((&contract, component), lifecycle);
    if let Some(state) = named(STATE) {
        let differences = missing_or_different((&contract, component), state);
        reasons.extend(differences.iter().map(|reason| format!("interface `state`: {reason}")));
    }
    for import in &imports {
        reasons.extend(not_offered((&contract, component), import, ours));
    }
    (built_for, reasons)
}

fn version(package: &PackageName) -> Option<String> {
    package.version.as_ref().map(ToString::to_string)
}

/// An interface of the contract's package, in a component.
struct Part<'a> {
    package: &'a PackageName,
    interface: &'a Interface,
}

impl Part<'_> {
    fn name(&self) -> &str {
        self.interface.name.as_deref().unwrap_or_default()
    }
}

/// What a component exports or imports under the contract's name.
fn of_contract<'a>(component: &'a Resolve, side: &IndexMap<WorldKey, WorldItem>) -> Vec<Part<'a>> {
    let part = |item: &WorldItem| {
        let WorldItem::Interface { id, .. } = item else { return None };
        let interface = component.interfaces.get(*id)?;
        let package = &component.packages.get(interface.package?)?.name;
        let ours = package.namespace == NAMESPACE && package.name == PACKAGE;
        ours.then_some(Part { package, interface })
    };
    side.values().filter_map(part).collect()
}

/// How an exported interface differs from the contract's of the same name.
fn missing_or_different(
    (contract, component): (&Resolve, &Resolve),
    exported: &Part<'_>,
) -> Vec<String> {
    let Some(wanted) = interface(contract, exported.name()) else {
        return vec![format!("the host's own contract has no {:?}", exported.name())];
    };
    let mut reasons = Vec::new();
    for function in wanted.functions.values() {
        match exported.interface.functions.get(&function.name) {
            Some(have) => compare_function((contract, function), (component, have), &mut reasons),
            None => reasons.push(format!("function `{}` is missing", function.name)),
        }
    }
    reasons
}

/// What a component wants of an imported interface that the contract has not.
fn not_offered(
    (contract, component): (&Resolve, &Resolve),
    imported: &Part<'_>,
    ours: &PackageName,
) -> Vec<String> {
    let name = imported.name();
    let Some(offered) = interface(contract, name) else {
        // One that no version is known to have is an import like any other.
        let newer = imported.package.version > ours.version;
        return newer
            .then(|| foreign::addition(imported.package, ours, name))
            .into_iter()
            .collect();
    };
    let mut reasons = Vec::new();
    for wanted in imported.interface.functions.values() {
        let mut differences = Vec::new();
        match offered.functions.get(&wanted.name) {
            Some(function) => {
                compare_function((contract, function), (component, wanted), &mut differences);
            }
            None => {
                let what = format!("{name}.{}", wanted.name);
                reasons.push(foreign::addition(imported.package, ours, &what));
            }
        }
        reasons.extend(differences.iter().map(|reason| format!("interface `{name}`: {reason}")));
    }
    reasons
}

/// The contract, parsed.
pub fn contract() -> anyhow::Result<Resolve> {
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
                "it is built for chimera:agent@0.2.0, which is newer than this host's 0.1.0: run it on \
                 a newer host, or build it against the contract that `chimera wit` prints",
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
                "interface `chimera:agent/lifecycle` is not exported, only \
                 chimera:agent/state@0.1.0: build it against the contract that `chimera wit` prints",
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
