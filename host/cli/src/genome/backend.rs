//! The genomes that commands work on: of the host that serves the data folder,
//! or of a folder that no host has open.
//!
//! Both answer in the API's JSON, so that a command prints one thing.

use std::sync::Arc;

use chimera_layer4_core::genome::lineage::{Retention, Source};
use chimera_layer4_core::{Digest, Layer4Config};
use serde::Serialize;
use serde_json::{Value, json};

use super::args::GcArgs;
use crate::backend::{encoded, must_be_data_folder};
use crate::client::Client;
use crate::exit::BadInput;
use chimera_layer4_fabric::Layer4Fabric;
use chimera_layer4_fabric::fabric::NewGenome;
use chimera_layer4_server::{Gone, Lineage, Verified};

/// Digits of a digest that may stand for it.
const FEWEST_DIGITS: usize = 6;

pub(crate) enum Genomes {
    Host(Client),
    Folder(Box<Layer4Fabric>),
}

impl Genomes {
    /// # Errors
    /// No host serves the folder, and it cannot be opened either.
    pub(crate) async fn open(config: Layer4Config) -> anyhow::Result<Self> {
        match Client::of(&config).await? {
            Some(client) => Ok(Genomes::Host(client)),
            None => Ok(Genomes::Folder(Box::new(Layer4Fabric::new(config)?))),
        }
    }

    /// As [`open`](Self::open), for what adds nothing: no folder is made.
    ///
    /// # Errors
    /// As [`open`](Self::open), or it is no data folder.
    pub(crate) async fn open_to_look(config: Layer4Config) -> anyhow::Result<Self> {
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
                let words = "no host serves this data folder; start `chimera serve`";
                Err(BadInput(words.into()).into())
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
        let wrong = |words: String| anyhow::Error::from(BadInput(words));
        if digits.len() < FEWEST_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong(format!(
                "{typed:?} is no genome; give its digest, or the first {FEWEST_DIGITS} digits or more"
            )));
        }
        let stored = self.list().await?;
        let stored = stored.as_array().into_iter().flatten();
        let names = stored.filter_map(|one| one["genome"].as_str()?.parse::<Digest>().ok());
        let fits: Vec<Digest> =
            names.filter(|name| name.hex().starts_with(&digits.to_lowercase())).collect();
        match fits[..] {
            [one] => Ok(one),
            [] => Err(wrong(format!("no stored genome starts with {typed}"))),
            _ => Err(wrong(format!("{} genomes start with {typed}; give more digits", fits.len()))),
        }
    }

    pub(crate) async fn push(&self, new: NewGenome) -> anyhow::Result<Value> {
        let client = match self {
            Genomes::Folder(fabric) => {
                return told(fabric.push_genome(new).await?);
            }
            Genomes::Host(client) => client,
        };
        let mut query = vec![format!("author={}", encoded(&new.author))];
        query.extend(new.agent_type.iter().map(|name| format!("agent_type={}", encoded(name))));
        query.extend(new.parent.iter().map(|parent| format!("parent={parent}")));
        query.push(format!("samples={}", new.recorded_samples));
        query.push(format!("source={}", encoded(&new.source.to_string())));
        query.push(format!("allow={}", encoded(&new.allow.join(","))));
        let path = format!("/v1/genomes?{}", query.join("&"));
        client.ask_with("POST", &path, "application/wasm", new.bytes.to_vec()).await
    }

    pub(crate) async fn list(&self) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => client.ask("GET", "/v1/genomes", None).await,
            Genomes::Folder(fabric) => told(fabric.genomes_stored().await?),
        }
    }

    pub(super) async fn show(&self, genome: Digest) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => {
                client.ask("GET", &format!("/v1/genomes/{genome}"), None).await
            }
            Genomes::Folder(fabric) => told(fabric.genome_detail(genome).await?),
        }
    }

    pub(super) async fn diff(&self, from: Digest, to: Digest) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => {
                client.ask("GET", &format!("/v1/genomes/{from}/diff/{to}"), None).await
            }
            Genomes::Folder(fabric) => told(fabric.genome_diff(from, to).await?),
        }
    }

    pub(super) async fn history(&self, agent_type: &str) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => {
                let path = format!("/v1/agent-types/{}/lineage", encoded(agent_type));
                client.ask("GET", &path, None).await
            }
            Genomes::Folder(fabric) => {
                let tree = fabric.genome_tree(agent_type).await?;
                told(Lineage { tree, entries: fabric.genome_history(agent_type).await? })
            }
        }
    }

    pub(super) async fn pin(&self, genome: Digest, pinned: bool) -> anyhow::Result<()> {
        match self {
            Genomes::Host(client) => {
                let method = if pinned { "PUT" } else { "DELETE" };
                client.ask(method, &format!("/v1/genomes/{genome}/pin"), None).await
            }
            Genomes::Folder(fabric) => Ok(fabric.pin_genome(genome, pinned).await?),
        }
    }

    pub(super) async fn verify(&self) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => client.ask("POST", "/v1/genomes/verify", None).await,
            Genomes::Folder(fabric) => told(Verified::from(fabric.verify_genomes().await?)),
        }
    }

    pub(super) async fn collect(&self, args: &GcArgs) -> anyhow::Result<Value> {
        match self {
            Genomes::Host(client) => {
                let body = json!({ "ancestors": args.ancestors, "quiet_days": args.quiet_days });
                client.ask("POST", "/v1/genomes/collect", Some(body)).await
            }
            Genomes::Folder(fabric) => {
                let retention = Retention::of(args.ancestors, args.quiet_days);
                let collected = fabric.collect_genomes(retention).await?;
                told(Gone { removed: collected.removed, freed_bytes: collected.freed_bytes })
            }
        }
    }
}

fn told(answer: impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(answer)?)
}

/// Its bytes, to be shared.
pub(crate) fn new_genome(bytes: Vec<u8>) -> NewGenome {
    NewGenome { source: Source::File, ..NewGenome::new(Arc::<[u8]>::from(bytes)) }
}
