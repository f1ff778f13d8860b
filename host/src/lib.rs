//! Chimera Layer 4: a host for AI agents that are untrusted WebAssembly
//! components.
//!
//! The names at the root are the specification's: a program that it shows compiles with
//! `use chimera_layer4::*`. [`Layer4Fabric`] loads components, runs tasks on them inside
//! enforced quotas and says what each task really cost. It is a thin face over
//! [`Fabric`](fabric::Fabric), which hands out the rest by its parts; the module [`fabric`] has
//! all of them. The program `chimera` does nothing that this library cannot.
//!
//! ```no_run
//! use chimera_layer4::*;
//!
//! #[tokio::main]
//! async fn main() -> Layer4Result<()> {
//!     let layer4 = Layer4Fabric::new(Layer4Config::default()).await?;
//!     layer4.start().await?;
//!
//!     // `echo` is built in: it answers each task with its payload.
//!     let result = layer4.execute_task(utils::default_task()).await?;
//!     println!("{} for {} s of processor", result.output, result.resource_usage.cpu_seconds);
//!
//!     layer4.shutdown().await
//! }
//! ```
//!
//! [`Layer4Fabric::spawn_agent`] takes the bytes of a component of your own.
//!
//! `tokio` and `serde_json` are re-exported, so that one dependency is enough; a program may
//! have its own of the same major versions beside them.
//!
//! With the feature `http` (on by default) `start` opens `metrics_port`;
//! [`Layer4Fabric::builder`] can leave it closed. With `logging` (on by default) `debug_mode`
//! prints the log where the program has no subscriber of its own. With `evolution` an
//! `http::Server` shows evolutions too, and with `store-suite` there are the tests that each
//! task store must pass.
//!
//! Components are compiled in a process of its own, with limits: by the program `chimera`
//! where the setting `compile_program` names it or it lies beside the running program,
//! else by the running program, if its `main` begins with [`compile_if_asked`]. A program
//! that does not call it compiles in its own process, without limits, and logs that once.
//!
//! # For agents
//!
//! The same package is what an agent in the specification's form uses. Built for
//! WebAssembly, or without the feature `host`, its root has the names of [`guest`] in
//! place of the host's, and no crate of the host is built.

#![forbid(unsafe_code)]

/// Compiles the Rust in the README.
#[cfg(all(doctest, feature = "host"))]
#[doc = include_str!("../../README.md")]
struct Readme;

pub mod guest;
#[cfg(all(feature = "host", not(target_family = "wasm")))]
mod host;

#[cfg(all(feature = "host", not(target_family = "wasm")))]
pub use self::host::*;
#[cfg(not(all(feature = "host", not(target_family = "wasm"))))]
pub use chimera_agent_sdk::plain::*;
