//! Every kind of bad behaviour that an agent written in Rust can show, one for
//! each word in the task's `do`.
#![cfg_attr(
    target_arch = "wasm32",
    expect(clippy::panic, clippy::print_stdout, reason = "misbehaving is what it is for")
)]

#[cfg(target_arch = "wasm32")]
mod behaviour;
#[cfg(target_arch = "wasm32")]
mod hoards;
