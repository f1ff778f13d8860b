//! The functions of `wasi:filesystem/types`, each within the agent's bounds.

use std::sync::Arc;

use chimera_layer4_core::telemetry::LogLevel;
use tokio::runtime::Handle;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::input::Input;
use super::listing::{self, Listing};
use super::output::{At, Output};
use super::{Files, Reached, Taken, View};

type Fd = Resource<Descriptor>;

/// The same handle once more, for another look at what it is.
fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

impl Host for View<'_, Files> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Host::filesystem_error_code(&mut self.context.filesystem(), error)
    }
}

/// wasmtime-wasi's own function of that name, on a thread that may block.
macro_rules! on_a_thread {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        async fn $name(&mut self, $($arg: $kind),*) -> FsResult<$answer> {
            self.on_a_thread(move |reached| {
                Handle::current().block_on(reached.view().$name($($arg),*))
            })
            .await?
        }
    )*};
}

impl HostDescriptor for View<'_, Files> {
    on_a_thread! {
        fn advise(fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> ();
        fn sync_data(fd: Fd) -> ();
        fn get_flags(fd: Fd) -> DescriptorFlags;
        fn get_type(fd: Fd) -> DescriptorType;
        fn set_size(fd: Fd, size: Filesize) -> ();
        fn set_times(fd: Fd, accessed: NewTimestamp, changed: NewTimestamp) -> ();
        fn read(fd: Fd, length: Filesize, offset: Filesize) -> (Vec<u8>, bool);
        fn write(fd: Fd, bytes: Vec<u8>, offset: Filesize) -> Filesize;
        fn sync(fd: Fd) -> ();
        fn create_directory_at(fd: Fd, path: String) -> ();
        fn stat(fd: Fd) -> DescriptorStat;
        fn stat_at(fd: Fd, flags: PathFlags, path: String) -> DescriptorStat;
        fn set_times_at(
            fd: Fd, flags: PathFlags, path: String, accessed: NewTimestamp, changed: NewTimestamp
        ) -> ();
        fn link_at(fd: Fd, flags: PathFlags, path: String, to: Fd, new_path: String) -> ();
        fn readlink_at(fd: Fd, path: String) -> String;
        fn remove_directory_at(fd: Fd, path: String) -> ();
        fn rename_at(fd: Fd, path: String, to: Fd, new_path: String) -> ();
        fn symlink_at(fd: Fd, leads_to: String, path: String) -> ();
        fn unlink_file_at(fd: Fd, path: String) -> ();
        fn metadata_hash(fd: Fd) -> MetadataHashValue;
        fn metadata_hash_at(fd: Fd, flags: PathFlags, path: String) -> MetadataHashValue;
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        let same = self.on_a_thread(move |reached| {
            Handle::current().block_on(reached.view().is_same_object(one, other))
        });
        // A trap, since `wasi:filesystem` has no error to answer with.
        same.await.map_err(wasmtime::Error::from)?
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let taken = self.context.limits.descriptors.try_take(1).map_err(FsError::trap)?;
        let opened = self.on_a_thread(move |reached| {
            let opened = open(reached, &fd, path_flags, &path, open_flags, flags)?;
            if let Some(opened) = &opened {
                reached.opened.by_handle.insert(opened.rep(), Arc::new(taken));
            }
            FsResult::Ok(opened.ok_or(path))
        });
        opened.await??.map_err(|path| {
            let message = format!("{path:?} is no file or folder; the host opens nothing else");
            self.context.log.line(LogLevel::Warn, &message);
            ErrorCode::NotPermitted.into()
        })
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        let handle = fd.rep();
        self.context.table.delete(fd)?;
        self.state.by_handle.remove(&handle);
        Ok(())
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let (file, _) = self.streamed(&fd, ErrorCode::IsDirectory)?;
        let stream: DynInputStream = Box::new(Input::new(file, offset));
        Ok(self.context.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.output(&fd, At::Offset(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.output(&fd, At::End)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let taken: Taken = self.context.limits.descriptors.try_take(1).map_err(FsError::trap)?;
        let charge = self.context.memory.instance().nothing();
        self.on_a_thread(move |reached| {
            let Descriptor::Dir(folder) = reached.table.get(&fd)? else {
                return Err(ErrorCode::NotDirectory.into());
            };
            let listing = Listing::open(&folder.dir, taken, charge)?;
            Ok(listing::handle(reached.table.push(listing)?))
        })
        .await?
    }
}

impl View<'_, Files> {
    fn output(&mut self, fd: &Fd, at: At) -> FsResult<Resource<DynOutputStream>> {
        let (file, permissions) = self.streamed(fd, ErrorCode::BadDescriptor)?;
        if permissions.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let stream: DynOutputStream = Box::new(Output::new(file, at));
        Ok(self.context.table.push(stream)?)
    }
}

/// Opens a file or a folder, and `None` of anything else: a named pipe would keep the thread
/// until its other end is opened, a device for any length of time. One that is put in a
/// file's place between the look and the opening costs the agent one of the threads of its
/// share.
fn open(
    reached: &mut Reached,
    fd: &Fd,
    path_flags: PathFlags,
    path: &str,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> FsResult<Option<Fd>> {
    let runtime = Handle::current();
    let look = runtime.block_on(reached.view().stat_at(again(fd), path_flags, path.to_owned()));
    if look.is_ok_and(|found| !may_be_opened(found.type_)) {
        return Ok(None);
    }
    let mut view = reached.view();
    let opening = view.open_at(again(fd), path_flags, path.to_owned(), open_flags, flags);
    let opened = runtime.block_on(opening)?;
    let found = runtime.block_on(reached.view().get_type(again(&opened)));
    if found.is_ok_and(may_be_opened) {
        return Ok(Some(opened));
    }
    reached.table.delete(opened)?;
    Ok(None)
}

/// A link that is not followed is not opened either, by the system's own rule.
fn may_be_opened(found: DescriptorType) -> bool {
    matches!(
        found,
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink
    )
}

impl HostDirectoryEntryStream for View<'_, Files> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = listing::of(&stream);
        if let Some(next) = self.context.table.get_mut(&listing)?.buffered() {
            return next;
        }
        self.on_a_thread(move |reached| reached.table.get_mut(&listing)?.read_on()).await?
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.context.table.delete(listing::owned(&stream))?;
        Ok(())
    }
}
