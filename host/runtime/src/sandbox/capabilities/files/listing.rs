//! A folder's entries, read a block at a time.
//!
//! wasmtime-wasi reads a folder whole when its stream is opened, so that a guest
//! with some hundred streams on a large folder fills the host's memory. Here a
//! stream is a descriptor and the entries of one block, which are charged.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use crate::sandbox::limits::memory::Charge;
use crate::sandbox::limits::pool::Taken;

/// What the system is asked for at once: some sixty of the longest names.
const BLOCK_BYTES: usize = 16 * 1024;
/// What keeping an entry takes besides its name.
const ENTRY_BYTES: usize = size_of::<Entry>() + 16;

type Entry = Result<DirectoryEntry, ErrorCode>;

/// One stream of a folder's entries.
#[derive(Debug)]
pub(super) struct Listing {
    folder: OwnedFd,
    block: VecDeque<Entry>,
    ended: bool,
    charge: Charge,
    _descriptor: Taken,
}

/// The bindings have a type of wasmtime-wasi's for a stream's handle, which
/// only wasmtime-wasi can make. The number in it is that of a [`Listing`].
pub(super) fn handle(listing: Resource<Listing>) -> Resource<DirectoryEntryStream> {
    Resource::new_own(listing.rep())
}

pub(super) fn of(stream: &Resource<DirectoryEntryStream>) -> Resource<Listing> {
    Resource::new_borrow(stream.rep())
}

pub(super) fn owned(stream: &Resource<DirectoryEntryStream>) -> Resource<Listing> {
    Resource::new_own(stream.rep())
}

impl Listing {
    /// Opens the folder once more, since a descriptor has one place to read on from.
    pub(super) fn open(folder: impl AsFd, taken: Taken, charge: Charge) -> FsResult<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(folder, ".", flags, Mode::empty()).map_err(std::io::Error::from)?;
        Ok(Self { folder, block: VecDeque::new(), ended: false, charge, _descriptor: taken })
    }

    /// The next entry, where no reading is needed for it.
    pub(super) fn buffered(&mut self) -> Option<FsResult<Option<DirectoryEntry>>> {
        match self.block.pop_front() {
            Some(entry) => Some(entry.map(Some).map_err(FsError::from)),
            None if self.ended => Some(Ok(None)),
            None => None,
        }
    }

    /// Reads the next block, and gives its first entry.
    pub(super) fn read_on(&mut self) -> FsResult<Option<DirectoryEntry>> {
        loop {
            if let Some(next) = self.buffered() {
                return next;
            }
            self.read_block()?;
        }
    }

    fn read_block(&mut self) -> FsResult<()> {
        let mut space = Vec::with_capacity(BLOCK_BYTES);
        let mut raw = RawDir::new(self.folder.as_fd(), space.spare_capacity_mut());
        let mut bytes = 0;
        self.ended = true;
        while let Some(entry) = raw.next() {
            self.ended = false;
            let entry = entry.map_err(std::io::Error::from)?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                bytes += name.to_bytes().len() + ENTRY_BYTES;
                self.block.push_back(entry_of(&self.folder, name, entry.file_type()));
            }
            if raw.is_buffer_empty() {
                break;
            }
        }
        self.charge.change(bytes).map_err(FsError::trap)
    }
}

fn entry_of(folder: &OwnedFd, name: &CStr, known: FileType) -> Entry {
    let kind = match known {
        // Some file systems do not say it with the name.
        FileType::Unknown => {
            let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            FileType::from_raw_mode(stat.map_err(std::io::Error::from)?.st_mode)
        }
        known => known,
    };
    let type_ = match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::Fifo | FileType::Socket | FileType::Unknown => DescriptorType::Unknown,
    };
    let name = name.to_str().map_err(|_| ErrorCode::IllegalByteSequence)?.to_owned();
    Ok(DirectoryEntry { type_, name })
}
