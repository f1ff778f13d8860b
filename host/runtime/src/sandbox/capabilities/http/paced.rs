//! A connection whose bytes are counted where they pass, and wait for their
//! bandwidth.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Permit;
use crate::sandbox::limits::bandwidth::{BLOCK, Direction};
use crate::sandbox::limits::hosted::Hosted;
use crate::sandbox::limits::network::Line;
use crate::sandbox::limits::pool::Taken;

/// A TCP connection on a call's line.
pub(super) struct Paced {
    stream: TcpStream,
    line: Arc<Line>,
    pulse: Pulse,
    before_read: Option<Pause>,
    before_write: Option<Pause>,
    _held: Held,
}

/// What the connection has of the call, and of the agent.
type Held = (Permit, Taken, Hosted);

type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Counts what moves on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Bytes that have passed, either way.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Paced {
    pub(super) fn new(stream: TcpStream, line: Arc<Line>, pulse: Pulse, held: Held) -> Self {
        Self { stream, line, pulse, before_read: None, before_write: None, _held: held }
    }

    /// Ready when the next byte may pass.
    fn poll_turn(&mut self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let pause = match direction {
            Direction::Sent => &mut self.before_write,
            Direction::Received => &mut self.before_read,
        };
        if pause.is_none() && self.line.is_full(direction) {
            *pause = Some(Box::pin(Arc::clone(&self.line).refilled(direction)));
        }
        if let Some(refilled) = pause {
            ready!(refilled.as_mut().poll(cx));
            *pause = None;
        }
        Poll::Ready(Ok(()))
    }

    fn passed(&self, direction: Direction, bytes: usize) {
        self.line.passed(direction, bytes);
        self.pulse.0.fetch_add(bytes as u64, Relaxed);
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_turn(Direction::Received, cx))?;
        let most = buf.remaining().min(BLOCK);
        let mut block = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut block))?;
        let bytes = block.filled().len();
        buf.advance(bytes);
        this.passed(Direction::Received, bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(Direction::Sent, cx))?;
        let block = bytes.get(..BLOCK).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, block))?;
        this.passed(Direction::Sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
