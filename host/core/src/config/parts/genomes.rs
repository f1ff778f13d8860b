//! Genomes: the real tasks that they are benchmarked with.

use super::super::setting::{Allowed, Setting, Wrong, put};
use crate::genome::Redaction;

/// Enough to tell five per cent of latency apart; some megabytes of most tasks.
pub const DEFAULT_RECORDED_TASKS: usize = 500;

/// The real tasks that genomes are benchmarked with.
#[derive(Clone, Debug, PartialEq)]
pub struct GenomeSettings {
    /// Real tasks of each agent type that are kept to benchmark genomes with;
    /// 0: none are.
    pub recorded_tasks: usize,
    /// What is taken out of a task before it is kept.
    pub recorded_redaction: Redaction,
}

impl Default for GenomeSettings {
    fn default() -> Self {
        Self { recorded_tasks: DEFAULT_RECORDED_TASKS, recorded_redaction: Redaction::default() }
    }
}

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "recorded_tasks",
        variable: "LAYER4_RECORDED_TASKS",
        flag: None,
        help: "Real tasks of each agent type that are kept to benchmark genomes with; 0 keeps none.",
        allowed: Allowed::Whole { least: 0, most: 100_000 },
        default_note: "",
        reloads: false,
        show: |c| c.genomes.recorded_tasks.to_string(),
        set: |c, text| put(&mut c.genomes.recorded_tasks, text),
    },
    Setting {
        key: "recorded_redaction",
        variable: "LAYER4_RECORDED_REDACTION",
        flag: None,
        help: "What is taken out of a task before it is kept.",
        allowed: Allowed::Words("JSON paths, separated by commas, as `$.user.email,$..password`"),
        default_note: "",
        reloads: false,
        show: |c| Vec::from(c.genomes.recorded_redaction.clone()).join(","),
        set: |c, text| put_redaction(&mut c.genomes.recorded_redaction, text),
    },
];

fn put_redaction(field: &mut Redaction, text: &str) -> Result<(), Wrong> {
    let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
    *field = Redaction::new(paths).map_err(|error| Wrong::Because(error.to_string()))?;
    Ok(())
}
