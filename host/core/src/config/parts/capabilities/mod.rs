//! What agents may use: a file for each capability that is granted or set.

pub(in crate::config) mod files;
pub(in crate::config) mod http;
pub(in crate::config) mod keyvalue;

use super::super::setting::Setting;

/// Settings of the host, beside what `[agents.NAME]` grants to each.
pub(super) const SETTINGS: &[Setting] = http::SETTINGS;
