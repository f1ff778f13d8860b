//! What is stored, what became of it, and what is no longer needed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use chimera_layer4_core::config::Deployments;
use chimera_layer4_core::genome::lineage::{self, Entry, Event, Retention};
use chimera_layer4_core::genome::{GenomeDetail, GenomeDiff, GenomeSummary};
use chimera_layer4_core::{Digest, FabricError, FabricResult};

use super::open::entry;
use super::{Genomes, OpenGenomes};
use crate::sources::deployed;
use chimera_layer4_stores::genomes::{
    About, Collected, Entries, GenomeStoreError, GenomeStoreResult, Held, Report,
};

impl Genomes {
    /// Every stored genome, in the order of their digests.
    ///
    /// # Errors
    /// `GenomeStore`.
    pub async fn list(&self) -> FabricResult<Vec<GenomeSummary>> {
        let genomes = self.opened().await?;
        genomes
            .on_disk(|genomes| {
                let active = genomes.lineage.reader().all_active()?;
                let stored = genomes.store.list()?.into_iter();
                let summary = |stored: chimera_layer4_stores::genomes::Stored| {
                    let of =
                        |(name, active): (&String, &chimera_layer4_stores::genomes::Active)| {
                            (active.genome == stored.genome).then(|| name.clone())
                        };
                    let active_for = active.iter().filter_map(of).collect();
                    GenomeSummary { genome: stored.genome, bytes: stored.bytes, active_for }
                };
                Ok(stored.map(summary).collect())
            })
            .await
    }

    /// All that is known of a genome: one that was collected is still in the
    /// lineage, and so is what was found of it. Of what happened, the newest.
    ///
    /// # Errors
    /// `GenomeNotFound`, `GenomeStore`.
    pub async fn detail(&self, genome: Digest) -> FabricResult<GenomeDetail> {
        let genomes = self.opened().await?;
        genomes
            .on_disk(move |genomes| {
                let history = genomes.newest_of(genome)?;
                let (bytes, about) = match genomes.store.describe(&genome) {
                    Ok((stored, about)) => (stored.bytes, about),
                    Err(GenomeStoreError::Unknown(_)) => {
                        from_history(&history).ok_or(GenomeStoreError::Unknown(genome))?
                    }
                    Err(error) => return Err(error),
                };
                let active = genomes.lineage.reader().all_active()?;
                let of = active.into_iter().filter(|(_, active)| active.genome == genome);
                let active_for = of.map(|(name, _)| name).collect();
                Ok(GenomeDetail {
                    summary: GenomeSummary { genome, bytes, active_for },
                    author: about.author,
                    parent: about.parent,
                    source: about.source,
                    imports: about.imports,
                    exports: about.exports,
                    history,
                })
            })
            .await
    }

    /// How a genome differs from another.
    ///
    /// # Errors
    /// `GenomeNotFound`, `GenomeStore`.
    pub async fn diff(&self, from: Digest, to: Digest) -> FabricResult<GenomeDiff> {
        let (one, other) = (self.detail(from).await?, self.detail(to).await?);
        let more = |of: &[String], than: &[String]| {
            of.iter().filter(|name| !than.contains(name)).cloned().collect()
        };
        let against = |entry: &Entry| matches!(&entry.event, Event::Benchmarked { against, .. } if *against == from);
        Ok(GenomeDiff {
            from,
            to,
            bytes: other.summary.bytes as i64 - one.summary.bytes as i64,
            imports_added: more(&other.imports, &one.imports),
            imports_removed: more(&one.imports, &other.imports),
            exports_added: more(&other.exports, &one.exports),
            exports_removed: more(&one.exports, &other.exports),
            benchmarks: other.history.into_iter().filter(against).collect(),
        })
    }

    /// What happened for an agent type, oldest first.
    ///
    /// # Errors
    /// `GenomeStore`.
    pub async fn history(&self, agent_type: &str) -> FabricResult<Vec<Entry>> {
        self.opened().await?.entries_of(agent_type).await
    }

    /// The lineage of an agent type as a tree for a terminal.
    ///
    /// # Errors
    /// `GenomeStore`.
    pub async fn tree(&self, agent_type: &str) -> FabricResult<String> {
        let genomes = self.opened().await?;
        // Ancestors may have come in for another type.
        let entries = genomes.on_disk(|genomes| genomes.every_entry(None)).await?;
        Ok(lineage::tree(&entries, agent_type))
    }

    /// Keeps a genome whatever else is collected, or no longer.
    ///
    /// # Errors
    /// `GenomeNotFound`, `GenomeStore`.
    pub async fn pin(&self, genome: Digest, pinned: bool) -> FabricResult<()> {
        let genomes = self.opened().await?;
        let event = if pinned { Event::Pinned } else { Event::Unpinned };
        genomes
            .on_disk(move |genomes| {
                let _held = genomes.store.hold(&genome)?;
                genomes.lineage.append(entry(genome, None, event)).map(drop)
            })
            .await
    }

    /// Hashes every stored genome. What is damaged is put aside and named.
    ///
    /// # Errors
    /// `GenomeStore` when the store cannot be read at all.
    pub async fn verify(&self) -> FabricResult<Report> {
        self.opened().await?.on_disk(|genomes| genomes.store.verify()).await
    }

    /// Keeps a genome from being collected while the answer lives.
    ///
    /// # Errors
    /// `GenomeNotFound`, `GenomeStore`.
    pub(crate) async fn hold(&self, genome: Digest) -> FabricResult<Held> {
        self.opened().await?.on_disk(move |genomes| genomes.store.hold(&genome)).await
    }

    /// Removes genomes that are not in charge, deployed, pinned, on trial, or an ancestor
    /// or as fresh as `retention` keeps. The record of them stays.
    ///
    /// # Errors
    /// `GenomeStore`; `Configuration` when it cannot be read what is deployed. Nothing has
    /// been removed then.
    pub async fn collect(&self, retention: Retention) -> FabricResult<Collected> {
        let genomes = self.opened().await?;
        let running = self.pool.agents.all();
        let running: HashSet<Digest> =
            running.iter().map(|entry| entry.agent.genome().digest()).collect();
        let stores = Arc::clone(&self.stores);
        genomes
            .on_disk(move |genomes| {
                let collected = genomes.store.gc(|| {
                    let deployed = match stores.data_folder() {
                        Some(folder) => deployed::read(folder)?,
                        None => Deployments::default(),
                    };
                    let entries = genomes.every_entry(None)?;
                    let kept = lineage::keep(&entries, SystemTime::now().into(), &retention);
                    let known: HashSet<Digest> = entries.iter().map(|entry| entry.genome).collect();
                    // What another tool put there is not ours to judge.
                    let stored = genomes.store.list()?.into_iter().map(|stored| stored.genome);
                    let kept_beside =
                        stored.filter(|genome| !known.contains(genome) || deployed.name(*genome));
                    Ok::<_, FabricError>(
                        kept.into_iter().chain(running).chain(kept_beside).collect(),
                    )
                });
                let collected = match collected {
                    Ok(collected) => collected,
                    Err(error) => return Ok(Err(error)),
                };
                let gone = |genome: &Digest| entry(*genome, None, Event::Collected);
                let entries: Vec<_> = collected.removed.iter().map(gone).collect();
                genomes.lineage.append_all(&entries)?;
                let (count, freed_bytes) = (collected.removed.len(), collected.freed_bytes);
                tracing::info!(count, freed_bytes, "genomes that are not in use were removed");
                Ok(Ok(collected))
            })
            .await?
    }
}

/// Of what happened to one genome, so much is shown.
const SHOWN: usize = 1000;

impl OpenGenomes {
    /// The last entries of a genome, oldest first; before them its first ones of
    /// being stored and admitted, which tell what it is.
    pub(super) fn newest_of(&self, genome: Digest) -> GenomeStoreResult<Vec<Entry>> {
        let (mut about, mut newest, mut after) = (Vec::new(), VecDeque::new(), None);
        loop {
            let which = Entries { genome: Some(genome), after, limit: SHOWN, ..Entries::default() };
            let page = self.lineage.reader().entries(&which)?;
            let Some(last) = page.last() else { break };
            after = Some(last.sequence);
            newest.extend(page);
            for old in newest.drain(..newest.len().saturating_sub(SHOWN)) {
                if matches!(old.event, Event::Stored { .. } | Event::Admitted { .. }) {
                    about.push(old);
                    about.truncate(SHOWN);
                }
            }
        }
        Ok(about.into_iter().chain(newest).collect())
    }
}

/// The size and origin of a genome whose bytes are gone, as the lineage records them.
fn from_history(history: &[Entry]) -> Option<(u64, About)> {
    let stored = history.iter().find_map(|entry| match &entry.event {
        Event::Stored { bytes, author, source, parent } => {
            Some((entry.at, *bytes, author, source, *parent))
        }
        _ => None,
    });
    let (created, bytes, author, source, parent) = stored?;
    let imports = history.iter().rev().find_map(|entry| match &entry.event {
        Event::Admitted { report } => Some(report.imports.clone()),
        _ => None,
    });
    let about = About {
        author: (!author.is_empty()).then(|| author.clone()),
        created,
        parent,
        source: Some(source.to_string()),
        imports: imports.unwrap_or_default(),
        exports: Vec::new(),
    };
    Some((bytes, about))
}
