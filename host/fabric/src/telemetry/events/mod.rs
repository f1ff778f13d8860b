//! What happens, as it happens, for whoever listens.
//!
//! A listener that is slower than what happens loses the oldest events and is
//! told how many; it holds up nobody. One that was away hears what is kept of
//! the events since (`feed`).

mod feed;

pub use chimera_layer4_core::events::{Event, EventKind, TaskEvent, TaskEventKind};

pub use self::feed::{Events, Following, Missed, Position};
