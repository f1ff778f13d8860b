//! The execution fabric of Chimera Layer 4: agents, genomes, and the tasks that
//! run on them.

pub mod events;
pub mod fabric;
pub mod metrics;
pub mod scheduler;
pub mod traces;
pub mod utils;

pub use crate::fabric::*;
