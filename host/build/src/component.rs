//! Holds what cargo built against the contract.

use chimera_layer4_contract::world;
use wit_parser::decoding::{DecodedWasm, decode};

/// The contract that a component is held against.
pub(crate) fn contract() -> String {
    format!("chimera:agent@{}", world::VERSION)
}

/// Each way in which the bytes fall short of the contract.
pub(crate) fn differences(component: &[u8]) -> Vec<String> {
    match decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => world::conformance(&resolve, world).1,
        Ok(DecodedWasm::WitPackage(..)) => vec!["it is a WIT package without code".into()],
        Err(error) => vec![format!("it cannot be read as a component: {error:#}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_exports_nothing_lacks_the_lifecycle() {
        let empty = [b"\0asm".as_slice(), &[0x0d, 0, 1, 0]].concat();
        let differences = differences(&empty);
        assert!(differences.concat().contains("lifecycle"), "{differences:?}");
    }

    #[test]
    fn bytes_that_are_no_component_say_so() {
        let differences = differences(b"#!/bin/sh");
        assert!(differences.concat().contains("cannot be read as a component"), "{differences:?}");
    }
}
