//! Counts the bytes of a source, tells progress, and stops a row without end.
//!
//! A quote that is never closed turns the rest of a file into one field. Without
//! a bound that field would fill the memory, and the agent would end with a trap
//! instead of an answer.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::telemetry;

/// Progress is reported once for so many bytes.
const STEP: u64 = 4 << 20;

/// What has been read so far. Cheap to clone; all clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Meter(Rc<Counts>);

#[derive(Debug)]
struct Counts {
    bytes: Cell<u64>,
    row_start: Cell<u64>,
    told: Cell<u64>,
    failed: Cell<bool>,
    total: Option<u64>,
    row_limit: u64,
}

impl Meter {
    pub(super) fn new(total: Option<u64>, row_limit: usize) -> Self {
        Self(Rc::new(Counts {
            bytes: Cell::new(0),
            row_start: Cell::new(0),
            told: Cell::new(0),
            failed: Cell::new(false),
            total,
            row_limit: row_limit as u64,
        }))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.get()
    }

    /// The reader is past a row, so the next may be as long again.
    pub(super) fn row_done(&self, rows: u64) {
        self.0.row_start.set(self.bytes());
        if self.bytes() - self.0.told.get() >= STEP {
            self.0.told.set(self.bytes());
            self.tell(rows);
        }
    }

    fn tell(&self, rows: u64) {
        if let Some(total) = self.0.total.filter(|total| *total > 0) {
            let fraction = (self.bytes() as f64 / total as f64).min(1.0);
            telemetry::progress_with(fraction, format_args!("read {rows} rows"));
        }
    }

    /// A disk that failed is no fault of the data: another attempt may succeed.
    pub(super) fn blame(&self, path: &str, error: AgentError) -> AgentError {
        let message = format!("`{path}`: {}", error.message());
        if self.0.failed.get() {
            return AgentError::unavailable(message);
        }
        AgentError::invalid_input(message)
    }
}

/// A reader that counts into a meter.
pub(super) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Metered<R> {
    pub(super) fn new(inner: R, meter: &Meter) -> Self {
        let meter = meter.clone();
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let counts = &self.meter.0;
        let in_row = counts.bytes.get() - counts.row_start.get();
        if in_row > counts.row_limit {
            return Err(io::Error::other(format!(
                "a row is longer than {} bytes: a quote or bracket may be left open; if the row is \
                 right, raise `limits.row_bytes`",
                counts.row_limit
            )));
        }
        let read = self.inner.read(buffer).inspect_err(|error| {
            counts.failed.set(error.kind() != io::ErrorKind::Interrupted);
        })?;
        counts.bytes.set(counts.bytes.get() + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chimera_agent_sdk::testing::record;

    /// A disk that gives some bytes and then fails.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let given = buffer.len().min(self.0);
            self.0 -= given;
            match given {
                0 => Err(io::Error::other("the disk is gone")),
                given => Ok(given),
            }
        }
    }

    #[test]
    fn progress_is_reported_once_a_step() {
        let size = 3 * STEP;
        let meter = Meter::new(Some(size), 1 << 20);
        let data = vec![b'x'; size as usize];
        let ((), recording) = record(|| {
            let mut reader = Metered::new(data.as_slice(), &meter);
            let mut row = vec![0; 1 << 16];
            for number in 1..=size / row.len() as u64 {
                reader.read_exact(&mut row).unwrap();
                meter.row_done(number);
            }
        });
        let fractions: Vec<_> = recording.progress.iter().map(|step| step.fraction).collect();
        assert_eq!(fractions, [1.0 / 3.0, 2.0 / 3.0, 1.0]);
        assert_eq!(meter.bytes(), size);
    }

    #[test]
    fn a_row_without_end_is_stopped() {
        let meter = Meter::new(None, 100);
        let error = io::copy(&mut Metered::new(io::repeat(b'x'), &meter), &mut io::sink());
        assert!(error.unwrap_err().to_string().contains("longer than 100 bytes"));
        let blamed = meter.blame("t.csv", AgentError::invalid_input("x"));
        assert_eq!(blamed, AgentError::invalid_input("`t.csv`: x"));
    }

    #[test]
    fn a_disk_that_fails_is_worth_another_attempt() {
        let meter = Meter::new(None, 100);
        let read = io::copy(&mut Metered::new(Failing(10), &meter), &mut io::sink());
        assert!(read.is_err());
        let blamed = meter.blame("t.csv", AgentError::invalid_input("x"));
        assert_eq!(blamed, AgentError::unavailable("`t.csv`: x"));
    }
}
