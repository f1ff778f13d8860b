//! An agent that keeps the contract, but for the one thing that the variable
//! `WRONG` names: there is a word for each line of the conformance suite.
#![cfg_attr(target_arch = "wasm32", expect(clippy::panic, reason = "it traps where it is to"))]

#[cfg(target_arch = "wasm32")]
mod agent;
