//! The execution fabric of Chimera Layer 4: agents, genomes, and the tasks that
//! run on them.

mod agents;
mod component;
mod descriptors;
mod fabric;
mod genomes;
mod keyvalue;
mod lifecycle;
mod program;
mod queue;
pub mod scheduler;
mod sources;
mod tasks;
pub mod telemetry;
pub mod utils;

pub use self::agents::{AgentSource, Agents};
pub use self::component::read_component;
pub use self::descriptors::{Descriptors, raise_limit};
pub use self::fabric::{Applied, Fabric, Outcome, RetiredType, Warning};
pub use self::genomes::{
    AdmittedGenome, BenchTask, Benchmark, GenomeDetail, GenomeDiff, GenomeRef, GenomeReport,
    GenomeSummary, Genomes, NewGenome, RolloutView, SideView, StateCarried, Swapped,
};
pub use self::keyvalue::KeyValue;
pub use self::program::{COMPILE_COMMAND, compile_if_asked};
pub use self::queue::open_queue;
pub use self::tasks::Tasks;
pub use self::telemetry::log::{AppliedBy, TARGET as AGENT_LOG};
pub use self::telemetry::{Telemetry, events, metrics, traces};
pub use chimera_layer4_core::keyvalue::KeptByKey;
pub use chimera_layer4_core::status::{ActiveAgent, AgentType, SystemHealth, SystemStatus};
pub use chimera_layer4_stores::visit_data_folder;
