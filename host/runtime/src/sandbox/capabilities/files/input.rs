//! Reading a file as a stream, one block ahead at the most.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::{BLOCK_BYTES, Streamed, Work};
use crate::sandbox::limits::cpu::charge_caller;
use crate::sandbox::limits::memory::{Charge, OverMemory};
use crate::sandbox::limits::threads::Done;

/// What is read for a guest that waits for data before it has asked for any.
const AHEAD_BYTES: usize = 4096;

/// A file from an offset on.
pub(super) struct Input {
    file: Streamed,
    position: u64,
    state: State,
}

enum State {
    Idle,
    Reading(Work<Done<Bytes>>, Charge),
    /// The whole block is charged until the guest has taken all of it.
    Read {
        block: Bytes,
        _held: Charge,
    },
    Failed(io::Error),
    OverMemory(OverMemory),
    Ended,
}

impl Input {
    pub(super) fn new(file: Streamed, position: u64) -> Self {
        Self { file, position, state: State::Idle }
    }

    /// Begins to read, if nothing was begun and nothing is left.
    fn begin(&mut self, bytes: usize) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        let (bytes, position) = (bytes.min(BLOCK_BYTES), self.position);
        self.state = match self.file.memory.charge(bytes) {
            Ok(charge) => {
                State::Reading(self.file.begin(move |file| read(file, bytes, position)), charge)
            }
            Err(over) => State::OverMemory(over),
        };
    }

    async fn done(&mut self) {
        let State::Reading(work, _) = &mut self.state else { return };
        let read = work.await;
        // The charge goes over to what was read.
        let State::Reading(_, held) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        self.state = match read {
            Ok((bytes, took)) => {
                charge_caller(took);
                if bytes.is_empty() {
                    State::Ended
                } else {
                    State::Read { block: bytes, _held: held }
                }
            }
            Err(error) => State::Failed(error),
        };
    }
}

fn read(file: &File, bytes: usize, position: u64) -> io::Result<Bytes> {
    let mut block = BytesMut::zeroed(bytes);
    let read = loop {
        match file.read_at(&mut block, position) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    block.truncate(read);
    Ok(block.freeze())
}

#[async_trait::async_trait]
impl InputStream for Input {
    fn read(&mut self, bytes: usize) -> StreamResult<Bytes> {
        match &mut self.state {
            State::Idle if bytes == 0 => Ok(Bytes::new()),
            State::Idle => {
                self.begin(bytes);
                Ok(Bytes::new())
            }
            State::Reading(..) => Ok(Bytes::new()),
            State::Read { block, .. } => {
                let taken = block.split_to(block.len().min(bytes));
                if block.is_empty() {
                    self.state = State::Idle;
                }
                self.position += taken.len() as u64;
                Ok(taken)
            }
            State::Ended => Err(StreamError::Closed),
            State::OverMemory(over) => Err(StreamError::Trap((*over).into())),
            State::Failed(_) => match std::mem::replace(&mut self.state, State::Ended) {
                State::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
        }
    }

    async fn blocking_read(&mut self, bytes: usize) -> StreamResult<Bytes> {
        self.done().await;
        self.begin(bytes);
        self.done().await;
        self.read(bytes)
    }
}

#[async_trait::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        self.begin(AHEAD_BYTES);
        self.done().await;
    }
}
