//! Runs Chimera agents.
//!
//! The only crate that knows wasmtime. It turns bytes into a [`Genome`]
//! (inspected, compiled in a process of its own, linked) and a genome into an
//! [`Agent`] that runs tasks inside enforced limits and says what each one
//! cost. Nothing outside this crate sees a wasmtime type.
//!
//! Three layers, of which each imports only those below it: [`executor`] runs
//! agents, [`genome`] loads what they are made of, [`sandbox`] is what guests
//! run in.

#![forbid(unsafe_code)]

pub mod executor;
pub mod genome;
pub mod sandbox;

pub use executor::{Agent, Executor, ExecutorOptions, RunReport};
pub use genome::{Genome, Inspection};
