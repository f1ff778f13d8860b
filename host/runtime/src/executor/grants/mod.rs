//! What a guest may reach, one file for each grant.

pub(crate) mod config;
pub(crate) mod folders;
pub(crate) mod handles;
pub(crate) mod http;
pub(crate) mod keyvalue;
pub(crate) mod log;
pub(crate) mod logging;
pub(crate) mod stdio;
pub(crate) mod telemetry;
