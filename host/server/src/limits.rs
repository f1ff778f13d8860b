//! Log lines about refused requests, at most one a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A request that was refused, as the log has it.
pub(super) struct Refusal<'a> {
    pub(super) method: &'a str,
    pub(super) route: &'a str,
    pub(super) status: u16,
    /// The problem's.
    pub(super) code: &'a str,
    /// The request's id.
    pub(super) request: &'a str,
}

/// Requests that were refused, of which a line a second is logged: a client
/// that floods the host is not to flood its log too.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The second of the last line.
    last: AtomicU64,
    unsaid: AtomicU64,
}

impl Refusals {
    pub(super) fn note(&self, refusal: &Refusal<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.last.swap(now, Ordering::Relaxed) == now {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let more = self.unsaid.swap(0, Ordering::Relaxed);
        let Refusal { method, route, status, code, request } = *refusal;
        tracing::info!(method, route, status, code, request, more, "a request was refused");
    }
}
