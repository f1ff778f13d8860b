//! What a genome goes through before it may take over anything.
//!
//! Its bytes are a component of the contract, in bounds and compiled, all of
//! which a child process finds out; it asks for no more than its parent did
//! unless an operator allows it; and it starts, says that it is well and does
//! sample tasks, in the sandbox and within its type's quota. What fails is
//! recorded with the check and the reason, and is not stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::genome::AdmittedGenome;
use chimera_layer4_core::genome::lineage::{Admission, Event, SAMPLE, Smoke, Source, Stage};
use chimera_layer4_core::{
    AgentConfig, Digest, FabricError, FabricResult, HealthStatus, JsonText, Refusal, Task,
};
use chimera_layer4_runtime::genome::grant_of;
use chimera_layer4_runtime::{Agent, Genome};

use super::open::entry;
use super::{Genomes, OpenGenomes};
use crate::utils;
use chimera_layer4_stores::genomes::{About, GenomeStoreError};

/// A genome, as its bytes or by its name.
#[derive(Clone, Debug)]
pub enum GenomeRef {
    /// One that is stored.
    Stored(Digest),
    /// Its bytes, which are admitted first.
    Bytes(Arc<[u8]>),
}

impl From<Digest> for GenomeRef {
    fn from(genome: Digest) -> Self {
        GenomeRef::Stored(genome)
    }
}

impl From<&[u8]> for GenomeRef {
    fn from(bytes: &[u8]) -> Self {
        GenomeRef::Bytes(bytes.into())
    }
}

impl From<Vec<u8>> for GenomeRef {
    fn from(bytes: Vec<u8>) -> Self {
        GenomeRef::Bytes(bytes.into())
    }
}

/// A genome that is handed in.
#[derive(Clone, Debug)]
pub struct NewGenome {
    /// The component.
    pub bytes: Arc<[u8]>,
    /// Who made it.
    pub author: String,
    /// Where the bytes come from.
    pub source: Source,
    /// The genome that it was made from. Without it, the one that is in charge
    /// of the agent type.
    pub parent: Option<Digest>,
    /// The agent type that it is for: it is tried with that type's settings.
    pub agent_type: Option<String>,
    /// Interfaces that it may import although its parent does not, as
    /// `wasi:filesystem/types` or `wasi:filesystem` for all of a package.
    pub allow: Vec<String>,
    /// Payloads that it must do without a fault.
    pub samples: Vec<JsonText>,
    /// So many tasks of the type that were recorded and went well, besides.
    pub recorded_samples: usize,
    /// Whether it is not tried: it starts with the settings that it is declared with.
    pub is_untried: bool,
}

impl NewGenome {
    /// A genome of the library's user.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            bytes: bytes.into(),
            author: String::new(),
            source: Source::Api,
            parent: None,
            agent_type: None,
            allow: Vec::new(),
            samples: Vec::new(),
            recorded_samples: 0,
            is_untried: false,
        }
    }
}

impl Genomes {
    /// Admits a genome and stores it. A core module that says how it would be a
    /// component is made one first, which is then the genome. The same bytes for
    /// the same agent type once more cost two hashes, one of them of what is
    /// stored, and a look into the lineage.
    ///
    /// # Errors
    /// `Refused` when the bytes are no agent, `GenomeRejected` when it asks for
    /// more than was allowed or does not do its work, `GenomeStore`; what failed
    /// is in the lineage. `NotRunning` from the fabric's shutdown on.
    pub async fn push(&self, new: NewGenome) -> FabricResult<AdmittedGenome> {
        self.life.check_not_ending()?;
        let note = new.agent_type.as_deref().and_then(|name| self.unknown_type(name));
        Ok(AdmittedGenome { note, ..self.admit_genome(new).await? })
    }

    /// A type that is not known is no mistake: its genomes may come first.
    fn unknown_type(&self, name: &str) -> Option<String> {
        let tried = "the genome was tried with the default quota and no grants";
        match self.pool.agents.must_know(name).err()? {
            FabricError::AgentTypeLoading { .. } => {
                Some(format!("agents of type {name:?} are being started, so {tried}"))
            }
            FabricError::AgentTypeDown { reason, .. } => Some(format!(
                "the agent type {name:?} is declared, but down, so {tried}; its agents did not \
                 start: {reason}; a reload of the settings starts them again"
            )),
            FabricError::AgentTypeNotFound { known, down, .. } => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let down = match down.is_empty() {
                    true => String::new(),
                    false => format!("; declared, but down: {}", down.join(", ")),
                };
                Some(format!(
                    "no agent type {name:?} is known to this host, so {tried}; known are: \
                     {known}{down}"
                ))
            }
            error => Some(format!("{error}, so {tried}")),
        }
    }

    async fn admit_genome(&self, new: NewGenome) -> FabricResult<AdmittedGenome> {
        let genomes = self.opened().await?;
        let mut new = new;
        match self.pool.executor.componentize(&new.bytes).await {
            Ok(None) => {}
            Ok(Some(component)) => new.bytes = component.into(),
            Err(error) => return self.reject(genomes, &new, Stage::Contract, error).await,
        }
        let genome = Digest::of(&new.bytes);
        if let Some(report) = genomes.admitted(genome, new.agent_type.clone()).await?
            && new.samples.is_empty()
            && genomes.samples(&new).await?.len() <= report.samples_tried()
        {
            return Ok(AdmittedGenome { genome, new: false, report, note: None });
        }
        match self.check_genome(genomes, &new).await {
            Ok((loaded, report)) => genomes.store_admitted(new, &loaded, report).await,
            Err((stage, error)) => self.reject(genomes, &new, stage, error).await,
        }
    }

    /// Records what failed; nothing else is kept.
    async fn reject(
        &self,
        genomes: &Arc<OpenGenomes>,
        new: &NewGenome,
        stage: Stage,
        error: FabricError,
    ) -> FabricResult<AdmittedGenome> {
        let reason = match &error {
            FabricError::GenomeRejected { reason, .. } => reason.clone(),
            error => error.to_string(),
        };
        let (genome, agent_type) = (Digest::of(&new.bytes), new.agent_type.as_deref());
        self.telemetry.metrics.genomes.rejected(stage);
        // Bytes that are no agent at all are no genome either: any client can
        // send as many of them as there are numbers, and the record is for
        // ever.
        if stage > Stage::Contract {
            let event = Event::Rejected { stage, reason };
            genomes.record(vec![entry(genome, agent_type, event)]).await?;
        }
        Err(error)
    }

    /// The genome that is meant, stored and admitted for the agent type.
    pub(super) async fn resolve_genome(
        &self,
        genome: GenomeRef,
        agent_type: &str,
    ) -> FabricResult<Digest> {
        match genome {
            GenomeRef::Stored(genome) => {
                let genomes = self.opened().await?;
                if genomes.admitted(genome, Some(agent_type.to_owned())).await?.is_none() {
                    let bytes = genomes.on_disk(move |genomes| genomes.store.get(&genome)).await?;
                    self.admit_for(bytes.into(), agent_type).await?;
                }
                Ok(genome)
            }
            GenomeRef::Bytes(bytes) => self.admit_for(bytes, agent_type).await,
        }
    }

    async fn admit_for(&self, bytes: Arc<[u8]>, agent_type: &str) -> FabricResult<Digest> {
        let agent_type = Some(agent_type.to_owned());
        Ok(self.push(NewGenome { agent_type, ..NewGenome::new(bytes) }).await?.genome)
    }

    async fn check_genome(
        &self,
        genomes: &Arc<OpenGenomes>,
        new: &NewGenome,
    ) -> Result<(Arc<Genome>, Admission), (Stage, FabricError)> {
        let loaded = self.pool.load(&new.bytes).await.map_err(|error| (stage(&error), error))?;
        let inspection = loaded.inspection();
        let imports: Vec<String> =
            inspection.imports.iter().map(|import| import.name.clone()).collect();
        let ours = |error| (Stage::Capabilities, error);
        let new_capabilities = genomes.new_capabilities(new, &loaded).await.map_err(ours)?;
        check_allowed(new, inspection.digest, &new_capabilities).map_err(ours)?;
        let mut smoke = Vec::new();
        if !new.is_untried {
            let samples = genomes.samples(new).await.map_err(|error| (Stage::Smoke, error))?;
            let tried = self.smoke(&loaded, new, &samples).await;
            smoke = tried.map_err(|error| (Stage::Smoke, not_started(error, inspection.digest)))?;
        }
        let compile = loaded.loading().compile;
        let compiled_ms = (!compile.is_zero()).then_some(compile.as_millis() as u64);
        let contract = inspection.contract.clone();
        Ok((loaded, Admission { contract, imports, new_capabilities, compiled_ms, smoke }))
    }

    /// Starts an agent that gets no tasks from the queue, and checks that it works.
    async fn smoke(
        &self,
        genome: &Arc<Genome>,
        new: &NewGenome,
        samples: &[JsonText],
    ) -> FabricResult<Vec<Smoke>> {
        let config = self.config_for(new.agent_type.as_deref());
        let agent_type = config.agent_type.clone();
        let mut smoke = Vec::new();
        let began = Instant::now();
        let agent = self.pool.executor.spawn_apart(Arc::clone(genome), config).await?;
        smoke.push(step("init and capabilities", began.elapsed(), None));
        let done = try_out(&agent, &agent_type, samples, &mut smoke).await;
        let ended = agent.shutdown(self.config.agent_timeout()).await;
        let failed = done.err().or_else(|| ended.err().map(|fault| format!("shutdown: {fault}")));
        match failed {
            None => Ok(smoke),
            Some(reason) => Err(FabricError::GenomeRejected {
                genome: genome.digest(),
                stage: Stage::Smoke,
                reason,
            }),
        }
    }

    /// How an agent of the type is set up, with an id of its own.
    pub(super) fn config_for(&self, agent_type: Option<&str>) -> AgentConfig {
        let name = agent_type.unwrap_or("admission");
        let agent_id = utils::generate_agent_id();
        if let Some(registered) = self.pool.agents.registered(name) {
            let refined = self.pool.agents.refined_parameters(&registered.config);
            let parameters = refined.unwrap_or_else(|| registered.config.parameters.clone());
            return AgentConfig { agent_id, parameters, ..registered.config };
        }
        if let Some(running) = self.pool.agents.in_charge(name).first() {
            return running.agent.config_with(agent_id);
        }
        let quota = self.config.default_resource_quota.clone();
        AgentConfig { agent_id, ..utils::agent_config(name, quota) }
    }
}

impl OpenGenomes {
    /// What was found when the genome was admitted for the agent type, if it
    /// was, is stored undamaged, and asks for nothing that is new beside what is
    /// in charge now.
    async fn admitted(
        self: &Arc<Self>,
        genome: Digest,
        agent_type: Option<String>,
    ) -> FabricResult<Option<Admission>> {
        let name = agent_type.clone();
        let Some(report) = self.admission(genome, agent_type).await? else { return Ok(None) };
        let in_charge = match &name {
            Some(name) => self.imports_in_charge(name).await?,
            None => None,
        };
        let Some(known) = in_charge else { return Ok(Some(report)) };
        // An operator has allowed these.
        let known: Vec<String> = known.into_iter().chain(report.new_capabilities.clone()).collect();
        let asks = |name: &&String| grant_of(name).is_some() && !names(&known, name);
        Ok((!report.imports.iter().any(|name| asks(&name))).then_some(report))
    }

    async fn admission(
        self: &Arc<Self>,
        genome: Digest,
        agent_type: Option<String>,
    ) -> FabricResult<Option<Admission>> {
        self.on_disk(move |genomes| {
            // Reading hashes: what is damaged is put aside, and stored anew.
            match genomes.store.get(&genome) {
                Ok(_) => {}
                Err(GenomeStoreError::Unknown(_) | GenomeStoreError::Damaged { .. }) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
            let entries = genomes.newest_of(genome)?.into_iter().rev();
            let mut of_type =
                entries.filter(|entry| agent_type.is_none() || entry.agent_type == agent_type);
            Ok(of_type.find_map(|entry| match entry.event {
                Event::Admitted { report } => Some(report),
                _ => None,
            }))
        })
        .await
    }

    /// Interfaces that mean something only when they are granted, and that the
    /// genome in charge, or else the parent, does not import. Of a genome without
    /// a parent none is new: an operator chose it.
    async fn new_capabilities(
        self: &Arc<Self>,
        new: &NewGenome,
        loaded: &Genome,
    ) -> FabricResult<Vec<String>> {
        let in_charge = match &new.agent_type {
            Some(name) => self.imports_in_charge(name).await?,
            None => None,
        };
        // An operator has allowed what is in charge; a parent is only claimed by the submitter.
        let before = match (in_charge, new.parent) {
            (Some(imports), _) => Some(imports),
            (None, Some(parent)) => Some(self.imports(parent).await?),
            (None, None) => None,
        };
        let Some(before) = before else { return Ok(Vec::new()) };
        let asked = loaded.inspection().imports.iter().filter(|import| import.grant.is_some());
        let asked = asked.map(|import| import.name.clone());
        Ok(asked.filter(|name| !names(&before, name)).collect())
    }

    /// The payloads that a genome is tried with.
    async fn samples(self: &Arc<Self>, new: &NewGenome) -> FabricResult<Vec<JsonText>> {
        let mut samples = new.samples.clone();
        if let (Some(name), 1..) = (&new.agent_type, new.recorded_samples) {
            let (name, count) = (name.clone(), new.recorded_samples);
            self.evidence.recorder.flush().await;
            // Some of them failed, so a few more are drawn than are wanted.
            let drawn = self.on_disk(move |genomes| genomes.recordings.sample(&name, 4 * count));
            let went_well = drawn.await?.into_iter().filter(|recorded| recorded.success);
            let payloads = went_well.filter_map(|one| JsonText::parse(&one.payload).ok());
            samples.extend(payloads.take(count));
        }
        Ok(samples)
    }

    async fn imports(self: &Arc<Self>, genome: Digest) -> FabricResult<Vec<String>> {
        self.on_disk(move |genomes| Ok(genomes.store.describe(&genome)?.1.imports)).await
    }

    /// Of the genome that is in charge of the type, if one is.
    async fn imports_in_charge(
        self: &Arc<Self>,
        agent_type: &str,
    ) -> FabricResult<Option<Vec<String>>> {
        if let Some(running) = self.pool.agents.in_charge(agent_type).first() {
            let imports = running.agent.genome().inspection().imports.iter();
            return Ok(Some(imports.map(|import| import.name.clone()).collect()));
        }
        match self.active(agent_type).await? {
            Some(active) => Ok(Some(self.imports(active).await?)),
            None => Ok(None),
        }
    }

    /// Stores it with what was found.
    pub(super) async fn store_admitted(
        self: &Arc<Self>,
        new: NewGenome,
        loaded: &Genome,
        report: Admission,
    ) -> FabricResult<AdmittedGenome> {
        let inspection = loaded.inspection();
        let about = About {
            author: (!new.author.is_empty()).then(|| new.author.clone()),
            created: std::time::SystemTime::now().into(),
            parent: new.parent,
            source: Some(new.source.to_string()),
            imports: report.imports.clone(),
            exports: inspection.exports.clone(),
        };
        let kept = report.clone();
        let (genome, new) = self
            .on_disk(move |genomes| {
                let put = genomes.store.put(&new.bytes, &about)?;
                let agent_type = new.agent_type.as_deref();
                let stored = Event::Stored {
                    bytes: new.bytes.len() as u64,
                    author: new.author.clone(),
                    source: new.source.clone(),
                    parent: new.parent,
                };
                let stored = put.new.then(|| entry(put.digest, agent_type, stored));
                let admitted = entry(put.digest, agent_type, Event::Admitted { report: kept });
                let entries: Vec<_> = stored.into_iter().chain([admitted]).collect();
                genomes.lineage.append_all(&entries)?;
                Ok((put.digest, put.new))
            })
            .await?;
        Ok(AdmittedGenome { genome, new, report, note: None })
    }
}

async fn try_out(
    agent: &Agent,
    agent_type: &str,
    samples: &[JsonText],
    smoke: &mut Vec<Smoke>,
) -> Result<(), String> {
    let began = Instant::now();
    let health = agent.health().await;
    let ill = health.filter(|health| health.status == HealthStatus::Unhealthy);
    let failed = ill.map(|health| {
        format!("it says that it is unhealthy: {}", health.message.unwrap_or_default())
    });
    smoke.push(step("health", began.elapsed(), failed.clone()));
    if let Some(failed) = failed {
        return Err(failed);
    }
    for (index, payload) in samples.iter().enumerate() {
        let what = format!("{SAMPLE} {}", index + 1);
        let task: Task = utils::task_for(agent_type, payload.clone());
        let report = agent.run(&task, 1).await;
        let failed = report.result.err().map(|fault| format!("{what}: {fault}"));
        smoke.push(step(&what, report.wall, failed.clone()));
        if let Some(failed) = failed {
            return Err(failed);
        }
    }
    Ok(())
}

fn step(what: &str, took: Duration, failed: Option<String>) -> Smoke {
    Smoke { what: what.to_owned(), took_ms: took.as_secs_f64() * 1000.0, failed }
}

/// What the agent itself failed with is why it is not admitted.
fn not_started(error: FabricError, genome: Digest) -> FabricError {
    match error {
        FabricError::AgentFault { .. }
        | FabricError::ResourceQuotaExceeded { .. }
        | FabricError::AgentTimeout { .. } => {
            let reason = error.to_string();
            FabricError::GenomeRejected { genome, stage: Stage::Smoke, reason }
        }
        other => other,
    }
}

/// The check that an error of loading belongs to.
fn stage(error: &FabricError) -> Stage {
    match error {
        FabricError::Refused(refusal) => match refusal {
            Refusal::TooLarge { .. } | Refusal::OverLimits { .. } => Stage::Limits,
            Refusal::NotAComponent { .. }
            | Refusal::Malformed { .. }
            | Refusal::WrongContract { .. } => Stage::Contract,
            Refusal::NotGranted { .. } => Stage::Capabilities,
            Refusal::DoesNotCompile { .. } => Stage::Compile,
            Refusal::MissingEnvironment { .. } => Stage::Smoke,
        },
        _ => Stage::Compile,
    }
}

fn check_allowed(new: &NewGenome, genome: Digest, asked: &[String]) -> FabricResult<()> {
    let allowed = |name: &String| {
        let name = interface(name);
        let package = name.split('/').next().unwrap_or_default();
        new.allow.iter().any(|allow| interface(allow) == name || allow == package)
    };
    let refused: Vec<&str> = asked.iter().filter(|name| !allowed(name)).map(|n| &**n).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let names = refused.join(", ");
    let reason = format!("it imports {names}, which its parent does not; allow that to admit it");
    Err(FabricError::GenomeRejected { genome, stage: Stage::Capabilities, reason })
}

/// Whether the interface is among these, in whatever version.
fn names(among: &[String], name: &str) -> bool {
    among.iter().any(|other| interface(other) == interface(name))
}

/// An interface without its version: a newer one of the same is no new capability.
fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}
