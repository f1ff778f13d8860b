//! The limits of a run, each in a file of its own: enforced, measured, named.

pub(crate) mod agent;
pub(crate) mod cpu;
pub(crate) mod memory;
pub(crate) mod run;
