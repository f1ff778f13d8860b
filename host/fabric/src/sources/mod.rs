//! Agent types that the settings do not declare: those of a folder.

pub(crate) mod folder;
