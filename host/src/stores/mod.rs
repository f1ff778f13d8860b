//! Where things are kept beyond the life of the process. Only here are
//! databases known.

pub mod genomes;
mod opening;
pub mod sqlite;
