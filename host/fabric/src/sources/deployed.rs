//! The file of the data folder that keeps what was deployed.

use std::io::ErrorKind;

use chimera_layer4_core::config::Deployments;
use chimera_layer4_core::scheduler::store::StoreError;
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::{FolderError, OwnFolder};

/// In the data folder.
const FILE: &str = "agent-types.json";
/// As much as the most types with the largest settings take, written out.
const MOST_BYTES: u64 = 128 << 20;

/// What was deployed to the host of this folder. It blocks.
///
/// # Errors
/// `Configuration`: the file is there and cannot be read.
pub(crate) fn read(folder: &OwnFolder) -> FabricResult<Deployments> {
    let wrong = |reason: String| {
        let path = folder.path().join(FILE);
        FabricError::Configuration(vec![format!(
            "{} keeps the agent types that were deployed, and cannot be read: {reason}; repair it, \
             or move it away and deploy them again",
            path.display()
        )])
    };
    match folder.read_own(FILE, MOST_BYTES) {
        Ok(text) => Deployments::read(&text).map_err(wrong),
        Err(FolderError::Failed { error, .. }) if error.kind() == ErrorKind::NotFound => {
            Ok(Deployments::default())
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Keeps what is deployed now; it is on disk when this returns. It blocks.
///
/// # Errors
/// `Store`: it cannot be written, and the file is as it was.
pub(crate) fn write(folder: &OwnFolder, deployed: &Deployments) -> FabricResult<()> {
    folder.write_synced(FILE, &deployed.text()).map_err(|error| {
        let reason = format!("{}: {error}", folder.path().join(FILE).display());
        FabricError::Store(StoreError::Unavailable { reason })
    })
}
