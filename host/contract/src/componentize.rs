//! Makes a component of a core module that says how it would be one.
//!
//! Some toolchains end with a core module whose custom sections hold the
//! component's type. What is missing is mechanical, and done here. For bytes
//! that are not trusted yet it is done in the child, like all else that reads
//! them; of what an author has just compiled, by the build. A module for
//! WASI's first preview gets the adapter that its own tools would give it.

use chimera_layer4_core::Refusal;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::world::contract;

/// Custom sections with this prefix hold a component's type.
const METADATA: &str = "component-type";

/// Whether the bytes are a core module that a component can be made of.
pub fn can_be_one(bytes: &[u8]) -> bool {
    if !Parser::is_core_wasm(bytes) {
        return false;
    }
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    sections.into_iter().any(|payload| match payload {
        Payload::CustomSection(section) => section.name().starts_with(METADATA),
        _ => false,
    })
}

/// Why no component can be made of a module.
#[derive(Debug, thiserror::Error)]
#[error("no component can be made of it: {0}")]
pub struct Unfit(String);

impl From<anyhow::Error> for Unfit {
    fn from(error: anyhow::Error) -> Self {
        Self(format!("{error:#}").chars().take(500).collect())
    }
}

impl From<Unfit> for Refusal {
    fn from(Unfit(message): Unfit) -> Self {
        let found = format!("it is a core module, of which no component can be made: {message}");
        Self::NotAComponent { found }
    }
}

/// The module without DWARF, which is many times its size. Names of functions
/// stay. What cannot be read is returned as it is; the next reader reports why.
#[must_use]
pub fn without_debug_info(module: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(module.len());
    let mut done = 0;
    let place = |offset: u64| usize::try_from(offset).unwrap_or(module.len());
    for payload in Parser::new(0).parse_all(module) {
        let Ok(payload) = payload else { return module.to_vec() };
        let end = match &payload {
            Payload::Version { range, .. } => place(range.end),
            // The parser reports code function by function after its section.
            other => other.as_section().map_or(done, |(_, range)| place(range.end)),
        };
        let is_debug_info = matches!(
            &payload, Payload::CustomSection(section) if section.name().starts_with(".debug_")
        );
        if !is_debug_info {
            kept.extend_from_slice(module.get(done..end).unwrap_or_default());
        }
        done = done.max(end);
    }
    kept
}

/// The component of a module that says how it would be one.
///
/// # Errors
/// [`Unfit`] with what is missing.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Unfit> {
    let encode = || {
        ComponentEncoder::default()
            .module(module)?
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
            .validate(true)
            .encode()
    };
    Ok(encode()?)
}

/// The component of a module that was compiled with the contract's bindings and
/// does not say so: those of `world`, such as `agent`.
///
/// # Errors
/// [`Unfit`] with what is missing.
pub fn with_contract(mut module: Vec<u8>, world: &str) -> Result<Vec<u8>, Unfit> {
    let mut embed = || {
        let resolve = contract()?;
        let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
        let world = resolve.select_world(&packages, Some(world))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
    };
    embed()?;
    componentize(&module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_information_goes_and_names_stay() {
        let text = |debug: &str| {
            let text = format!(
                r#"(module (func $named (export "f")) {debug} (@custom "other" (after code) "x"))"#
            );
            wat::parse_str(text).unwrap()
        };
        let debug = r#"(@custom ".debug_info" (after code) "abc") (@custom ".debug_line" "d")"#;
        let stripped = without_debug_info(&text(debug));
        assert_eq!(stripped, text(""));
        assert!(stripped.windows(5).any(|bytes| bytes == b"named"));
        let cut = text(debug);
        let cut = cut.get(..cut.len() - 3).unwrap();
        assert_eq!(without_debug_info(cut), cut);
        assert_eq!(without_debug_info(b"text"), b"text");
    }

    #[test]
    fn only_a_module_that_says_what_it_would_be_can_be_one() {
        let plain = wat::parse_str("(module)").unwrap();
        let said = wat::parse_str(r#"(module (@custom "component-type:x" "nonsense"))"#).unwrap();
        let component = wat::parse_str("(component)").unwrap();
        assert_eq!(
            [&plain, &said, &component].map(|bytes| can_be_one(bytes)),
            [false, true, false]
        );
        assert!(!can_be_one(b"text") && !can_be_one(b""));
        let refusal = Refusal::from(componentize(&said).unwrap_err()).to_string();
        assert!(refusal.contains("no component can be made"), "{refusal}");
    }
}
