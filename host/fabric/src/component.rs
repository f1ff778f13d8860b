//! Reads a component from a file.

use std::path::Path;

use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::read_regular;

/// Reads a component, at the most one byte more than `most`, which tells that
/// it is too large.
///
/// # Errors
/// `InvalidRequest` when it cannot be read or is no file.
pub async fn read_component(path: &Path, most: u64) -> FabricResult<Vec<u8>> {
    let wrong = |reason: String| {
        FabricError::InvalidRequest(vec![format!("the component {}: {reason}", path.display())])
    };
    let named = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || read_regular(&named, most)).await;
    match read {
        Ok(read) => read.map_err(|error| wrong(error.to_string())),
        Err(error) => Err(FabricError::Internal(format!("a component is not read: {error}"))),
    }
}
