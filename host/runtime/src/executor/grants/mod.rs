//! What a guest may reach, one file for each grant.

pub(crate) mod folders;
pub(crate) mod stdio;
pub(crate) mod telemetry;
