//! What becomes of a task, as plain rules.
//!
//! [`machine`] holds every state and edge of a task's life, [`settle`] decides
//! which edge the end of a run takes, [`fair_queue`] whose turn it is, [`retry`] and
//! [`breaker`] when something is tried again. [`store::TaskStore`] is where
//! tasks are kept; [`store::TaskQueue`] applies the rules to rows, so that each
//! store brings only its rows. Time, identities and chance are handed in.

pub mod breaker;
pub mod fair_queue;
pub mod machine;
pub mod record;
pub mod retry;
pub mod settle;
pub mod stats;
pub mod store;
pub mod submission;
pub mod time;

pub use breaker::{Breaker, BreakerPolicy, BreakerState};
pub use machine::{Bounds, Owner, Progress, TaskState, TransitionError};
pub use record::{Attempt, AttemptError, DeadReason, TaskRecord};
pub use retry::{RetryBudget, RetryPolicy};
pub use settle::{Ran, Settlement};
pub use stats::{GenomeBreaker, SchedulerStats, TypeStats};
pub use submission::{Submission, SubmitOptions};
pub use time::{Moment, Timestamp};
