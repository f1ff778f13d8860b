//! The contract `chimera:agent`: its text, and what holds a component against it.

pub mod componentize;
mod foreign;
mod types;
pub mod wit;
pub mod world;
