//! The data folder of a host, as its settings name it.

use std::path::Path;

use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use chimera_layer4_folders::{Access, FolderError, OwnFolder};

/// Opens the data folder to keep things in it, made where it is missing. `None`:
/// the settings name none.
///
/// # Errors
/// `Configuration`: another user could change it, or it cannot be had.
pub(crate) fn open(config: &FabricConfig) -> FabricResult<Option<OwnFolder>> {
    let opened = config.data_dir.as_deref().map(|path| OwnFolder::make(path, Access::Private));
    opened.transpose().map_err(|error| refused(config, &error))
}

/// Opens the data folder to look at what is there. `None`: there is none.
///
/// # Errors
/// `Configuration`: another user could change it, or it cannot be opened.
pub fn visit(config: &FabricConfig) -> FabricResult<Option<OwnFolder>> {
    let Some(path) = &config.data_dir else { return Ok(None) };
    match OwnFolder::open(path, Access::Visited) {
        Err(FolderError::Missing(_)) => Ok(None),
        opened => opened.map(Some).map_err(|error| refused(config, &error)),
    }
}

fn refused(config: &FabricConfig, error: &FolderError) -> FabricError {
    let folder = config.data_dir.as_deref().unwrap_or(Path::new("")).display();
    let hint = match error {
        FolderError::Unsafe(_) => "",
        FolderError::Missing(_) | FolderError::Failed { .. } => {
            "; set `data_dir` to a folder that the host may write to"
        }
    };
    FabricError::Configuration(vec![format!(
        "the data folder {folder} cannot be used: {error}{hint}"
    )])
}
