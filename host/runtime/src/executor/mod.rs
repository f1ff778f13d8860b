//! Runs guests: one [`Executor`] for each host.
//!
//! Four moments, four types, and what lives longest never borrows from what
//! lives shortest: the engine (host), the linked genome, the agent with its
//! instances, and the run of one task.

mod agent;
mod check;
mod instance;
mod instance_pool;
mod output;
mod probe;
mod report;
mod totals;
mod within;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::config::OptLevel;
use chimera_layer4_core::keyvalue::KeyValueStore;
use chimera_layer4_core::{AgentConfig, FabricError, FabricResult};
use serde_json::Value;

pub use self::agent::{Agent, Carried, Handover, Party, RunOptions};
pub use self::check::{check, check_quota};
pub use self::probe::{Called, Probe};
pub use self::report::RunReport;
pub use self::totals::TotalsNow;

use self::instance::InstanceTemplate;
use self::instance_pool::InstancePool;
use crate::genome::compile::{CompileWith, Compiler};
use crate::genome::loader::Loader;
use crate::genome::worker::CompileLimits;
use crate::genome::{Genome, LoadedFrom, cache};
use crate::sandbox::capabilities::Backends;
use crate::sandbox::engine::HostEngine;
use crate::sandbox::limits::agent::AgentLimits;
use crate::sandbox::limits::supplies::Supplies;
use crate::sandbox::options::CapabilityOptions;
use crate::sandbox::setup::{self, AgentSetup};

/// How an [`Executor`] is set up.
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
    /// What compiles components.
    pub compile_with: CompileWith,
    /// What one compilation may use.
    pub compile_limits: CompileLimits,
    /// How far components are optimised. Code that was compiled at another level is not used.
    pub opt_level: OptLevel,
    /// What capabilities need of the host.
    pub capabilities: CapabilityOptions,
    /// File descriptors for all agents: files and folders that they have open,
    /// and their connections. One agent may have a quarter, up to 1,024.
    pub descriptors: usize,
}

/// Slots for instances that overlap with those that they replace.
const OVERLAP: u32 = 32;

/// Loads genomes and spawns agents.
pub struct Executor {
    host: Arc<HostEngine>,
    loader: Loader,
    pool: InstancePool,
    housekeeping: Duration,
    keyvalue: Arc<dyn KeyValueStore>,
    /// What agents that are granted a capability have of the host.
    backends: Backends,
    supplies: Supplies,
}

impl Executor {
    /// An executor with its engine.
    ///
    /// # Errors
    /// `Configuration` when the folder for compiled code is unsafe, the
    /// authorities cannot be read or the system cannot hold so many instances;
    /// `WasmRuntime` when the engine cannot be made.
    pub fn new(options: ExecutorOptions) -> FabricResult<Self> {
        let compiled = cache::open(&options.compiled)?;
        let (agents, spare) = (options.max_agents, options.spare_instances);
        let instances = agents.saturating_add(spare).saturating_add(OVERLAP);
        let host = Arc::new(HostEngine::new(instances, compiled.code(), options.opt_level)?);
        let backends = Backends::new(&options.capabilities)?;
        let (limits, level) = (options.compile_limits, options.opt_level);
        let compiler = Compiler::new(options.compile_with, limits, level, compiled);
        Ok(Self {
            loader: Loader::new(Arc::clone(&host), compiler)?,
            host,
            pool: InstancePool::new(agents, spare),
            housekeeping: options.housekeeping,
            keyvalue: options.capabilities.keyvalue,
            backends,
            supplies: Supplies::new(options.descriptors).map_err(|error| {
                FabricError::Internal(format!("no threads for agents' files: {error}"))
            })?,
        })
    }

    /// Inspects, compiles and links a component, or finds it already loaded.
    ///
    /// # Errors
    /// `Refused` with the reason when the bytes are no agent.
    pub async fn load(&self, bytes: &[u8]) -> FabricResult<(Arc<Genome>, LoadedFrom)> {
        self.loader.load(bytes).await
    }

    /// As [`load`](Self::load), but never shared with others of the same bytes.
    ///
    /// # Errors
    /// `Refused` with the reason when the bytes are no agent.
    pub async fn load_apart(&self, bytes: &[u8]) -> FabricResult<Arc<Genome>> {
        self.loader.load_apart(bytes).await
    }

    /// What agents keep things in.
    #[must_use]
    pub fn keyvalue(&self) -> &Arc<dyn KeyValueStore> {
        &self.keyvalue
    }

    /// A component made of a core module that says how it would be one; `None`
    /// of anything else.
    ///
    /// # Errors
    /// `Refused` when none can be made.
    pub async fn componentize(&self, bytes: &[u8]) -> FabricResult<Option<Vec<u8>>> {
        self.loader.componentize(bytes).await
    }

    /// Makes an agent of a genome.
    ///
    /// # Errors
    /// What the guest's `init` or `capabilities` ended with, `Refused` when a
    /// variable it needs is not granted, `InvalidRequest` when the
    /// configuration is out of range.
    pub async fn spawn(&self, genome: Arc<Genome>, config: AgentConfig) -> FabricResult<Agent> {
        let template = self.template(genome, config, self.backends.clone())?;
        self.start(template).await
    }

    /// As [`spawn`](Self::spawn), with other parameters for `init` than the operator's, which
    /// the agent's setup has beside them.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_refined(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
        parameters: BTreeMap<String, Value>,
    ) -> FabricResult<Agent> {
        let template = self.template(genome, config, self.backends.clone())?;
        let setup = AgentSetup::clone(&template.setup).with_parameters(parameters);
        self.start(InstanceTemplate { setup: Arc::new(setup), ..template }).await
    }

    /// Makes an agent that is only tried: what its type keeps by key it neither
    /// sees nor changes, and what it keeps goes with it.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_apart(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> FabricResult<Agent> {
        let template = self.template(genome, config, self.backends.apart())?;
        self.start(template).await
    }

    async fn start(&self, template: InstanceTemplate) -> FabricResult<Agent> {
        Agent::spawn(Arc::clone(&self.host), template, &self.pool, Arc::default()).await
    }

    fn template(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
        backends: Backends,
    ) -> FabricResult<InstanceTemplate> {
        check(&config)?;
        let (setup, quota) = setup::split(config);
        let limits = Arc::new(AgentLimits::new(quota, &self.supplies));
        let setup = Arc::new(setup);
        Ok(self.template_of(genome, setup, limits, backends))
    }

    /// Makes the agent that takes over from `old` with another genome: set up
    /// as it is, with its quota in force and its totals going on. The old one
    /// is unchanged; the caller that puts the new one in charge ends it.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn succeed(&self, old: &Agent, genome: Arc<Genome>) -> FabricResult<Agent> {
        self.succeed_as(old, genome, old.setup()).await
    }

    /// Makes the agent that takes over from `old` with the same genome and other parameters for
    /// `init`; apart from that as [`succeed`](Self::succeed).
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn succeed_refined(
        &self,
        old: &Agent,
        parameters: BTreeMap<String, Value>,
    ) -> FabricResult<Agent> {
        let setup = old.config().clone().with_parameters(parameters);
        self.succeed_as(old, Arc::clone(old.genome()), Arc::new(setup)).await
    }

    async fn succeed_as(
        &self,
        old: &Agent,
        genome: Arc<Genome>,
        setup: Arc<AgentSetup>,
    ) -> FabricResult<Agent> {
        let limits = Arc::new(AgentLimits::new(old.quota(), &self.supplies));
        let template = self.template_of(genome, setup, limits, self.backends.clone());
        let totals = old.hand_over_totals();
        Agent::spawn(Arc::clone(&self.host), template, &self.pool, totals).await
    }

    /// A way to call into an instance of a genome in any order. Nothing is made
    /// yet; the probe has room for one instance as long as it lives.
    ///
    /// # Errors
    /// `InvalidRequest` when the configuration is out of range; `Host` when
    /// there is no room.
    pub fn probe(&self, genome: Arc<Genome>, config: AgentConfig) -> FabricResult<Probe> {
        let template = self.template(genome, config, self.backends.apart())?;
        let permit = self.pool.first(template.genome.weight())?;
        Ok(Probe::new(Arc::clone(&self.host), template, permit))
    }

    fn template_of(
        &self,
        genome: Arc<Genome>,
        setup: Arc<AgentSetup>,
        limits: Arc<AgentLimits>,
        backends: Backends,
    ) -> InstanceTemplate {
        InstanceTemplate { genome, setup, backends, limits, housekeeping: self.housekeeping }
    }
}
