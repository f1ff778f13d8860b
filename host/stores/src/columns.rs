//! Counts as SQLite has them.

/// SQLite counts to 2⁶³; what is more is that.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What was written is never below zero; what is, is damaged, and taken as zero.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
