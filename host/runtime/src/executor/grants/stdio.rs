//! A guest's standard output and error, as parts of its log.

use bytes::Bytes;
use chimera_layer4_core::telemetry::LogLevel;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::log::Log;

/// What one write may bring.
const WRITE_BYTES: usize = 64 * 1024;

/// One of the two streams, as the guest sees it.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    log: Log,
    level: LogLevel,
}

impl GuestStream {
    /// The stream whose lines have this level.
    pub(crate) fn new(log: &Log, level: LogLevel) -> Self {
        Self { log: log.clone(), level }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and that is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}
