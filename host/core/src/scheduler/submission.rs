//! What a submitter hands over, and what is refused before a store sees it.

use std::io::{self, Write};
use std::time::SystemTime;

use super::time::Timestamp;
use crate::json::MOST_DEPTH;
use crate::{Digest, Task};

/// Attempts that a task has unless its submitter says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// More would hide a broken agent for days.
pub const MOST_ATTEMPTS: u32 = 100;
/// An idempotency key, an agent type's name: as long as any sensible one.
pub const MOST_NAME_BYTES: usize = 256;
/// A task as JSON. It is held several times over while it runs; larger data
/// belongs in a granted folder.
pub const MOST_TASK_BYTES: usize = 16 << 20;

/// The label of a task that goes to another agent type than its submitter named, since that is a
/// task type which agents support, or since a refinement routes it on: what was asked for. The
/// host sets it, and takes none from a submitter.
pub const ASKED_FOR_LABEL: &str = "layer4.asked_for";

/// In seconds since 1970. Later times have no RFC 3339 form.
const YEAR_10_000: u64 = 253_402_300_800;

/// How a task is to be taken, beyond what the task itself says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitOptions {
    /// A name of the submitter's own for this submission: a second one under
    /// the same name is answered with the first, for as long as that is kept.
    pub idempotency_key: Option<String>,
    /// The first run is not begun before this.
    pub not_before: Option<SystemTime>,
    /// Runs that may be begun; [`DEFAULT_MAX_ATTEMPTS`] for `None`.
    pub max_attempts: Option<u32>,
}

/// A task to be put into the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The task.
    pub task: Task,
    /// How it is to be taken.
    pub options: SubmitOptions,
}

impl From<Task> for Submission {
    fn from(task: Task) -> Self {
        Self { task, options: SubmitOptions::default() }
    }
}

impl Submission {
    /// Everything that is wrong with it, as messages for the submitter.
    #[must_use]
    pub fn complaints(&self, now: SystemTime) -> Vec<String> {
        let mut wrong = self.complaints_of_form();
        wrong.extend(self.too_late(now));
        wrong
    }

    /// That its deadline is over, if it is. A repeat of what was taken in time is
    /// answered all the same.
    #[must_use]
    pub fn too_late(&self, now: SystemTime) -> Option<String> {
        let deadline = self.task.deadline.filter(|deadline| *deadline <= now)?;
        let late = now.duration_since(deadline).unwrap_or_default();
        Some(format!("deadline is over since {} s; give one ahead", late.as_secs_f64()))
    }

    /// What is wrong with it whenever it is submitted.
    #[must_use]
    pub fn complaints_of_form(&self) -> Vec<String> {
        let Self { task, options } = self;
        let mut wrong = task.complaints();
        if let Some(key) = &options.idempotency_key {
            wrong.extend(bad_name("idempotency_key", key));
        }
        wrong.extend(options.not_before.and_then(|start| bad_time("not_before", start)));
        if let (Some(start), Some(deadline)) = (options.not_before, task.deadline)
            && start >= deadline
        {
            wrong.push("not_before is not before the deadline; the task could never run".into());
        }
        if let Some(attempts) = options.max_attempts
            && !(1..=MOST_ATTEMPTS).contains(&attempts)
        {
            wrong.push(format!("max_attempts is {attempts}; allowed is 1 to {MOST_ATTEMPTS}"));
        }
        wrong
    }

    /// When the first run may begin.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.options.not_before.map(Timestamp::from)
    }

    /// Runs that may be begun.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.options.max_attempts.unwrap_or(DEFAULT_MAX_ATTEMPTS)
    }

    /// What tells two submissions under one key apart: the work itself, not
    /// the identity and time that each call makes anew.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let work = format!("{}\n{}", self.task.asked_for(), self.task.payload.canonical());
        Digest::of(work.as_bytes())
    }
}

impl Task {
    /// The agent type, or the task type that agents support, that the submitter named.
    #[must_use]
    pub fn asked_for(&self) -> &str {
        self.metadata.get(ASKED_FOR_LABEL).unwrap_or(&self.target_agent_type)
    }

    /// It goes to another agent type than the submitter named.
    pub fn send_to(&mut self, agent_type: &str) {
        let asked_for = std::mem::replace(&mut self.target_agent_type, agent_type.to_owned());
        self.metadata.entry(ASKED_FOR_LABEL.to_owned()).or_insert(asked_for);
    }

    /// What is wrong with it, however it is run: quota, name, size, depth and times.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let quota = self.resource_quota.complaints().into_iter();
        let mut wrong: Vec<String> =
            quota.map(|complaint| format!("resource_quota.{complaint}")).collect();
        wrong.extend(bad_name("target_agent_type", &self.target_agent_type));
        if !fits(self, MOST_TASK_BYTES) {
            let most = MOST_TASK_BYTES >> 20;
            wrong.push(format!(
                "the task is larger than {most} MiB as JSON; grant the agent a folder and name \
                 the file in the payload"
            ));
        }
        let depth = self.payload.depth();
        if depth > MOST_DEPTH {
            wrong.push(format!(
                "payload is nested {depth} levels deep; allowed are {MOST_DEPTH}, so that what \
                 shows a task can read it (a common recursion limit is 128)"
            ));
        }
        wrong.extend(bad_time("created_at", self.created_at));
        wrong.extend(self.deadline.and_then(|deadline| bad_time("deadline", deadline)));
        wrong
    }
}

/// Whether what a submitter may fill at will stays within so many bytes.
fn fits(task: &Task, most: usize) -> bool {
    let Some(most) = most.checked_sub(task.payload.as_str().len()) else { return false };
    let mut budget = ByteBudget(most);
    serde_json::to_writer(&mut budget, &task.metadata).is_ok()
        && serde_json::to_writer(&mut budget, &task.source_layer).is_ok()
}

/// Takes so many bytes and forgets them.
struct ByteBudget(usize);

impl Write for ByteBudget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A time that a stored task could not be written with.
fn bad_time(field: &str, time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let fits = since.is_ok_and(|since| since.as_secs() < YEAR_10_000);
    (!fits).then(|| format!("{field} is before the year 1970 or after 9999; allowed is between"))
}

fn bad_name(field: &str, name: &str) -> Option<String> {
    let length = name.len();
    (!(1..=MOST_NAME_BYTES).contains(&length))
        .then(|| format!("{field} has {length} bytes; allowed is 1 to {MOST_NAME_BYTES}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{JsonText, Priority, ResourceQuota};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn submission() -> Submission {
        Submission::from(Task {
            id: Uuid::from_u128(1).into(),
            priority: Priority::Normal,
            payload: json!({ "n": 1 }).into(),
            created_at: at(1000),
            deadline: None,
            resource_quota: ResourceQuota::default(),
            source_layer: String::new(),
            target_agent_type: "echo".into(),
            metadata: BTreeMap::new(),
        })
    }

    /// What is wrong with a submission that is fine but for one change.
    fn complaints(change: impl FnOnce(&mut Submission)) -> Vec<String> {
        let mut changed = submission();
        change(&mut changed);
        changed.complaints(at(1000))
    }

    #[test]
    fn what_is_in_order_is_not_complained_of() {
        assert!(complaints(|_| {}).is_empty());
        let in_order = complaints(|submission| {
            submission.task.deadline = Some(at(1001));
            submission.task.target_agent_type = "x".repeat(MOST_NAME_BYTES);
            submission.options = SubmitOptions {
                idempotency_key: Some("k".into()),
                not_before: Some(at(1000)),
                max_attempts: Some(MOST_ATTEMPTS),
            };
        });
        assert!(in_order.is_empty(), "{in_order:?}");
    }

    #[test]
    fn each_field_out_of_range_is_named() {
        type Change = fn(&mut Submission);
        let rows: [(Change, &str); 12] = [
            (
                |s| s.task.payload = nested(121),
                "payload is nested 121 levels deep; allowed are 120",
            ),
            (|s| s.options.not_before = Some(at(YEAR_10_000)), "not_before is before the year"),
            (
                |s| s.task.payload = json!("x".repeat(MOST_TASK_BYTES)).into(),
                "the task is larger than 16",
            ),
            (|s| s.task.target_agent_type.clear(), "target_agent_type has 0 bytes"),
            (|s| s.task.target_agent_type = "x".repeat(257), "target_agent_type has 257 bytes"),
            (|s| s.options.idempotency_key = Some(String::new()), "idempotency_key has 0 bytes"),
            (|s| s.task.deadline = Some(at(998)), "deadline is over since 2 s"),
            (|s| s.options.max_attempts = Some(0), "max_attempts is 0"),
            (|s| s.options.max_attempts = Some(101), "max_attempts is 101"),
            (|s| s.task.resource_quota.max_memory_mb = 0, "resource_quota.max_memory_mb"),
            (|s| s.task.created_at = at(0) - Duration::from_nanos(1), "created_at is before"),
            (|s| s.task.deadline = Some(at(YEAR_10_000)), "deadline is before the year 1970 or"),
        ];
        for (change, expected) in rows {
            let wrong = complaints(change);
            assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{wrong:?}");
        }
        let never = complaints(|submission| {
            submission.options.not_before = Some(at(2000));
            submission.task.deadline = Some(at(2000));
        });
        assert!(never[0].starts_with("not_before is not before the deadline"), "{never:?}");
    }

    #[test]
    fn each_field_is_taken_to_its_last_value() {
        type Change = fn(&mut Submission);
        let rows: [Change; 8] = [
            |s| s.task.payload = nested(MOST_DEPTH),
            |s| s.task.target_agent_type = "x".into(),
            |s| s.options.idempotency_key = Some("k".repeat(MOST_NAME_BYTES)),
            |s| s.options.max_attempts = Some(1),
            |s| s.task.created_at = at(0),
            |s| s.task.created_at = at(YEAR_10_000 - 1),
            |s| s.task.deadline = Some(at(1000) + Duration::from_nanos(1)),
            |s| {
                s.options.not_before = Some(at(1999));
                s.task.deadline = Some(at(2000));
            },
        ];
        for (row, change) in rows.into_iter().enumerate() {
            assert_eq!(complaints(change), [""; 0], "row {row}");
        }
        let over = complaints(|s| s.task.deadline = Some(at(1000)));
        assert_eq!(over, ["deadline is over since 0 s; give one ahead"]);
        let long = complaints(|s| s.options.idempotency_key = Some("k".repeat(257)));
        assert_eq!(long, ["idempotency_key has 257 bytes; allowed is 1 to 256"]);
    }

    /// A late repeat of what was taken in time is answered, so lateness is a complaint of its own.
    #[test]
    fn a_deadline_that_is_over_is_not_wrong_in_form() {
        let mut late = submission();
        late.task.deadline = Some(at(998));
        assert_eq!(late.complaints_of_form(), [""; 0]);
        assert_eq!(late.too_late(at(997)), None);
        assert!(
            late.too_late(at(998)).is_some_and(|message| message.starts_with("deadline is over"))
        );
        assert_eq!(submission().too_late(at(u64::MAX >> 2)), None);
    }

    /// The bound is on all that a submitter can fill, each part and all together.
    #[test]
    fn a_task_is_held_to_its_bytes_wherever_they_are() {
        let mut task = submission().task;
        task.payload = JsonText::from(json!("abc")); // 5 bytes
        task.metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]); // {"k":"v"}: 9
        task.source_layer = "s".into(); // 3
        assert!(fits(&task, 17) && !fits(&task, 16));
        assert!(!fits(&task, 4), "the payload alone");
        task.source_layer = String::new();
        assert!(fits(&task, 16) && !fits(&task, 15) && !fits(&task, 13));
        let large = complaints(|s| s.task.source_layer = "s".repeat(MOST_TASK_BYTES));
        assert!(large.len() == 1 && large[0].contains("larger than 16 MiB"), "{large:?}");
        let large = complaints(|s| {
            drop(s.task.metadata.insert("k".repeat(MOST_TASK_BYTES), String::new()))
        });
        assert_eq!(large.len(), 1, "{large:?}");
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let plain = submission();
        assert_eq!((plain.max_attempts(), plain.not_before()), (DEFAULT_MAX_ATTEMPTS, None));
        let options = SubmitOptions {
            max_attempts: Some(7),
            not_before: Some(at(3)),
            ..SubmitOptions::default()
        };
        let said = Submission { options, ..plain };
        assert_eq!((said.max_attempts(), said.not_before()), (7, Some(Timestamp(3000))));
    }

    fn nested(depth: usize) -> JsonText {
        JsonText::parse(&("[".repeat(depth) + &"]".repeat(depth))).unwrap()
    }

    #[test]
    fn the_same_work_may_be_written_in_another_way() {
        let mut one = submission();
        one.task.payload = JsonText::parse(r#"{"a":1,"b":"\u0061"}"#).unwrap();
        let mut other = submission();
        other.task.payload = JsonText::parse(r#"{ "b": "a", "a": 1 }"#).unwrap();
        assert_eq!(one.fingerprint(), other.fingerprint());
    }

    /// Writing a time that cannot be written would be a panic.
    #[test]
    fn whatever_is_in_order_can_be_written() {
        for deadline in [at(1001), at(YEAR_10_000 - 1), at(YEAR_10_000), at(u64::MAX >> 2)] {
            let mut submission = submission();
            submission.task.deadline = Some(deadline);
            if submission.complaints(at(1000)).is_empty() {
                assert!(serde_json::to_string(&submission.task).is_ok());
            }
        }
    }

    /// Where the work goes is the host's choice: it may choose otherwise the next time.
    #[test]
    fn a_fingerprint_is_of_what_was_asked_for() {
        let asked = submission();
        let mut sent = asked.clone();
        sent.task.send_to("parrot");
        assert_eq!(
            (sent.task.target_agent_type.as_str(), sent.task.asked_for()),
            ("parrot", "echo")
        );
        assert_eq!(sent.fingerprint(), asked.fingerprint());
        sent.task.send_to("other");
        assert_eq!(
            (sent.task.target_agent_type.as_str(), sent.task.asked_for()),
            ("other", "echo")
        );
    }

    #[test]
    fn a_fingerprint_is_of_the_work_alone() {
        let first = submission().fingerprint();
        let mut other = submission();
        other.task.id = Uuid::from_u128(2).into();
        other.task.created_at = at(2000);
        other.task.priority = Priority::Low;
        assert_eq!(other.fingerprint(), first);
        other.task.payload = json!({ "n": 2 }).into();
        assert_ne!(other.fingerprint(), first);
        let mut other = submission();
        other.task.target_agent_type = "echo2".into();
        assert_ne!(other.fingerprint(), first);
    }
}
