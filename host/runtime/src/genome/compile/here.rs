//! Compiling in the host's own process, for a program that has no other to start.
//!
//! The same work as a child's, on a thread, and without a child's bounds: nothing limits its
//! memory and processor time, and nothing can stop it. The time that a caller waits is limited,
//! and so is the number of threads that no caller waits for any more.

use std::io;
use std::sync::Arc;

use chimera_layer4_core::{FabricError, FabricResult};
use tokio::sync::oneshot;

use super::{COMPILERS, refused, said, too_late};
use crate::genome::inspect::Inspection;
use crate::genome::worker::{self, Request};

/// Threads that compile: one for each caller that may, and as many that no caller waits for.
const MOST_THREADS: usize = 2 * COMPILERS;

/// Counts the threads that compile: each holds a clone.
#[derive(Debug, Default)]
pub(super) struct Threads(Arc<()>);

impl Threads {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// As a child's answer.
pub(super) async fn answer(
    request: Request,
    bytes: Vec<u8>,
    threads: &Threads,
) -> FabricResult<Option<Inspection>> {
    let (limits, size) = (request.limits, request.bytes);
    let count = threads.count();
    if count >= MOST_THREADS {
        return Err(FabricError::Internal(format!(
            "{count} compilers of this process are still at components that they had no more \
             time for; start the program again, and have components compiled in a process of \
             its own with `compile_program`"
        )));
    }
    let done = begin(request, bytes, Arc::clone(&threads.0))
        .map_err(|error| FabricError::Internal(format!("no thread for the compiler: {error}")))?;
    match tokio::time::timeout(limits.wall_for(size), done).await {
        Ok(Ok(answer)) => said(answer),
        // The thread ended without an answer.
        Ok(Err(_)) => Err(refused("the compiler panicked; standard error has its words".into())),
        Err(_) => Err(too_late(&limits, size)),
    }
}

/// A thread and no task of tokio's: the end of a program waits for those.
fn begin(
    request: Request,
    bytes: Vec<u8>,
    counted: Arc<()>,
) -> io::Result<oneshot::Receiver<worker::Answer>> {
    let (answered, done) = oneshot::channel();
    let work = move || {
        let answer = worker::answer(&request, &bytes);
        // Before its caller goes on, which may begin the next one.
        drop(counted);
        if answered.send(answer).is_err() {
            // No caller waits any more, so none takes what was made.
            let _ = std::fs::remove_dir_all(&request.folder);
        }
    };
    std::thread::Builder::new().name("chimera-compiler".into()).spawn(work)?;
    Ok(done)
}
