//! An agent whose own bytes say how it behaves, so that a test makes genomes
//! that differ in one thing by writing other numbers behind a marker.

#[cfg(target_arch = "wasm32")]
mod behaviour;
