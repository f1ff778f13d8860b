//! Builds agents that are crates in Rust into components, with cargo.
//!
//! The wasm target is added through rustup when it is missing. The other languages are
//! in `chimera-layer4-toolchain`, which builds on this crate.

#![forbid(unsafe_code)]

mod error;
pub mod rust;
mod step;
mod stop;
pub mod tool;

pub use self::error::BuildError;
pub use self::step::Step;
pub use self::stop::Stop;
