//! The limits of a run, each in a file of its own: enforced, measured, named.

pub(crate) mod agent;
pub(crate) mod bandwidth;
pub(crate) mod bucket;
pub(crate) mod ceilings;
pub(crate) mod cpu;
pub(crate) mod held;
pub(crate) mod hosted;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pool;
pub(crate) mod run;
pub(crate) mod supplies;
pub(crate) mod threads;
