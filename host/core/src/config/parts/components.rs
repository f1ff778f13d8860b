//! Components: how large they may be, and what compiling one may take.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::super::setting::{Allowed, Setting, put, put_some, shown_path};
use crate::quota::MEBIBYTE;

/// Larger than any Rust, Go or Python component seen; small enough to hold in memory.
pub const DEFAULT_MAX_COMPONENT_MB: u64 = 32;
/// Processor time of one compilation, before what its size adds: small components
/// need a second.
pub const DEFAULT_COMPILE_CPU_SECS: u64 = 30;
/// Address space of one compilation: the largest interpreter seen needs 400 MiB.
pub const DEFAULT_COMPILE_MEMORY_MB: u64 = 2048;

/// What the compiler makes of a component: it is done sooner, or the code is faster or
/// smaller. The words are Cranelift's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptLevel {
    /// Compiled soonest; tasks take longer.
    None,
    /// The fastest code.
    #[default]
    Speed,
    /// Fast code that is small too.
    SpeedAndSize,
}

impl fmt::Display for OptLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptLevel::None => "none",
            OptLevel::Speed => "speed",
            OptLevel::SpeedAndSize => "speed-and-size",
        })
    }
}

impl FromStr for OptLevel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(OptLevel::None),
            "speed" => Ok(OptLevel::Speed),
            "speed-and-size" => Ok(OptLevel::SpeedAndSize),
            _ => Err(()),
        }
    }
}

/// How large components may be, and what compiling one may take.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentSettings {
    /// Mebibytes that a component may have.
    pub max_component_mb: u64,
    /// Seconds of processor time that compiling one component may take, and three
    /// more for each mebibyte of it; of wall time, twice that, and 30 s at the least.
    pub compile_cpu_secs: u64,
    /// Mebibytes of address space that compiling one component may take.
    pub compile_memory_mb: u64,
    /// How far the compiler optimises.
    pub compile_opt_level: OptLevel,
    /// The `chimera` program, which compiles components in a process of its
    /// own; `None`: looked for beside the running program.
    pub compile_program: Option<PathBuf>,
}

impl Default for ComponentSettings {
    fn default() -> Self {
        Self {
            max_component_mb: DEFAULT_MAX_COMPONENT_MB,
            compile_cpu_secs: DEFAULT_COMPILE_CPU_SECS,
            compile_memory_mb: DEFAULT_COMPILE_MEMORY_MB,
            compile_opt_level: OptLevel::default(),
            compile_program: None,
        }
    }
}

impl ComponentSettings {
    /// The largest component, in bytes.
    #[must_use]
    pub fn max_component_bytes(&self) -> u64 {
        self.max_component_mb.saturating_mul(MEBIBYTE)
    }
}

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "max_component_mb",
        variable: "LAYER4_MAX_COMPONENT_MB",
        flag: None,
        help: "Mebibytes that a component may have.",
        allowed: Allowed::Whole { least: 1, most: 1024 },
        default_note: "",
        reloads: false,
        show: |c| c.components.max_component_mb.to_string(),
        set: |c, text| put(&mut c.components.max_component_mb, text),
    },
    Setting {
        key: "compile_cpu_secs",
        variable: "LAYER4_COMPILE_CPU_SECS",
        flag: None,
        help: "Seconds of processor time that compiling one component may take, and three more for each mebibyte of it.",
        allowed: Allowed::Whole { least: 1, most: 600 },
        default_note: "",
        reloads: false,
        show: |c| c.components.compile_cpu_secs.to_string(),
        set: |c, text| put(&mut c.components.compile_cpu_secs, text),
    },
    Setting {
        key: "compile_memory_mb",
        variable: "LAYER4_COMPILE_MEMORY_MB",
        flag: None,
        help: "Mebibytes of address space that compiling one component may take.",
        allowed: Allowed::Whole { least: 256, most: 65_536 },
        default_note: "",
        reloads: false,
        show: |c| c.components.compile_memory_mb.to_string(),
        set: |c, text| put(&mut c.components.compile_memory_mb, text),
    },
    Setting {
        key: "compile_opt_level",
        variable: "LAYER4_COMPILE_OPT_LEVEL",
        flag: None,
        help: "How far components are optimised: `none` compiles soonest, `speed` makes the fastest code, `speed-and-size` smaller code. A change compiles each component anew.",
        allowed: Allowed::Words("`none`, `speed` or `speed-and-size`"),
        default_note: "",
        reloads: false,
        show: |c| c.components.compile_opt_level.to_string(),
        set: |c, text| put(&mut c.components.compile_opt_level, text),
    },
    Setting {
        key: "compile_program",
        variable: "LAYER4_COMPILE_PROGRAM",
        flag: None,
        help: "The `chimera` program, which compiles components in a process of its own.",
        allowed: Allowed::Words("a path"),
        default_note: ": the running program; a library looks for it beside the running program",
        reloads: false,
        show: |c| shown_path(&c.components.compile_program),
        set: |c, text| put_some(&mut c.components.compile_program, text),
    },
    Setting {
        key: "agents_dir",
        variable: "LAYER4_AGENTS_DIR",
        flag: None,
        help: "The folder of agents: `NAME.wasm` in it serves the type `NAME`, with the keys of `[agents.NAME]` in `NAME.toml`.",
        allowed: Allowed::Words("a path"),
        default_note: ": `agents` in the data folder",
        reloads: false,
        show: |c| shown_path(&c.agents_dir),
        set: |c, text| put_some(&mut c.agents_dir, text),
    },
];
