//! What a guest says in one run: lines of its log, standard output and standard
//! error, in the order they came, within bounds.
//!
//! The first part of each kind is kept, and the end of both together: why a run
//! failed stands at the end, however much was said before.
//!
//! wasmtime-wasi's own stream keeps every write until it is flushed, an empty
//! one too, so a guest that writes nothing for ever fills the host's memory.
//! Here a write costs its bytes and its bookkeeping, is charged to the agent, and
//! what is left out is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use parking_lot::{Mutex, MutexGuard};

use crate::sandbox::guest_text::{TEXT_BYTES, sanitize};
use crate::sandbox::limits::hosted::Hosted;

/// Bytes of each kind that are kept from the start of a run.
const FIRST_BYTES: usize = 64 * 1024;
/// Bytes of both kinds that are kept from its end.
const LAST_BYTES: usize = 16 * 1024;
/// What remembering a line, or a change between the streams, takes.
const ENTRY_BYTES: usize = 64;

/// What one instance said since it was last looked at.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Kept>>);

/// What was said, and what that is charged.
#[derive(Debug)]
struct Kept {
    said: Said,
    held: Hosted,
}

#[derive(Debug, Default)]
struct Said {
    first: Vec<Entry>,
    /// Bytes in `first`, with their bookkeeping: of lines, of the streams.
    taken: [usize; 2],
    /// What came when `first` was full.
    last: VecDeque<Entry>,
    last_bytes: usize,
    /// Entries so far.
    count: u64,
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A line of the log, fit to be shown.
    Line,
    /// A part of a stream, which may end in the middle of a line.
    Stream,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    kind: Kind,
    level: LogLevel,
    bytes: Vec<u8>,
    /// What came directly before it was dropped.
    is_cut: bool,
}

impl Entry {
    /// Whether `next` is more of the same stream.
    fn goes_on_in(&self, next: &Self) -> bool {
        self.kind == Kind::Stream
            && (next.kind, next.level, next.number) == (self.kind, self.level, self.number + 1)
            && !next.is_cut
    }

    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

impl Kept {
    /// Whether the agent may hold so much more of words, which is charged then.
    fn has(&mut self, more: usize) -> bool {
        let Said { taken: [lines, streams], last_bytes, .. } = self.said;
        // What is added to grows by doubling, and of more than the end only that is kept.
        let more = 2 * (more.min(FIRST_BYTES + LAST_BYTES) + ENTRY_BYTES);
        self.held.cover(lines + 2 * (streams + last_bytes) + more).is_ok()
    }
}

impl Log {
    /// An empty one, whose words are charged on `held`.
    pub(crate) fn new(held: Hosted) -> Self {
        Self(Arc::new(Mutex::new(Kept { said: Said::default(), held })))
    }

    /// Adds a line of the log.
    pub(crate) fn line(&self, level: LogLevel, message: &str) {
        let line = sanitize(message);
        let mut kept = self.lock();
        if !kept.has(line.len()) {
            kept.said.dropped += message.len() as u64;
            return;
        }
        let said = &mut kept.said;
        said.dropped += message.len().saturating_sub(TEXT_BYTES) as u64;
        let has_space = said.space(Kind::Line) > 0;
        let entry = said.entry(Kind::Line, level, line.as_bytes());
        if has_space {
            said.add_first(entry);
        } else {
            said.add_last(entry);
        }
    }

    /// Adds what was written to the stream whose lines have this level.
    pub(crate) fn write(&self, level: LogLevel, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut kept = self.lock();
        if !kept.has(bytes.len()) {
            kept.said.dropped += bytes.len() as u64;
            return;
        }
        let said = &mut kept.said;
        let (first, rest) =
            bytes.split_at_checked(said.space(Kind::Stream)).unwrap_or((bytes, &[]));
        if !first.is_empty() {
            let entry = said.entry(Kind::Stream, level, first);
            said.add_first(entry);
        }
        if !rest.is_empty() {
            let left_out = rest.len().saturating_sub(LAST_BYTES);
            let rest = rest.get(left_out..).unwrap_or_default();
            let entry = Entry { is_cut: left_out > 0, ..said.entry(Kind::Stream, level, rest) };
            said.dropped += left_out as u64;
            said.add_last(entry);
        }
    }

    /// Takes the lines so far, and the number of bytes that were left out; `held`
    /// counts what the lines are charged.
    pub(crate) fn take(&self, held: &mut Hosted) -> (Vec<LogLine>, u64) {
        let mut kept = self.lock();
        held.absorb(&mut kept.held);
        if kept.said.count == 0 && kept.said.dropped == 0 {
            return (Vec::new(), 0);
        }
        let mut said = std::mem::take(&mut kept.said);
        drop(kept);
        said.trim();
        let Said { first: mut entries, last, mut dropped, .. } = said;
        entries.extend(last);
        entries.sort_by_key(|entry| entry.number);
        let mut lines = Vec::new();
        for same in entries.chunk_by(Entry::goes_on_in) {
            dropped += push_lines(same, &mut lines);
        }
        (lines, dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock()
    }
}

/// The lines of entries that belong together; the answer is how many bytes of
/// them were left out.
fn push_lines(same: &[Entry], lines: &mut Vec<LogLine>) -> u64 {
    let Some(Entry { kind, level, .. }) = same.first() else { return 0 };
    let bytes: Vec<u8> = same.iter().flat_map(|entry| &entry.bytes).copied().collect();
    let text = String::from_utf8_lossy(&bytes);
    if *kind == Kind::Line {
        lines.push(LogLine { level: *level, message: text.into_owned() });
        return 0;
    }
    let mut dropped = 0;
    for line in text.lines() {
        dropped += line.len().saturating_sub(TEXT_BYTES) as u64;
        lines.push(LogLine { level: *level, message: sanitize(line) });
    }
    dropped
}

impl Said {
    /// Bytes of a kind that may still be added to `first`.
    fn space(&self, kind: Kind) -> usize {
        let [lines, streams] = self.taken;
        FIRST_BYTES.saturating_sub(if kind == Kind::Line { lines } else { streams })
    }

    /// The next entry, which is still to be added.
    fn entry(&self, kind: Kind, level: LogLevel, bytes: &[u8]) -> Entry {
        Entry { number: self.count, kind, level, bytes: bytes.to_vec(), is_cut: false }
    }

    fn add_first(&mut self, entry: Entry) {
        let (kind, before) = (entry.kind, self.first.last_mut());
        let (taken, entry) = join(before, entry);
        self.count += u64::from(entry.is_some());
        self.first.extend(entry);
        let [lines, streams] = &mut self.taken;
        *(if kind == Kind::Line { lines } else { streams }) += taken;
    }

    fn add_last(&mut self, entry: Entry) {
        let (taken, entry) = join(self.last.back_mut(), entry);
        self.count += u64::from(entry.is_some());
        self.last.extend(entry);
        self.last_bytes += taken;
        // Seldom, since a part of an entry is moved each time.
        if self.last_bytes > 2 * LAST_BYTES {
            self.trim();
        }
    }

    /// Drops the oldest of `last` until the rest fits.
    fn trim(&mut self) {
        while let Some(over) = self.last_bytes.checked_sub(LAST_BYTES).filter(|over| *over > 0) {
            let Some(oldest) = self.last.front_mut() else { return };
            if oldest.kind == Kind::Stream && oldest.bytes.len() > over {
                oldest.bytes.drain(..over);
                oldest.bytes.shrink_to(2 * LAST_BYTES);
                oldest.is_cut = true;
                self.last_bytes -= over;
                self.dropped += over as u64;
            } else if let Some(oldest) = self.last.pop_front() {
                self.last_bytes -= oldest.cost();
                self.dropped += oldest.bytes.len() as u64;
            }
        }
    }
}

/// Adds to the entry before, where both are of one stream. The answer is what
/// that takes, and the entry where it is one of its own.
fn join(before: Option<&mut Entry>, entry: Entry) -> (usize, Option<Entry>) {
    match before.filter(|before| before.goes_on_in(&entry)) {
        Some(before) => {
            before.bytes.extend_from_slice(&entry.bytes);
            (entry.bytes.len(), None)
        }
        None => (entry.cost(), Some(entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::limits::memory::AgentMemory;

    const INFO: LogLevel = LogLevel::Info;
    const WARN: LogLevel = LogLevel::Warn;

    fn log() -> Log {
        Log::new(Hosted::nothing(&AgentMemory::new(0)))
    }

    fn taken(log: &Log) -> (Vec<(LogLevel, String)>, u64) {
        let mut held = log.lock().held.nothing_yet();
        let (lines, dropped) = log.take(&mut held);
        (lines.into_iter().map(|line| (line.level, line.message)).collect(), dropped)
    }

    #[test]
    fn streams_and_lines_stand_in_the_order_they_came() {
        let log = log();
        log.write(INFO, b"one\ntw");
        log.write(INFO, b"o\n");
        log.line(LogLevel::Error, "between\n");
        log.write(WARN, b"\x1b[31mred\xff\n");
        let expected = [
            (INFO, "one"),
            (INFO, "two"),
            (LogLevel::Error, "between\\n"),
            (WARN, "\\u{1b}[31mred\u{fffd}"),
        ];
        let expected = expected.map(|(level, text)| (level, text.to_owned())).to_vec();
        assert_eq!(taken(&log), (expected, 0));
        assert_eq!(taken(&log), (Vec::new(), 0), "the next run starts empty");
    }

    #[test]
    fn of_a_flood_the_start_and_the_end_are_kept_and_the_rest_is_counted() {
        let log = log();
        let written: usize = (0..100_000)
            .map(|n| {
                let line = format!("{n:09}\n");
                log.write(INFO, line.as_bytes());
                log.write(INFO, b"");
                line.len()
            })
            .sum();
        log.write(WARN, b"panicked\n");
        let (lines, dropped) = taken(&log);
        assert_eq!(lines[0].1, "000000000");
        let end = &lines[lines.len() - 2..];
        assert_eq!(end, [(INFO, "000099999".to_owned()), (WARN, "panicked".to_owned())]);
        let kept: usize = lines.iter().map(|(_, line)| line.len() + 1).sum();
        assert!(kept <= FIRST_BYTES + LAST_BYTES + 1, "{kept}");
        assert!(kept as u64 + dropped >= written as u64, "{kept} and {dropped} of {written}");
    }

    #[test]
    fn one_kind_does_not_take_the_room_of_the_other() {
        let log = log();
        log.write(INFO, &vec![b'x'; 4 * FIRST_BYTES]);
        log.line(WARN, "said");
        for _ in 0..10_000 {
            log.line(INFO, "");
            log.write(WARN, b"y\n");
        }
        log.line(WARN, "the end");
        let (lines, _) = taken(&log);
        assert!(lines.contains(&(WARN, "said".to_owned())));
        assert_eq!(lines.last(), Some(&(WARN, "the end".to_owned())));
        // Empty lines cost their bookkeeping, and so does a change between streams.
        assert!(lines.len() <= (2 * FIRST_BYTES + 2 * LAST_BYTES) / ENTRY_BYTES, "{}", lines.len());
    }
    #[test]
    fn words_that_the_agent_may_not_hold_are_left_out_and_counted() {
        let agent = AgentMemory::new(0);
        let other = Hosted::of(&agent, 880 * 1024).unwrap();
        let log = Log::new(Hosted::nothing(&agent));
        (0..1000).for_each(|_| log.line(INFO, &"y".repeat(100)));
        let (lines, dropped) = taken(&log);
        assert!((10..200).contains(&lines.len()), "{}", lines.len());
        assert_eq!(dropped, 100 * (1000 - lines.len() as u64));
        drop(other);
        (0..300).for_each(|_| log.line(INFO, &"y".repeat(100)));
        assert_eq!(taken(&log).0.len(), 300, "another instance let go");
        assert!(Hosted::of(&agent, 896 * 1024).is_ok(), "what was taken is given back");
    }
}
