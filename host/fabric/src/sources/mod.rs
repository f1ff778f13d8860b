//! Agent types that the settings do not declare: those of a folder, and those that every host
//! has.

pub(crate) mod builtin;
pub(crate) mod folder;
