//! Programs that listen on port 9090 because their author wrote no other: one at a time, and
//! only while no other program of the machine has it.

use std::net::TcpListener;
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long another program may have the port.
const PATIENCE: Duration = Duration::from_secs(60);
/// The port, which only one of these tests can have.
static PORT: Mutex<()> = Mutex::new(());

/// Held while one of these tests has the port.
pub(crate) fn alone_on_port_9090() -> MutexGuard<'static, ()> {
    PORT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `run` ended with, run while the port is free; `None`: another program has the port for
/// longer than a test waits. With `REQUIRE_PORT_9090=1`, as CI sets it, the test fails then.
pub(crate) fn on_port_9090(what: &str, run: impl Fn() -> Output) -> Option<Output> {
    let _alone = alone_on_port_9090();
    let mut until = Instant::now() + PATIENCE;
    let mut taken = 0;
    while Instant::now() < until {
        if TcpListener::bind(("127.0.0.1", 9090)).is_ok() {
            let output = run();
            let is_taken = String::from_utf8_lossy(&output.stderr).contains("cannot listen on");
            if !is_taken {
                return Some(output);
            }
            // It may have run for longer than that.
            taken += 1;
            if taken < 3 {
                until = Instant::now() + PATIENCE;
            }
        }
        std::thread::sleep(Duration::from_millis(100)); // tidy: another program has the port
    }
    let message = format!("{what}: another program has port 9090");
    assert!(!is_required(), "{message}; REQUIRE_PORT_9090=1 has this test fail for it");
    println!("NOT TESTED: {message}");
    None
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the host")]
fn is_required() -> bool {
    std::env::var_os("REQUIRE_PORT_9090").is_some_and(|value| value == "1")
}
