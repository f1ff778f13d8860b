//! The genomes that commands work on: of the host that serves the data folder,
//! or of a folder that no host has open.
//!
//! Both answer with the API's types, so that a command prints one thing.

use std::sync::Arc;

use chimera_layer4_api::Client;
use chimera_layer4_api::genomes::{
    AdmittedGenome, CollectRequest, GenomeDetail, GenomeDiff, GenomeSummary, Gone, Lineage, Pushed,
    Verified,
};
use chimera_layer4_core::genome::lineage::{Retention, Source};
use chimera_layer4_core::{Digest, FabricConfig};

use crate::args::genome::GcArgs;
use crate::backend::must_be_data_folder;
use crate::client;
use crate::exit::BadInput;
use chimera_layer4_fabric::{Fabric, NewGenome};
use chimera_layer4_server::verified;

/// Digits of a digest that may stand for it.
const FEWEST_DIGITS: usize = 6;

pub(crate) enum Genomes {
    Host(Client),
    Folder(Box<Fabric>),
}

impl Genomes {
    /// # Errors
    /// No host serves the folder, and it cannot be opened either.
    pub(crate) async fn open(config: FabricConfig) -> anyhow::Result<Self> {
        match client::of(&config).await? {
            Some(client) => Ok(Genomes::Host(client)),
            None => Ok(Genomes::Folder(Box::new(Fabric::new(config)?))),
        }
    }

    /// As [`open`](Self::open), for what adds nothing: no folder is made.
    ///
    /// # Errors
    /// As [`open`](Self::open), or it is no data folder.
    pub(crate) async fn open_to_look(config: FabricConfig) -> anyhow::Result<Self> {
        must_be_data_folder(&config)?;
        Self::open(config).await
    }

    /// For what takes agents that run.
    ///
    /// # Errors
    /// No host serves the folder.
    pub(crate) fn host(&self) -> anyhow::Result<&Client> {
        match self {
            Genomes::Host(client) => Ok(client),
            Genomes::Folder(_) => {
                let message = "no host serves this data folder; start `chimera serve`";
                Err(BadInput(message.into()).into())
            }
        }
    }

    /// The genome that is meant by a digest, or by how one starts.
    ///
    /// # Errors
    /// It means none, or several.
    pub(super) async fn named(&self, typed: &str) -> anyhow::Result<Digest> {
        if let Ok(digest) = typed.parse() {
            return Ok(digest);
        }
        let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
        let wrong = |message: String| anyhow::Error::from(BadInput(message));
        if digits.len() < FEWEST_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong(format!(
                "{typed:?} is no genome; give its digest, or the first {FEWEST_DIGITS} digits or more"
            )));
        }
        let stored = self.list().await?;
        let names = stored.into_iter().map(|one| one.genome);
        let fits: Vec<Digest> =
            names.filter(|name| name.hex().starts_with(&digits.to_lowercase())).collect();
        match fits[..] {
            [one] => Ok(one),
            [] => Err(wrong(format!("no stored genome starts with {typed}"))),
            _ => Err(wrong(format!("{} genomes start with {typed}; give more digits", fits.len()))),
        }
    }

    pub(crate) async fn push(&self, new: NewGenome) -> anyhow::Result<AdmittedGenome> {
        let client = match self {
            Genomes::Folder(fabric) => return Ok(fabric.genomes().push(new).await?),
            Genomes::Host(client) => client,
        };
        let said = Pushed {
            agent_type: new.agent_type,
            author: new.author,
            parent: new.parent,
            allow: new.allow.join(","),
            samples: new.recorded_samples,
            source: Some(new.source.to_string()),
            untried: new.is_untried,
        };
        Ok(client.push_genome(&said, new.bytes.to_vec()).await?)
    }

    pub(crate) async fn list(&self) -> anyhow::Result<Vec<GenomeSummary>> {
        Ok(match self {
            Genomes::Host(client) => client.genomes().await?,
            Genomes::Folder(fabric) => fabric.genomes().list().await?,
        })
    }

    pub(super) async fn show(&self, genome: Digest) -> anyhow::Result<GenomeDetail> {
        Ok(match self {
            Genomes::Host(client) => client.genome(genome).await?,
            Genomes::Folder(fabric) => fabric.genomes().detail(genome).await?,
        })
    }

    pub(super) async fn diff(&self, from: Digest, to: Digest) -> anyhow::Result<GenomeDiff> {
        Ok(match self {
            Genomes::Host(client) => client.genome_diff(from, to).await?,
            Genomes::Folder(fabric) => fabric.genomes().diff(from, to).await?,
        })
    }

    pub(super) async fn history(&self, agent_type: &str) -> anyhow::Result<Lineage> {
        Ok(match self {
            Genomes::Host(client) => client.lineage(agent_type).await?,
            Genomes::Folder(fabric) => Lineage {
                tree: fabric.genomes().tree(agent_type).await?,
                entries: fabric.genomes().history(agent_type).await?,
            },
        })
    }

    pub(super) async fn pin(&self, genome: Digest, pinned: bool) -> anyhow::Result<()> {
        match self {
            Genomes::Host(client) => client.pin_genome(genome, pinned).await?,
            Genomes::Folder(fabric) => fabric.genomes().pin(genome, pinned).await?,
        }
        Ok(())
    }

    pub(super) async fn verify(&self) -> anyhow::Result<Verified> {
        Ok(match self {
            Genomes::Host(client) => client.verify_genomes().await?,
            Genomes::Folder(fabric) => verified(fabric.genomes().verify().await?),
        })
    }

    pub(super) async fn collect(&self, args: &GcArgs) -> anyhow::Result<Gone> {
        let GcArgs { ancestors, quiet_days, .. } = *args;
        match self {
            Genomes::Host(client) => {
                Ok(client.collect_genomes(&CollectRequest { ancestors, quiet_days }).await?)
            }
            Genomes::Folder(fabric) => {
                let retention = Retention::of(ancestors, quiet_days);
                let collected = fabric.genomes().collect(retention).await?;
                Ok(Gone { removed: collected.removed, freed_bytes: collected.freed_bytes })
            }
        }
    }
}

/// Its bytes, to be shared.
pub(crate) fn new_genome(bytes: Vec<u8>) -> NewGenome {
    NewGenome { source: Source::File, ..NewGenome::new(Arc::<[u8]>::from(bytes)) }
}
