//! Folders of the host, opened for an agent.

use chimera_layer4_core::{FolderAccess, FolderGrant, HostFault};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// Opens each granted folder. A folder that is gone is a fault of the host's
/// setup, not of the agent.
pub(crate) fn open(wasi: &mut WasiCtxBuilder, folders: &[FolderGrant]) -> Result<(), HostFault> {
    for folder in folders {
        let access = match folder.access {
            FolderAccess::ReadOnly => FsPerms::ReadOnly,
            FolderAccess::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(&folder.host, &folder.guest, access).map_err(|error| {
            HostFault::Folder { path: folder.host.display().to_string(), reason: error.to_string() }
        })?;
    }
    Ok(())
}
