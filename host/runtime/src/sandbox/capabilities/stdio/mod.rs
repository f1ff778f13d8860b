//! A guest's standard output and error, as parts of its log.

use bytes::Bytes;
use chimera_layer4_core::telemetry::LogLevel;
use chimera_layer4_core::{FabricResult, Fault};
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::sandbox::capability::{Capability, Needs, Provides};
use crate::sandbox::context::{ContextBuilder, Log};
use crate::sandbox::options::CapabilityOptions;

/// What one write may bring.
const WRITE_BYTES: usize = 64 * 1024;

/// The two streams, which WASI's own functions write to.
pub(crate) struct Stdio;

impl Capability for Stdio {
    type Backend = ();
    type State = ();

    fn needs(_: &str) -> Option<Needs> {
        None // `wasi:cli` is WASI's own.
    }

    fn backend(_: &CapabilityOptions) -> FabricResult<()> {
        Ok(())
    }

    fn state((): &(), instance: &mut ContextBuilder) -> Result<(), Fault> {
        let stream = |level| GuestStream { log: instance.log.clone(), level };
        let (out, err) = (stream(LogLevel::Info), stream(LogLevel::Warn));
        instance.wasi.stdout(out).stderr(err);
        Ok(())
    }

    fn link<T: Provides<Self>>(_: &mut Linker<T>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// One of the two streams, as the guest sees it.
#[derive(Clone, Debug)]
struct GuestStream {
    log: Log,
    level: LogLevel,
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
