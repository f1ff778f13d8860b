//! What SQLite's errors mean to the caller.

use chimera_layer4_core::scheduler::store::StoreError;
use rusqlite::{Error, ErrorCode};

pub(super) use crate::opening::is_final;

/// The error as the store's callers know it.
pub(super) fn explain(error: &Error) -> StoreError {
    let reason = describe(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Unavailable {
            reason: format!("{reason}; make room on the disk, or purge tasks that have ended"),
        },
        Some(_) if is_final(error) => StoreError::Failed {
            reason: format!("{reason}; start the host anew, which checks the database first"),
        },
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory,
        ) => StoreError::Unavailable { reason },
        _ => StoreError::Failed { reason },
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::UnwindingPanic => {
            "the host has a bug, and its log says where; this command was left out".into()
        }
        Error::SqliteFailure(failure, Some(message)) => {
            format!("{message} (SQLite's code {})", failure.extended_code)
        }
        Error::SqliteFailure(..) => error.to_string(),
        other => format!("what is stored cannot be read: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_may_pass_differs_from_what_will_not() {
        let explained = |code| {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            (explain(&error).code(), is_final(&error))
        };
        for passing in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_CANTOPEN,
        ] {
            assert_eq!(explained(passing), ("store-unavailable", false), "{passing}");
        }
        for lasting in [ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_NOTADB, ffi::SQLITE_IOERR_FSYNC] {
            assert_eq!(explained(lasting), ("store-failed", true), "{lasting}");
        }
        assert_eq!(explained(ffi::SQLITE_CONSTRAINT), ("store-failed", false));
    }
}
