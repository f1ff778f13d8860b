//! A guest's standard output and error: lines of its log, within bounds.
//!
//! wasmtime-wasi's own stream keeps every write until it is flushed, an empty
//! one too, so a guest that writes nothing for ever fills the host's memory.
//! This stream keeps bytes only, up to a limit, and counts what it drops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::executor::bindings::{WORDS, words};

/// Bytes of both streams kept for one run.
const KEPT_BYTES: usize = 64 * 1024;
/// What remembering a change between the streams takes.
const CHUNK_BYTES: usize = 64;
/// What one write may bring.
const WRITE_BYTES: usize = 64 * 1024;

/// What one instance wrote since it was last looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    /// Chunks in the order they came, each with its stream's level.
    chunks: Vec<(LogLevel, Vec<u8>)>,
    kept: usize,
    dropped: u64,
}

impl Output {
    /// The stream whose lines have this level.
    pub(crate) fn stream(&self, level: LogLevel) -> GuestStream {
        GuestStream { output: self.clone(), level }
    }

    /// Takes the lines written so far and the number of bytes dropped.
    pub(crate) fn take(&self) -> (Vec<LogLine>, u64) {
        let mut guard = self.lock();
        if guard.chunks.is_empty() && guard.dropped == 0 {
            return (Vec::new(), 0);
        }
        let written = std::mem::take(&mut *guard);
        drop(guard);
        let mut dropped = written.dropped;
        let mut kept = Vec::new();
        for (level, bytes) in &written.chunks {
            for line in String::from_utf8_lossy(bytes).lines() {
                dropped += line.len().saturating_sub(WORDS) as u64;
                kept.push(LogLine { level: *level, message: words(line) });
            }
        }
        (kept, dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, level: LogLevel, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut written = self.lock();
        let room = KEPT_BYTES - written.kept;
        let kept = bytes.get(..room).unwrap_or(bytes);
        written.dropped += (bytes.len() - kept.len()) as u64;
        if kept.is_empty() {
            return;
        }
        written.kept += kept.len();
        match written.chunks.last_mut() {
            Some((last, chunk)) if *last == level => chunk.extend_from_slice(kept),
            _ => {
                // A change of stream costs its bookkeeping, so it counts too.
                written.kept = KEPT_BYTES.min(written.kept + CHUNK_BYTES);
                written.chunks.push((level, kept.to_vec()));
            }
        }
    }
}

/// One of the two streams, as the guest sees it.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    output: Output,
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
        self.output.write(self.level, &bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_become_lines_in_order() {
        let output = Output::default();
        output.write(LogLevel::Info, b"one\ntw");
        output.write(LogLevel::Info, b"o\n");
        output.write(LogLevel::Warn, b"\x1b[31mred\xff\n");
        let (lines, dropped) = output.take();
        let lines: Vec<_> = lines.iter().map(|l| (l.level, l.message.as_str())).collect();
        let (info, warn) = (LogLevel::Info, LogLevel::Warn);
        assert_eq!(lines, [(info, "one"), (info, "two"), (warn, "\\u{1b}[31mred\u{fffd}")]);
        assert_eq!(dropped, 0);
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let output = Output::default();
        for _ in 0..1000 {
            output.write(LogLevel::Info, &[b'x'; 1024]);
            output.write(LogLevel::Info, b"");
        }
        assert_eq!(output.lock().kept, KEPT_BYTES);
        let (lines, dropped) = output.take();
        let kept: usize = lines.iter().map(|line| line.message.trim_end_matches('…').len()).sum();
        assert_eq!(kept as u64 + dropped, 1000 * 1024 - CHUNK_BYTES as u64 + CHUNK_BYTES as u64);
        assert_eq!(output.take(), (Vec::new(), 0), "the next run starts empty");
    }
}
