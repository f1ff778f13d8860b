//! Runs guests that no queued task waits for, on a thread of their own.
//!
//! A guest holds the thread that polls it until its next tick, which is
//! milliseconds. On a thread of the runtime that serves live tasks, these would
//! wait for it; on one of its own and with the least priority, the system lets
//! them pass first. Where no processor is ever idle, it hardly gets on.

use std::thread;

use chimera_layer4_core::{FabricError, FabricResult};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs `work` on that thread. It stops where it is when the caller stops waiting.
pub(super) async fn at_idle_priority<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> FabricResult<T> {
    let (mut done, ended) = oneshot::channel();
    let run = move || {
        give_way();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(done.send(Err(error))),
        };
        let result = runtime.block_on(async {
            tokio::select! {
                result = work => Some(result),
                () = done.closed() => None,
            }
        });
        if let Some(result) = result {
            let _ = done.send(Ok(result));
        }
    };
    thread::Builder::new().name("chimera-aside".into()).spawn(run).map_err(failed)?;
    // An error here is a thread that panicked.
    ended.await.map_err(failed)?.map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> FabricError {
    FabricError::Internal(format!("the thread for benchmarks: {error}"))
}

/// Linux's SCHED_IDLE is preempted by whatever else would run; a thread that is
/// only nice goes on for some milliseconds first. Elsewhere the thread is as any
/// other.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::set_thread_priority_and_policy as set;
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, thread_native_id,
        };
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        if let Err(error) = set(thread_native_id(), ThreadPriority::Min, policy) {
            tracing::warn!(%error, "benchmarks may hold live tasks up");
        }
    }
}
