//! Genomes and rollouts.

use chimera_layer4_core::Digest;

use super::send::Ask;
use super::{Client, ClientResult};
use crate::genomes::{
    AdmittedGenome, Benchmark, BenchmarkRequest, CollectRequest, GenomeDetail, GenomeDiff,
    GenomeRequest, GenomeSummary, Gone, Lineage, Pushed, RolloutRequest, RolloutView, Swapped,
    Verified,
};
use crate::paths;

impl Client {
    /// Has a component admitted and stored.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn push_genome(
        &self,
        said: &Pushed,
        component: Vec<u8>,
    ) -> ClientResult<AdmittedGenome> {
        self.0.ask(Ask::post(paths::genomes()).query(said)?.component(component)).await
    }

    /// The stored genomes, in the order of their digests.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn genomes(&self) -> ClientResult<Vec<GenomeSummary>> {
        self.0.ask(Ask::get(paths::genomes())).await
    }

    /// All that is known of a genome.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn genome(&self, genome: Digest) -> ClientResult<GenomeDetail> {
        self.0.ask(Ask::get(paths::genome(genome))).await
    }

    /// How a genome differs from another.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn genome_diff(&self, from: Digest, to: Digest) -> ClientResult<GenomeDiff> {
        self.0.ask(Ask::get(paths::genome_diff(from, to))).await
    }

    /// Keeps a genome whatever else is collected, or no longer than others.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn pin_genome(&self, genome: Digest, pinned: bool) -> ClientResult<()> {
        let path = paths::genome_pin(genome);
        self.0.ask(if pinned { Ask::put(path) } else { Ask::delete(path) }).await
    }

    /// Hashes every stored genome.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn verify_genomes(&self) -> ClientResult<Verified> {
        self.0.ask(Ask::post(paths::genomes_verify())).await
    }

    /// Removes genomes that are not in use.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn collect_genomes(&self, wanted: &CollectRequest) -> ClientResult<Gone> {
        self.0.ask(Ask::post(paths::genomes_collect()).json(wanted)?).await
    }

    /// Which genomes an agent type had, and why.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn lineage(&self, agent_type: &str) -> ClientResult<Lineage> {
        self.0.ask(Ask::get(paths::agent_type_lineage(agent_type))).await
    }

    /// Puts a genome in charge of an agent type at once.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn promote_genome(&self, agent_type: &str, genome: Digest) -> ClientResult<Swapped> {
        let wanted = GenomeRequest { genome };
        self.0.ask(Ask::put(paths::agent_type_genome(agent_type)).json(&wanted)?).await
    }

    /// Puts the genome back in charge that was so before this one.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn roll_back_genome(&self, agent_type: &str) -> ClientResult<Swapped> {
        self.0.ask(Ask::post(paths::agent_type_rollback(agent_type))).await
    }

    /// Runs the same tasks on a candidate and on the genome in charge.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn benchmark_genome(&self, wanted: &BenchmarkRequest) -> ClientResult<Benchmark> {
        self.0.ask(Ask::post(paths::benchmarks()).json(wanted)?).await
    }

    /// Puts a genome on trial.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn start_rollout(&self, wanted: &RolloutRequest) -> ClientResult<RolloutView> {
        self.0.ask(Ask::post(paths::rollouts()).json(wanted)?).await
    }

    /// The rollouts that are under way.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn rollouts(&self) -> ClientResult<Vec<RolloutView>> {
        self.0.ask(Ask::get(paths::rollouts())).await
    }

    /// The rollout of an agent type that is under way.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn rollout(&self, agent_type: &str) -> ClientResult<RolloutView> {
        self.0.ask(Ask::get(paths::rollout(agent_type))).await
    }

    /// Puts the candidate in charge now, whatever its trial says.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn promote_rollout(&self, agent_type: &str) -> ClientResult<RolloutView> {
        self.0.ask(Ask::post(paths::rollout_promote(agent_type))).await
    }

    /// Ends the trial and leaves the champion in charge.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn abort_rollout(&self, agent_type: &str) -> ClientResult<RolloutView> {
        self.0.ask(Ask::post(paths::rollout_abort(agent_type))).await
    }
}
