//! Writing a file as a stream, one block at a time.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{BLOCK_BYTES, Streamed, Work};
use crate::sandbox::limits::cpu::charge_caller;
use crate::sandbox::limits::memory::Charge;
use crate::sandbox::limits::threads::Done;

/// Where the next byte goes.
#[derive(Clone, Copy)]
pub(super) enum At {
    Offset(u64),
    End,
}

/// A file from an offset on, or at its end.
pub(super) struct Output {
    file: Streamed,
    at: At,
    state: State,
}

enum State {
    Idle,
    Writing { work: Work<Done<u64>>, _held: Charge },
    Failed(io::Error),
    Closed,
}

impl Output {
    pub(super) fn new(file: Streamed, at: At) -> Self {
        Self { file, at, state: State::Idle }
    }

    async fn done(&mut self) {
        let State::Writing { work, .. } = &mut self.state else { return };
        self.state = match work.await {
            Ok((written, took)) => {
                charge_caller(took);
                if let At::Offset(offset) = &mut self.at {
                    *offset += written;
                }
                State::Idle
            }
            Err(error) => State::Failed(error),
        };
    }

    /// An error is reported once; then the stream is closed.
    fn check(&mut self) -> StreamResult<()> {
        match self.state {
            State::Idle | State::Writing { .. } => Ok(()),
            State::Closed => Err(StreamError::Closed),
            State::Failed(_) => match std::mem::replace(&mut self.state, State::Closed) {
                State::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
        }
    }
}

fn write(file: &File, mut bytes: Bytes, at: At) -> io::Result<u64> {
    let mut written: u64 = 0;
    while !bytes.is_empty() {
        let count = match at {
            At::Offset(offset) => file.write_at(&bytes, offset.saturating_add(written)),
            At::End => append(file, &bytes),
        };
        match count {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes.advance(count);
                written += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Writes at the end, wherever another writer has moved it, where the file system
/// can do that.
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    match pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => file.write_at(bytes, file.metadata()?.len()),
        written => Ok(written?),
    }
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            State::Idle => {}
            State::Closed => return Err(StreamError::Closed),
            State::Writing { .. } | State::Failed(_) => {
                return Err(StreamError::trap("more was written than `check-write` permitted"));
            }
        }
        let held = self.file.memory.charge(bytes.len());
        let held = held.map_err(|over| StreamError::Trap(over.into()))?;
        let at = self.at;
        let work = self.file.begin(move |file| write(file, bytes, at));
        self.state = State::Writing { work, _held: held };
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        Ok(if matches!(self.state, State::Idle) { BLOCK_BYTES } else { 0 })
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.done().await;
        self.check()?;
        self.write(bytes)?;
        self.done().await;
        self.check()
    }

    /// Bytes that were accepted are still written, though the guest does not wait for that.
    async fn cancel(&mut self) {
        self.done().await;
        self.state = State::Closed;
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.done().await;
    }
}
