//! Where things are kept beyond the life of the process. Only here are
//! databases known.

mod columns;
mod data_folder;
pub mod genomes;
pub mod keyvalue;
mod opening;
mod selected;
pub mod sqlite;

pub use self::data_folder::visit as visit_data_folder;
pub use self::selected::{GenomesPlace, Stores};
