//! Which genome the agents of a declared type run.
//!
//! A declaration names a component; since it was last changed another genome may
//! have been put in charge. So the declaration counts when it names another component
//! than the last one did, and otherwise what the lineage says is in charge. The last
//! one may have been in another place: the lineage names the place of each.

use std::path::Path;
use std::sync::Arc;

use chimera_layer4_core::config::AgentOrigin;
use chimera_layer4_core::genome::lineage::{Admission, Entry, Event, Source};
use chimera_layer4_core::genome::rollout::How;
use chimera_layer4_core::{Digest, FabricResult};
use chimera_layer4_runtime::Genome;

use super::Genomes;
use super::admission::NewGenome;
use super::open::{OpenGenomes, entry};
use crate::component::read_component;

/// What declared agents are to run.
pub(crate) struct Chosen {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) genome: Arc<Genome>,
    /// The declaration names it, and the one before did not.
    is_new: bool,
}

impl Genomes {
    /// The bytes of a declared component: a file, or a stored genome by its digest.
    pub(crate) async fn declared_bytes(&self, component: &Path) -> FabricResult<Arc<[u8]>> {
        match component.to_str().and_then(|text| text.parse::<Digest>().ok()) {
            Some(genome) => {
                let genomes = self.opened().await?;
                Ok(genomes.on_disk(move |genomes| genomes.store.get(&genome)).await?.into())
            }
            None => {
                let most = self.config.components.max_component_bytes();
                Ok(read_component(component, most).await?.into())
            }
        }
    }

    /// What agents of this name are to run, given what the declaration names.
    pub(crate) async fn choose(&self, name: &str, declared: Arc<[u8]>) -> FabricResult<Chosen> {
        let genomes = self.opened().await?;
        let entries = genomes.entries_of(name).await?;
        let digest = Digest::of(&declared);
        let is_new = last_declared(&entries) != Some(digest);
        let active = genomes.active_or_running(name).await?.filter(|_| !is_new);
        let bytes = match active.filter(|active| *active != digest) {
            None => declared,
            Some(active) => {
                match genomes.on_disk(move |genomes| genomes.store.get(&active)).await {
                    Ok(bytes) => bytes.into(),
                    Err(error) => {
                        tracing::error!(agent_type = name, %error, "the declared component runs instead");
                        let why = format!("it cannot be run any more: {error}");
                        let event = Event::RolledBack { to: digest, why };
                        genomes.record(vec![entry(active, Some(name), event)]).await?;
                        declared
                    }
                }
            }
        };
        let genome = self.pool.load(&bytes).await?;
        Ok(Chosen { bytes, genome, is_new })
    }

    /// The agents run it: from now on it is what the declaration put in charge.
    pub(crate) async fn note_declared(
        &self,
        name: &str,
        origin: AgentOrigin,
        chosen: &Chosen,
    ) -> FabricResult<()> {
        if !chosen.is_new {
            return Ok(());
        }
        let genomes = self.opened().await?;
        let inspection = chosen.genome.inspection();
        let report = Admission {
            contract: inspection.contract.clone(),
            imports: inspection.imports.iter().map(|import| import.name.clone()).collect(),
            ..Admission::default()
        };
        let new = NewGenome {
            author: origin.words().to_owned(),
            source: Source::File,
            agent_type: Some(name.to_owned()),
            ..NewGenome::new(Arc::clone(&chosen.bytes))
        };
        let from = genomes.active(name).await?;
        genomes.store_admitted(new, &chosen.genome, report).await?;
        let how = How::ByHand { by: origin.words().to_owned() };
        let event = Event::Promoted { from, how };
        genomes.record(vec![entry(inspection.digest, Some(name), event)]).await
    }
}

/// What the last declaration named.
fn last_declared(entries: &[Entry]) -> Option<Digest> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Promoted { how: How::ByHand { by }, .. } if is_origin(by) => Some(entry.genome),
        _ => None,
    })
}

fn is_origin(by: &str) -> bool {
    AgentOrigin::DECLARING.into_iter().any(|origin| origin.words() == by)
}

impl OpenGenomes {
    /// What is in charge of a type by the lineage.
    pub(super) async fn active(self: &Arc<Self>, agent_type: &str) -> FabricResult<Option<Digest>> {
        let name = agent_type.to_owned();
        let active = self.on_disk(move |genomes| genomes.lineage.reader().active(&name)).await?;
        Ok(active.map(|active| active.genome))
    }
}
