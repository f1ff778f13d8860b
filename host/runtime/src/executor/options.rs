//! How an executor is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::keyvalue::KeyValueStore;

use crate::genome::compile::CompileProgram;
use crate::genome::worker::CompileLimits;

/// How an [`Executor`](super::Executor) is set up.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// Agents that may live at once, those included that take over from others
    /// before these have ended; each is sure of one instance.
    pub max_agents: u32,
    /// Instances on top, for agents that ask for more than one.
    pub spare_instances: u32,
    /// What `init`, `health` and `shutdown` may take.
    pub housekeeping: Duration,
    /// The folder for compiled code.
    pub compiled: PathBuf,
    /// The program that compiles.
    pub compile_program: CompileProgram,
    /// What one compilation may use.
    pub compile_limits: CompileLimits,
    /// What agents that are granted it keep things in.
    pub keyvalue: Arc<dyn KeyValueStore>,
    /// A PEM file of certificate authorities that agents' requests trust
    /// besides the public ones.
    pub http_ca_file: Option<PathBuf>,
    /// File descriptors for all agents: files and folders that they have open,
    /// and their connections. One agent may have a quarter, up to 1,024.
    pub descriptors: usize,
}
