//! Looks at each step of the store, or ends the process there.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::steps::Step;

/// Steps until this process ends as if by `kill -9`.
static LEFT: AtomicI64 = AtomicI64::new(i64::MAX);

/// A change of the disk.
#[derive(Clone, Debug)]
pub(in super::super) enum Change {
    Synced(PathBuf, Vec<u8>),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    FolderSynced(PathBuf),
}

thread_local! {
    static SEEN: RefCell<Option<Vec<Change>>> = const { RefCell::new(None) };
}

/// Has the process killed after so many steps.
pub(in super::super) fn die_after(steps: i64) {
    LEFT.store(steps, Ordering::SeqCst);
}

/// The changes that `work` makes, in their order.
pub(in super::super) fn watch(work: impl FnOnce()) -> Vec<Change> {
    SEEN.set(Some(Vec::new()));
    work();
    SEEN.take().unwrap()
}

pub(in super::super) fn reached(step: Step<'_>) {
    SEEN.with_borrow_mut(|seen| {
        let Some(seen) = seen else { return };
        seen.extend(match step {
            Step::Written | Step::Transaction => None,
            Step::Synced(path) => Some(Change::Synced(path.into(), fs::read(path).unwrap())),
            Step::Renamed(from, to) => Some(Change::Renamed(from.into(), to.into())),
            Step::Removed(path) => Some(Change::Removed(path.into())),
            Step::FolderSynced(path) => Some(Change::FolderSynced(path.into())),
        });
    });
    if LEFT.fetch_sub(1, Ordering::SeqCst) == 0 {
        use rustix::process::{Signal, getpid, kill_process};
        kill_process(getpid(), Signal::KILL).unwrap();
    }
}
