//! The HTTP API as data: what a request and an answer look like on the wire.
//!
//! The server writes these types and the client reads them, so a field that is
//! renamed does not compile on one side only. Each body is both
//! [`Serialize`](serde::Serialize) and [`Deserialize`](serde::Deserialize).
//! Where the body is a type of the core, as a task's record is, the core
//! has it. [`paths`] builds every path, and [`problem::code`] names the codes
//! that HTTP adds to those of the core.
//!
//! Feature `client`: [`Client`], which has a method for each route that the
//! program `chimera` uses. Feature `openapi`: the schemas of all of this.

#![forbid(unsafe_code)]

pub mod agents;
#[cfg(feature = "client")]
pub mod client;
pub mod genomes;
pub mod host;
pub mod paths;
pub mod problem;
pub mod refinement;
pub mod reload;
pub mod tasks;

#[cfg(feature = "client")]
pub use client::{Client, ClientError};
pub use problem::Problem;
