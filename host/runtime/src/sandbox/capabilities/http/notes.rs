//! Why requests were denied or slow, for the log of the run.
//!
//! The guest gets a code. A reader of its log needs the reason, and what would
//! help.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::sandbox::guest_text::sanitize;
use crate::sandbox::limits::hosted::Hosted;

/// Notes kept between two looks; the first ones say the most.
const NOTES: usize = 16;

/// The notes of one instance.
#[derive(Clone)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

struct Noted {
    notes: Vec<String>,
    held: Hosted,
}

impl Notes {
    /// None yet; they are charged on `held`.
    pub(super) fn new(held: Hosted) -> Self {
        Self(Arc::new(Mutex::new(Noted { notes: Vec::new(), held })))
    }

    pub(super) fn denied(&self, target: &impl Display, why: &str) {
        self.add(&format!("the host denied a request to {target}: {why}"));
    }

    pub(super) fn add(&self, note: &str) {
        let mut noted = self.lock();
        let note = sanitize(note);
        let kept: usize = noted.notes.iter().map(String::len).sum();
        if noted.notes.len() < NOTES && noted.held.cover(kept + note.len()).is_ok() {
            noted.notes.push(note);
        }
    }

    /// The notes since the last time; `held` counts what they are charged.
    pub(super) fn take(&self, held: &mut Hosted) -> Vec<String> {
        let mut noted = self.lock();
        held.absorb(&mut noted.held);
        std::mem::take(&mut noted.notes)
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock()
    }
}
