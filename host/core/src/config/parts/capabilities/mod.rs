//! What agents may use: a file for each capability that is granted or set, and the list
//! of what an operator may grant.

mod files;
mod http;
mod keyvalue;

use std::path::PathBuf;

use crate::Grants;
use crate::config::reader::Reader;
use crate::config::setting::{AgentKey, Setting};

/// What agents may use, beside what is granted to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapabilitySettings {
    /// A PEM file of certificate authorities that agents' HTTPS requests trust
    /// besides the public ones.
    pub http_ca_file: Option<PathBuf>,
}

/// Settings of the host, beside what `[agents.NAME]` grants to each.
pub(super) const SETTINGS: &[Setting] = http::SETTINGS;

/// Every key of `[agents.NAME]` that grants something, in the order in which
/// `chimera config show` prints them.
pub const GRANT_KEYS: [GrantKey; 3] = [files::GRANT_KEY, http::GRANT_KEY, keyvalue::GRANT_KEY];

/// Something that an operator may grant to an agent type.
#[derive(Clone, Copy, Debug)]
pub struct GrantKey {
    /// Its key of `[agents.NAME]`.
    pub key: AgentKey,
    /// The flag of `chimera run` that grants it.
    pub flag: &'static str,
    /// What is granted, a text for each; none where nothing is.
    pub shown: fn(&Grants) -> Vec<String>,
    /// Takes the key from an agent's table.
    pub(in crate::config) read: fn(&mut Reader, &mut Grants),
}
