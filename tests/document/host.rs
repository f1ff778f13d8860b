//! The document's blocks for the host, a module each: `b0146` is the block that begins at
//! line 146. The build script composes them, so that they compile is what is proved here.
#![allow(
    dead_code,
    unreachable_pub,
    unused,
    clippy::all,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::large_futures,
    reason = "they stand as in the document"
)]

include!(concat!(env!("OUT_DIR"), "/document.rs"));
