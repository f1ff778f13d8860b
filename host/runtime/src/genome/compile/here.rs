//! Compiling in the host's own process, for a program that has no other to start.
//!
//! The same work as a child's, on a thread, and without a child's bounds: nothing limits its
//! memory and processor time, and nothing can stop it. The time that a caller waits is limited.

use std::io;

use chimera_layer4_core::{FabricError, FabricResult};
use tokio::sync::oneshot;

use super::{Permit, refused, said, too_late};
use crate::genome::inspect::Inspection;
use crate::genome::worker::{self, Request};

/// As a child's answer. `permit` is given back when the thread is done, also where no caller
/// waits any more.
pub(super) async fn answer(
    request: Request,
    bytes: Vec<u8>,
    permit: Permit,
) -> FabricResult<Option<Inspection>> {
    let (limits, size) = (request.limits, request.bytes);
    let done = begin(request, bytes, permit)
        .map_err(|error| FabricError::Internal(format!("no thread for the compiler: {error}")))?;
    match tokio::time::timeout(limits.wall_for(size), done).await {
        Ok(Ok(answer)) => said(answer),
        // The thread ended without an answer.
        Ok(Err(_)) => Err(refused("the compiler panicked; the log has its words".into())),
        Err(_) => Err(too_late(&limits, size)),
    }
}

/// A thread and no task of tokio's: the end of a program waits for those.
fn begin(
    request: Request,
    bytes: Vec<u8>,
    permit: Permit,
) -> io::Result<oneshot::Receiver<worker::Answer>> {
    let (answered, done) = oneshot::channel();
    let work = move || {
        let answer = worker::answer(&request, &bytes);
        if answered.send(answer).is_err() {
            // No caller waits any more, so none takes what was made.
            let _ = std::fs::remove_dir_all(&request.folder);
        }
        drop(permit);
    };
    std::thread::Builder::new().name("chimera-compiler".into()).spawn(work)?;
    Ok(done)
}
