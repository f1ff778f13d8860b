//! The clock that makes a running guest yield.
//!
//! One thread advances the engine's epoch every [`TICK`]; compiled code looks
//! at the epoch in every loop and function and yields when it has moved. The
//! thread holds the engine weakly, parks when nothing has run for a while, and
//! is joined when its owner goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How long a guest may run before it must yield. Short enough to keep other
/// work flowing and a share of a core exact; long enough to cost nothing.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Idle ticks before the thread parks. Parking after each run would cost every
/// short task a wake-up.
const IDLE_TICKS: u32 = 40;

#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// While one lives, the epoch advances.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("chimera-ticker".into())
            .spawn(move || tick(&seen, &engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn running(&self) -> Running<'_> {
        // Sequentially consistent against `park`: either this sees `parked`,
        // or the thread sees the count before it parks.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, and a panic could not be reported here.
            let _ = thread.join();
        }
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if idle >= IDLE_TICKS {
            park(shared);
            idle = 0;
        } else {
            thread::sleep(TICK);
        }
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
    }
}

fn park(shared: &Shared) {
    shared.parked.store(true, Ordering::SeqCst);
    if shared.running.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.parked.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Config, Engine};

    #[test]
    fn it_ends_when_its_owner_does_even_while_parked() {
        let engine = Engine::new(&Config::new()).unwrap();
        let ticker = Ticker::start(engine.weak()).unwrap();
        while !ticker.shared.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        drop(ticker);
    }

    #[test]
    fn a_run_wakes_it_and_counts_back_down() {
        let engine = Engine::new(&Config::new()).unwrap();
        let ticker = Ticker::start(engine.weak()).unwrap();
        while !ticker.shared.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let running = ticker.running();
        while ticker.shared.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        drop(running);
        assert_eq!(ticker.shared.running.load(Ordering::SeqCst), 0);
    }
}
