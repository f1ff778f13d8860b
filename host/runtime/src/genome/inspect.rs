//! What a component is, which contract it meets, and what it asks for.
//!
//! Runs in the compiling child: the bytes are hostile until shown otherwise.

use chimera_layer4_core::{Digest, Refusal};
use serde::{Deserialize, Serialize};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use super::instance_size;
use crate::sandbox::capabilities;
use crate::sandbox::capability::{Needs, is_released};
use chimera_layer4_contract::world;

/// What was found in a component that meets the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Its name.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// What the engine keeps for each of its instances, beside memories and tables.
    pub instance_bytes: u64,
    /// The contract version that it was built for.
    pub contract: String,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports, the contract's interface among it.
    pub exports: Vec<String>,
}

/// One interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The interface, with its version.
    pub name: String,
    /// What an operator grants so that it does something; `None`: it always works.
    pub grant: Option<String>,
}

/// Interfaces of WASI's own and of the contract that this host links besides its
/// capabilities', by package, and what gives them something to do.
const BASE: [(&str, Needs); 7] = [
    ("chimera:agent/types@0.1.", Needs::Nothing),
    ("wasi:cli/environment", Needs::Grant("environment variables (`--env`)")),
    ("wasi:cli/", Needs::Nothing),
    ("wasi:clocks/", Needs::Nothing),
    ("wasi:io/", Needs::Nothing),
    ("wasi:random/", Needs::Nothing),
    ("wasi:sockets/", Needs::Grant("raw sockets (this version grants none)")),
];

/// Looks at bytes that claim to be an agent.
///
/// # Errors
/// The [`Refusal`] that says what the author has to change.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    check_kind(bytes)?;
    let malformed = |error: String| Refusal::Malformed { reason: first_lines(&error) };
    wasmparser::Validator::new()
        .validate_all(bytes)
        .map_err(|error| malformed(error.to_string()))?;
    let (resolve, world) = match decode(bytes).map_err(|error| malformed(format!("{error:#}")))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => {
            return Err(Refusal::NotAComponent { found: "a WIT package without code".into() });
        }
    };
    let (version, reasons) = world::conformance(&resolve, world);
    if !reasons.is_empty() {
        return Err(Refusal::WrongContract { contract: world::VERSION.into(), reasons });
    }
    Ok(Inspection {
        digest: Digest::of(bytes),
        size_bytes: bytes.len() as u64,
        instance_bytes: instance_size::of(bytes).map_err(|error| malformed(error.to_string()))?,
        contract: version.unwrap_or_default(),
        imports: imports(&resolve, world)?,
        exports: names(&resolve, world, |world| &world.exports),
    })
}

fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    let found = if bytes.is_empty() {
        "the file is empty".to_owned()
    } else if bytes.len() < 8 || !bytes.starts_with(b"\0asm") {
        let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("it starts with the bytes {}, WebAssembly starts with 00 61 73 6d", start.join(" "))
    } else if wasmparser::Parser::is_core_wasm(bytes) {
        "it is a core WebAssembly module".to_owned()
    } else if wasmparser::Parser::is_component(bytes) {
        return Ok(());
    } else {
        "it is WebAssembly of an unknown version".to_owned()
    };
    Err(Refusal::NotAComponent { found })
}

fn imports(resolve: &Resolve, world: WorldId) -> Result<Vec<Import>, Refusal> {
    let names = names(resolve, world, |world| &world.imports);
    let refused: Vec<String> = names.iter().filter(|name| needs(name).is_none()).cloned().collect();
    if !refused.is_empty() {
        return Err(Refusal::NotGranted { imports: refused });
    }
    let import = |name: String| {
        let grant = grant_of(&name).map(str::to_owned);
        Import { name, grant }
    };
    Ok(names.into_iter().map(import).collect())
}

/// What an interface of this name needs; `None`: it is not linked.
fn needs(name: &str) -> Option<Needs> {
    let is = |prefix: &str| match prefix.starts_with("wasi:") {
        true => is_released(name, prefix),
        false => name.starts_with(prefix),
    };
    let base = BASE.iter().find(|(prefix, _)| is(prefix)).map(|(_, needs)| *needs);
    base.or_else(|| capabilities::needs(name))
}

/// What an operator grants so that an interface of this name does something;
/// `None`: it always works, or is not known here.
#[must_use]
pub fn grant_of(name: &str) -> Option<&'static str> {
    match needs(name)? {
        Needs::Nothing => None,
        Needs::Grant(grant) => Some(grant),
    }
}

fn names(
    resolve: &Resolve,
    world: WorldId,
    side: impl Fn(&wit_parser::World) -> &wit_parser::IndexMap<WorldKey, WorldItem>,
) -> Vec<String> {
    let Some(world) = resolve.worlds.get(world) else { return Vec::new() };
    // Types at the level of the world ask for nothing.
    let asks = side(world).iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    asks.map(|(key, _)| resolve.name_world_key(key)).collect()
}

/// A validator's words can run to pages; the first lines have the reason.
fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).take(3).collect();
    lines.join(" ").chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_named() {
        let core = wat::parse_str("(module)").unwrap();
        for (bytes, found) in [
            (&b""[..], "the file is empty"),
            (b"#!/bin/sh", "it starts with the bytes 23 21 2f 62"),
            (&core, "it is a core WebAssembly module"),
            (b"\0asm\x07\0\x01\0", "it is WebAssembly of an unknown version"),
        ] {
            let refusal = inspect(bytes).unwrap_err();
            assert!(refusal.to_string().contains(found), "{refusal}");
        }
    }

    #[test]
    fn an_import_that_is_not_offered_is_refused_after_the_contract() {
        let bytes = wat::parse_str(r#"(component (import "evil:host/root" (instance)))"#).unwrap();
        assert_eq!(inspect(&bytes).unwrap_err().code(), "wrong-contract");
    }

    #[test]
    fn a_cut_component_is_malformed() {
        let bytes = wat::parse_str("(component (core module (func)))").unwrap();
        assert_eq!(inspect(&bytes[..bytes.len() - 1]).unwrap_err().code(), "malformed-component");
    }
}
