//! Folders of the host, opened for an agent: `wasi:filesystem` within bounds.
//!
//! wasmtime-wasi has no quota for files. Its directory stream reads the whole
//! folder into memory, each opened file is a descriptor of the process, streams
//! keep what they read ahead, and a call that blocks takes a thread that a guest
//! may leave behind. So its calls are made here through a thread of the agent's
//! share, at the cost of the agent's processor time; opened files and folders
//! are taken from the agent's descriptors ([`pool`]); and what streams
//! keep is charged to its memory. Files that may block for ever, as a named pipe
//! without a writer does, are not opened at all.
//!
//! [`pool`]: crate::sandbox::limits::pool

mod host;
mod input;
mod listing;
mod output;

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use chimera_layer4_core::{FabricResult, Fault, FolderAccess, FolderGrant, Grants, HostFault};
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{
    Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView, WasiFilesystemView as _,
};
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode};
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf, is_released};
use crate::sandbox::context::ContextBuilder;
use crate::sandbox::limits::agent::AgentLimits;
use crate::sandbox::limits::cpu::charge_caller;
use crate::sandbox::limits::memory::InstanceMemory;
use crate::sandbox::limits::pool::Taken;
use crate::sandbox::limits::threads::{Done, Threads};
use crate::sandbox::options::CapabilityOptions;

/// Bytes that a stream reads or writes at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// The descriptors of one instance: what its granted folders take, and each file
/// and folder that it has open, by its handle.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    _granted: Option<Taken>,
    by_handle: HashMap<u32, Arc<Taken>>,
}

/// Folders of the host, which the operator grants.
pub(crate) struct Files;

impl Capability for Files {
    type Backend = ();
    type State = Opened;

    fn needs(interface: &str) -> Option<Needs> {
        is_released(interface, "wasi:filesystem/").then_some(Needs::Grant("a folder (`--dir`)"))
    }

    fn backend(_: &CapabilityOptions) -> FabricResult<()> {
        Ok(())
    }

    fn check(grants: &Grants, wrong: &mut Vec<String>) {
        for FolderGrant { host, guest, .. } in &grants.folders {
            if !guest.starts_with('/') {
                wrong.push(format!(
                    "granted folder {guest:?}: the guest's path is absolute, like /data"
                ));
            }
            if !host.is_dir() {
                wrong.push(format!("granted folder {}: there is no such folder", host.display()));
            }
        }
        let twice = FolderGrant::given_twice(&grants.folders).into_iter();
        wrong.extend(twice.map(|(_, message)| format!("granted folder {message}")));
    }

    fn state((): &(), instance: &mut ContextBuilder) -> Result<Opened, Fault> {
        let ContextBuilder { wasi, setup, limits, .. } = instance;
        Ok(open(wasi, &setup.grants.folders, limits)?)
    }

    /// Puts this folder's functions in the place of wasmtime-wasi's own.
    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        linker.allow_shadowing(true);
        types::add_to_linker::<T, ViewOf<Self>>(linker, T::view)?;
        linker.allow_shadowing(false);
        Ok(())
    }
}

/// Opens each granted folder. A folder that is gone is a fault of the host's
/// setup, not of the agent.
fn open(
    wasi: &mut WasiCtxBuilder,
    folders: &[FolderGrant],
    limits: &AgentLimits,
) -> Result<Opened, HostFault> {
    if folders.is_empty() {
        return Ok(Opened::default());
    }
    let taken = limits.descriptors.try_take(folders.len());
    let taken = taken.map_err(|short| HostFault::NoDescriptors { message: short.to_string() })?;
    // Calls come on a thread that may block already; read when a folder is opened.
    wasi.allow_blocking_current_thread(true);
    for folder in folders {
        let access = match folder.access {
            FolderAccess::ReadOnly => FsPerms::ReadOnly,
            FolderAccess::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(&folder.host, &folder.guest, access).map_err(|error| {
            HostFault::Folder { path: folder.host.display().to_string(), reason: error.to_string() }
        })?;
    }
    Ok(Opened { _granted: Some(taken), by_handle: HashMap::new() })
}

/// What a call on files works on. It goes along to the thread that works, so
/// that what a call leaves behind is counted until that thread is done.
struct Reached {
    table: ResourceTable,
    ctx: WasiFilesystemCtx,
    opened: Opened,
}

impl Reached {
    fn view(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl View<'_, Files> {
    /// Runs `what` on a thread that may block, at the cost of the guest that asked.
    async fn on_a_thread<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&mut Reached) -> T + Send + 'static,
    ) -> FsResult<T> {
        let mut reached = Reached {
            table: std::mem::take(&mut self.context.table),
            ctx: std::mem::take(self.context.filesystem().ctx),
            opened: std::mem::take(self.state),
        };
        let work = move || {
            let done = what(&mut reached);
            (reached, done)
        };
        let worked = self.context.limits.threads.run(work).await;
        let ((reached, done), took) = worked.map_err(FsError::trap)?;
        charge_caller(took);
        let Reached { table, ctx, opened } = reached;
        (self.context.table, *self.state, *self.context.filesystem().ctx) = (table, opened, ctx);
        Ok(done)
    }

    /// What a stream on an open file needs; `not_a_file` of a folder.
    fn streamed(
        &self,
        fd: &Resource<Descriptor>,
        not_a_file: ErrorCode,
    ) -> FsResult<(Streamed, FsPerms)> {
        let Descriptor::File(file) = self.context.table.get(fd)? else {
            return Err(not_a_file.into());
        };
        let streamed = Streamed {
            file: Arc::clone(&file.file),
            _descriptor: self.state.by_handle.get(&fd.rep()).cloned(),
            threads: self.context.limits.threads.clone(),
            memory: Arc::clone(self.context.memory.instance()),
        };
        Ok((streamed, file.perms))
    }
}

/// An open file as its streams have it: it may outlive the handle.
#[derive(Clone)]
struct Streamed {
    file: Arc<File>,
    _descriptor: Option<Arc<Taken>>,
    threads: Threads,
    memory: Arc<InstanceMemory>,
}

/// Work on a thread that may block, which ends unbegun when this is dropped.
type Work<T> = AbortOnDropJoinHandle<std::io::Result<T>>;

impl Streamed {
    /// Starts `what` on a blocking thread. The caller that takes the answer pays
    /// for its processor time.
    fn begin<T: Send + 'static>(
        &self,
        what: impl FnOnce(&File) -> std::io::Result<T> + Send + 'static,
    ) -> Work<Done<T>> {
        let file = self.clone();
        spawn(async move {
            let threads = file.threads.clone();
            let (done, took) = threads.run(move || what(&file.file)).await?;
            Ok((done?, took))
        })
    }
}
