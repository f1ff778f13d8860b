//! Ceilings of the host's own that hold for each instance, whatever its quota.

/// Bytes that one call may make the host copy out of the guest.
pub(crate) const BYTES_PER_HOST_CALL: usize = 4 * 1024 * 1024;
/// Live handles to resources: streams, folders, spans.
pub(crate) const HANDLES: usize = 4096;
/// Bytes of one set of HTTP header fields, with what keeping them takes.
pub(crate) const FIELD_BYTES: usize = 16 * 1024;
