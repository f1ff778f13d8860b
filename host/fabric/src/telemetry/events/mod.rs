//! What happens, as it happens, for listeners.
//!
//! A listener that is too slow loses the oldest events and gets their number;
//! it delays nothing. One that reconnects gets the events since that are kept
//! (`feed`).

mod feed;

pub use chimera_layer4_core::events::{Event, EventKind, TaskEvent, TaskEventKind};

pub use self::feed::{Events, Following, Missed, Position};
