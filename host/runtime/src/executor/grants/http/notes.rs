//! Why requests were denied or slow, for the log of the run.
//!
//! The guest is told a code. Whoever reads its log needs the reason, and what
//! would help.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executor::bindings::words;

/// Notes kept between two looks; the first ones tell the most.
const NOTES: usize = 16;

/// The notes of one instance.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(super) fn denied(&self, target: &impl Display, why: &str) {
        self.add(&format!("the host denied a request to {target}: {why}"));
    }

    pub(super) fn add(&self, note: &str) {
        let mut notes = self.lock();
        if notes.len() < NOTES {
            notes.push(words(note));
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
