//! The queue: where tasks are kept, how many, and for how long.

use std::time::Duration;

use super::super::secret::{Secret, without_userinfo};
use super::super::setting::{Allowed, Setting, Wrong, put, put_some, shown_path};
use super::super::{FabricConfig, TaskStoreKind};
use crate::quota::{MAX_EXECUTION_TIME_SECS, MEBIBYTE};

/// Tasks that may wait.
pub const DEFAULT_TASK_QUEUE_CAPACITY: usize = 1000;
/// Long enough for most tasks, within the 90 s that systemd gives a service.
pub const DEFAULT_DRAIN_TIMEOUT_SECS: u64 = 30;
/// A submitter fetches a result soon or not at all.
pub const DEFAULT_RESULT_RETENTION_SECS: u64 = 24 * 3600;
/// A hundred thousand small results are about a hundred megabytes.
pub const DEFAULT_RESULT_RETENTION_COUNT: u64 = 100_000;
/// An operator should look at dead letters, and may be on holiday.
pub const DEFAULT_DEAD_LETTER_RETENTION_SECS: u64 = 30 * 24 * 3600;
/// More are not read one by one.
pub const DEFAULT_DEAD_LETTER_RETENTION_COUNT: u64 = 100_000;
/// Room for millions of small tasks; a bound, so that a flood does not fill the disk.
pub const DEFAULT_MAX_STORE_MB: u64 = 16 * 1024;

/// Where tasks are kept, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// Where tasks are kept.
    pub task_store: TaskStoreKind,
    /// Mebibytes that the embedded task store may have.
    pub max_store_mb: u64,
    /// Seconds that tasks may run on at shutdown.
    pub drain_timeout_secs: u64,
    /// Seconds that the result of a task is kept.
    pub result_retention_secs: u64,
    /// Results that are kept, the newest; as many again of cancelled tasks.
    pub result_retention_count: u64,
    /// Seconds that a dead letter is kept.
    pub dead_letter_retention_secs: u64,
    /// Dead letters that are kept, the newest.
    pub dead_letter_retention_count: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            task_store: TaskStoreKind::default(),
            max_store_mb: DEFAULT_MAX_STORE_MB,
            drain_timeout_secs: DEFAULT_DRAIN_TIMEOUT_SECS,
            result_retention_secs: DEFAULT_RESULT_RETENTION_SECS,
            result_retention_count: DEFAULT_RESULT_RETENTION_COUNT,
            dead_letter_retention_secs: DEFAULT_DEAD_LETTER_RETENTION_SECS,
            dead_letter_retention_count: DEFAULT_DEAD_LETTER_RETENTION_COUNT,
        }
    }
}

impl QueueSettings {
    /// What tasks may run on at shutdown.
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_secs)
    }

    /// How long results are kept.
    #[must_use]
    pub fn result_retention(&self) -> Duration {
        Duration::from_secs(self.result_retention_secs)
    }

    /// How long dead letters are kept.
    #[must_use]
    pub fn dead_letter_retention(&self) -> Duration {
        Duration::from_secs(self.dead_letter_retention_secs)
    }

    /// The largest task store, in bytes.
    #[must_use]
    pub fn max_store_bytes(&self) -> u64 {
        self.max_store_mb.saturating_mul(MEBIBYTE)
    }
}

const TEN_YEARS_SECS: u64 = 10 * 365 * 86_400;
const MOST_KEPT: u64 = 100_000_000;

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "data_dir",
        variable: "LAYER4_DATA_DIR",
        flag: Some("--data-dir"),
        help: "Folder of tasks, genomes, what agents keep by key, and compiled code.",
        allowed: Allowed::Words("a path"),
        default_note: ": `chimera` takes `~/.local/share/chimera`; a library keeps nothing",
        reloads: false,
        show: |c| shown_path(&c.data_dir),
        set: |c, text| put_some(&mut c.data_dir, text),
    },
    Setting {
        key: "redis_url",
        variable: "LAYER4_REDIS_URL",
        flag: None,
        help: "A Redis server, by its address. No version connects to it yet: it is taken with a warning, and tasks are in this host's own store.",
        allowed: Allowed::Words("an address with `redis://` or `rediss://`, or an empty text"),
        default_note: "",
        reloads: false,
        show: |c| {
            c.redis_url.as_ref().map_or_else(|| "none".into(), |url| without_userinfo(url.reveal()))
        },
        set: |c, text| {
            if !text.is_empty() && !is_redis(text) {
                return Err(Wrong::NotAllowed);
            }
            c.redis_url = (!text.is_empty()).then(|| Secret::new(text.to_owned()));
            Ok(())
        },
    },
    Setting {
        key: "task_store",
        variable: "LAYER4_TASK_STORE",
        flag: None,
        help: "Where tasks are kept: in the data folder, or in memory, which keeps nothing.",
        allowed: Allowed::Words("`embedded` or `memory`"),
        default_note: "",
        reloads: false,
        show: |c| c.queue.task_store.to_string(),
        set: |c, text| put(&mut c.queue.task_store, text),
    },
    Setting {
        key: "max_store_mb",
        variable: "LAYER4_MAX_STORE_MB",
        flag: None,
        help: "Mebibytes that the embedded task store may have.",
        allowed: Allowed::Whole { least: 16, most: 16_777_216 },
        default_note: "",
        reloads: false,
        show: |c| c.queue.max_store_mb.to_string(),
        set: |c, text| put(&mut c.queue.max_store_mb, text),
    },
    Setting {
        key: "task_queue_capacity",
        variable: "LAYER4_TASK_QUEUE_CAPACITY",
        flag: None,
        help: "Tasks that may wait for one agent type.",
        allowed: Allowed::Whole { least: 1, most: 10_000_000 },
        default_note: "",
        reloads: false,
        show: |c| c.task_queue_capacity.to_string(),
        set: |c, text| put(&mut c.task_queue_capacity, text),
    },
    Setting {
        key: "drain_timeout_secs",
        variable: "LAYER4_DRAIN_TIMEOUT_SECS",
        flag: None,
        help: "Seconds that tasks may run on at shutdown.",
        allowed: Allowed::Whole { least: 0, most: MAX_EXECUTION_TIME_SECS },
        default_note: "",
        reloads: false,
        show: |c| c.queue.drain_timeout_secs.to_string(),
        set: |c, text| put(&mut c.queue.drain_timeout_secs, text),
    },
    Setting {
        key: "result_retention_secs",
        variable: "LAYER4_RESULT_RETENTION_SECS",
        flag: None,
        help: "Seconds that the result of a task is kept.",
        allowed: Allowed::Whole { least: 1, most: TEN_YEARS_SECS },
        default_note: ", a day",
        reloads: false,
        show: |c| c.queue.result_retention_secs.to_string(),
        set: |c, text| put(&mut c.queue.result_retention_secs, text),
    },
    Setting {
        key: "result_retention_count",
        variable: "LAYER4_RESULT_RETENTION_COUNT",
        flag: None,
        help: "Results that are kept, the newest; as many again of cancelled tasks.",
        allowed: Allowed::Whole { least: 1, most: MOST_KEPT },
        default_note: "",
        reloads: false,
        show: |c| c.queue.result_retention_count.to_string(),
        set: |c, text| put(&mut c.queue.result_retention_count, text),
    },
    Setting {
        key: "dead_letter_retention_secs",
        variable: "LAYER4_DEAD_LETTER_RETENTION_SECS",
        flag: None,
        help: "Seconds that a dead letter is kept.",
        allowed: Allowed::Whole { least: 1, most: TEN_YEARS_SECS },
        default_note: ", 30 days",
        reloads: false,
        show: |c| c.queue.dead_letter_retention_secs.to_string(),
        set: |c, text| put(&mut c.queue.dead_letter_retention_secs, text),
    },
    Setting {
        key: "dead_letter_retention_count",
        variable: "LAYER4_DEAD_LETTER_RETENTION_COUNT",
        flag: None,
        help: "Dead letters that are kept, the newest.",
        allowed: Allowed::Whole { least: 1, most: MOST_KEPT },
        default_note: "",
        reloads: false,
        show: |c| c.queue.dead_letter_retention_count.to_string(),
        set: |c, text| put(&mut c.queue.dead_letter_retention_count, text),
    },
];

fn is_redis(address: &str) -> bool {
    address.starts_with("redis://") || address.starts_with("rediss://")
}

/// What a program may have given that no text of a setting may.
pub(super) fn complaints(config: &FabricConfig) -> Option<String> {
    let url = config.redis_url.as_ref().map(Secret::reveal).filter(|url| !is_redis(url))?;
    Some(format!(
        "redis_url is {:?}; allowed is an address with `redis://` or `rediss://`, or an empty text",
        without_userinfo(url)
    ))
}
