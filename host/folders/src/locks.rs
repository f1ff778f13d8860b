//! Locks on files, by which one process at a time has a folder.
//!
//! A child that the last holder was starting shares its lock until it has
//! become another program, so a lock is given a moment to go.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::Duration;

/// How often, and how long apart, a lock that is taken is asked for again.
const TRIES: u32 = 20;
const MOMENT: Duration = Duration::from_millis(10);

/// Takes the lock; `false`: another process has it.
///
/// # Errors
/// What the system said.
pub fn take(file: &File) -> io::Result<bool> {
    let mut tries = TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if tries > 0 => thread::sleep(MOMENT),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        tries -= 1;
    }
}
