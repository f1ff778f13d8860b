//! The columns of a task's row, and their values.
//!
//! What is read is checked: a file may hold anything. What is written fits,
//! since a number beyond SQLite's stands for "never" and is cut off.

use chimera_layer4_core::scheduler::store::Row;
use chimera_layer4_core::scheduler::{DeadReason, Owner, Progress, TaskState, Timestamp};
use chimera_layer4_core::{Priority, TaskId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use uuid::Uuid;

/// The columns that [`row`] reads, in its order.
macro_rules! columns {
    () => {
        "seq, id, agent_type, priority, state, at, fence, owner, attempts, max_attempts, \
         crashes, lost_claims, host_faults, cancel_requested, deadline, submitted_at, \
         genome, reason"
    };
}
pub(super) use columns;

/// The column after the last of [`columns`].
pub(super) const NEXT: usize = 18;

/// Reads a row, and the number of its genome.
pub(super) fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Row, Option<u32>)> {
    let progress = Progress {
        state: row.get::<_, Sql<_>>(4)?.0,
        at: row.get::<_, Sql<_>>(5)?.0,
        fence: row.get::<_, Sql<_>>(6)?.0,
        owner: row.get::<_, Option<Sql<Uuid>>>(7)?.map(|owner| Owner(owner.0)),
        attempts: row.get(8)?,
        max_attempts: row.get(9)?,
        crashes: row.get(10)?,
        lost_claims: row.get(11)?,
        host_faults: row.get(12)?,
        cancel_requested: row.get(13)?,
    };
    let read = Row {
        seq: row.get::<_, Sql<_>>(0)?.0,
        id: TaskId::from(row.get::<_, Sql<Uuid>>(1)?.0),
        agent_type: row.get(2)?,
        priority: row.get::<_, Sql<_>>(3)?.0,
        deadline: row.get::<_, Option<Sql<_>>>(14)?.map(|deadline| deadline.0),
        submitted_at: row.get::<_, Sql<_>>(15)?.0,
        progress,
        genome: None,
        reason: row.get::<_, Option<Sql<_>>>(17)?.map(|reason| reason.0),
    };
    Ok((read, row.get(16)?))
}

/// A value as a column keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql<T>(pub(super) T);

impl ToSql for Sql<u64> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Sql<u64> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

impl ToSql for Sql<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Sql<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Sql::<u64>::column_result(value).map(|number| Self(Timestamp(number.0)))
    }
}

impl ToSql for Sql<Uuid> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Sql<Uuid> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(FromSqlError::other)
    }
}

// The numbers are in files: they never change, and schema.sql names some.

impl ToSql for Sql<TaskState> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = match self.0 {
            TaskState::Waiting => 0,
            TaskState::Delayed => 1,
            TaskState::Claimed => 2,
            TaskState::Running => 3,
            TaskState::Succeeded => 4,
            TaskState::Dead => 5,
            TaskState::Cancelled => 6,
        };
        Ok(number.into())
    }
}

impl FromSql for Sql<TaskState> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let state = match value.as_i64()? {
            0 => TaskState::Waiting,
            1 => TaskState::Delayed,
            2 => TaskState::Claimed,
            3 => TaskState::Running,
            4 => TaskState::Succeeded,
            5 => TaskState::Dead,
            6 => TaskState::Cancelled,
            unknown => return Err(FromSqlError::OutOfRange(unknown)),
        };
        Ok(Self(state))
    }
}

impl ToSql for Sql<Priority> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = match self.0 {
            Priority::Critical => 0,
            Priority::High => 1,
            Priority::Normal => 2,
            Priority::Low => 3,
            Priority::Background => 4,
        };
        Ok(number.into())
    }
}

impl FromSql for Sql<Priority> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let priority = match value.as_i64()? {
            0 => Priority::Critical,
            1 => Priority::High,
            2 => Priority::Normal,
            3 => Priority::Low,
            4 => Priority::Background,
            unknown => return Err(FromSqlError::OutOfRange(unknown)),
        };
        Ok(Self(priority))
    }
}

impl ToSql for Sql<DeadReason> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Sql<DeadReason> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        let reason = DeadReason::ALL.into_iter().find(|reason| reason.to_string() == word);
        // Another version may know more reasons.
        Ok(Self(reason.unwrap_or(DeadReason::Unreadable)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Copy + PartialEq + std::fmt::Debug>(values: &[T])
    where
        Sql<T>: ToSql + FromSql,
    {
        for value in values {
            let stored = Sql(*value);
            let (ToSqlOutput::Owned(stored), Ok(read)) = (stored.to_sql().unwrap(), {
                let stored = stored.to_sql().unwrap();
                let ToSqlOutput::Owned(stored) = stored else { panic!("not owned") };
                Sql::<T>::column_result(ValueRef::from(&stored))
            }) else {
                panic!("{value:?} is not read back");
            };
            assert_eq!(read.0, *value, "{stored:?}");
        }
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        there_and_back(&TaskState::ALL);
        there_and_back(&[Priority::Critical, Priority::High, Priority::Normal]);
        there_and_back(&[Priority::Low, Priority::Background]);
        there_and_back(&DeadReason::ALL);
        there_and_back(&[Timestamp(0), Timestamp(i64::MAX as u64)]);
    }

    #[test]
    fn never_is_cut_off_and_nonsense_refused() {
        let never = Sql(Timestamp(u64::MAX)).to_sql().unwrap();
        assert_eq!(never, ToSqlOutput::from(i64::MAX));
        let number = ValueRef::Integer;
        assert!(Sql::<TaskState>::column_result(number(7)).is_err());
        assert!(Sql::<Priority>::column_result(number(-1)).is_err());
        assert!(Sql::<Timestamp>::column_result(number(-1)).is_err());
        assert!(Sql::<Uuid>::column_result(ValueRef::Blob(b"short")).is_err());
        let other = Sql::<DeadReason>::column_result(ValueRef::Text(b"bored"));
        assert_eq!(other.unwrap().0, DeadReason::Unreadable);
    }
}
