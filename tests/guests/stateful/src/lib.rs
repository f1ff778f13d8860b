//! A counter that carries its count to the genome that takes over. Its own
//! bytes say what goes wrong with that, so that a test makes genomes of it by
//! writing other numbers behind a marker.
#![cfg_attr(target_arch = "wasm32", expect(clippy::panic, reason = "it traps when it is to"))]

#[cfg(target_arch = "wasm32")]
mod counter;
