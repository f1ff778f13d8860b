//! Where things are kept beyond the life of the process. Only here are
//! databases known.

mod columns;
pub mod genomes;
pub mod keyvalue;
mod opening;
pub mod sqlite;
