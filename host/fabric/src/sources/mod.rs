//! Agent types that the settings do not declare: those of a folder, those that were deployed,
//! and those that every host has.

pub(crate) mod builtin;
pub(crate) mod deployed;
pub(crate) mod folder;
