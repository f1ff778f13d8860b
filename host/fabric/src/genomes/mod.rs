//! [`Genomes`]: what is stored, which is in charge, and how another takes over.
//!
//! The lineage says which genome is in charge of an agent type; it is written
//! before the agents change, so a host that goes down in between comes back
//! with the new one. Nothing takes over that was not admitted (`admission`). A
//! genome takes over at once (`promotion`) or by a rollout (`rollout`), whose trial
//! counts every run (`evidence`, `trials`).

mod admission;
mod bench;
mod declared;
pub(crate) mod evidence;
mod history;
mod idle_priority;
mod layout;
mod open;
mod promotion;
mod record;
mod refinement;
mod rollout;
mod rollout_controller;
mod state;
mod trials;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use chimera_layer4_stores::Stores;
use tokio::sync::{OnceCell, OwnedMutexGuard};

pub use self::admission::{GenomeRef, NewGenome};
pub use chimera_layer4_core::genome::{
    AdmittedGenome, BenchTask, Benchmark, GenomeDetail, GenomeDiff, GenomeSummary, RolloutView,
    SideView, StateCarried, Swapped,
};
pub use chimera_layer4_stores::genomes::Report as GenomeReport;

use self::evidence::Evidence;
use self::open::OpenGenomes;
use crate::agents::pool::AgentPool;
use crate::lifecycle::Lifecycle;
use crate::telemetry::Telemetry;

/// The genomes of a fabric: stored, tried, put in charge, taken back.
pub struct Genomes {
    config: Arc<FabricConfig>,
    stores: Arc<Stores>,
    pool: Arc<AgentPool>,
    telemetry: Arc<Telemetry>,
    evidence: Arc<Evidence>,
    life: Arc<Lifecycle>,
    /// Opened when it is first needed: a run that keeps nothing needs none.
    opened: OnceCell<Arc<OpenGenomes>>,
}

impl Genomes {
    pub(crate) fn new(
        config: Arc<FabricConfig>,
        stores: Arc<Stores>,
        pool: Arc<AgentPool>,
        telemetry: Arc<Telemetry>,
        evidence: Arc<Evidence>,
        life: Arc<Lifecycle>,
    ) -> Self {
        Self { config, stores, pool, telemetry, evidence, life, opened: OnceCell::new() }
    }

    async fn opened(&self) -> FabricResult<&Arc<OpenGenomes>> {
        let open = || async {
            let (config, stores) = (Arc::clone(&self.config), Arc::clone(&self.stores));
            let (pool, telemetry) = (Arc::clone(&self.pool), Arc::clone(&self.telemetry));
            let evidence = Arc::clone(&self.evidence);
            let opened = tokio::task::spawn_blocking(move || {
                OpenGenomes::open(&config, &stores, pool, telemetry, evidence)
            });
            let opened = opened.await;
            let opened = opened.map_err(|error| FabricError::Internal(error.to_string()))??;
            self.evidence.recorder.start(&opened.recordings);
            Ok(Arc::new(opened))
        };
        self.opened.get_or_try_init(open).await
    }

    /// As a host starts: where genomes are kept, ends the rollouts that were under way
    /// when the last host went down, and has agents that were started before this get the
    /// parameters of the refinements in force.
    pub(crate) async fn start(&self) -> FabricResult<()> {
        if self.stores.are_kept() {
            let opened = self.opened().await?;
            opened.close_interrupted_rollouts().await?;
            Box::pin(opened.renew_refined()).await;
        }
        Ok(())
    }

    /// Stops the controllers of rollouts, and waits for changes that are under way, up to
    /// `limit`.
    pub(crate) async fn shut_down(&self, limit: Duration) {
        if let Some(opened) = self.opened.get() {
            opened.shut_down(limit).await;
        }
    }

    /// Lets the folder go, once what is under way on the disk has ended.
    pub(crate) async fn close(&self) {
        if let Some(opened) = self.opened.get() {
            opened.close().await;
        }
    }

    /// Runs it to its end even if the caller goes away.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        what: impl Future<Output = FabricResult<T>> + Send + 'static,
    ) -> FabricResult<T> {
        self.opened().await?.to_the_end(what).await
    }

    /// The right to change which genome is in charge of a type; `None` while one is on
    /// trial. None is put on trial while the right is held.
    pub(crate) async fn turn_without_trial(
        &self,
        agent_type: &str,
    ) -> FabricResult<Option<OwnedMutexGuard<()>>> {
        let genomes = self.opened().await?;
        let turn = genomes.turn(agent_type).await;
        Ok(genomes.check_no_rollout(agent_type).is_ok().then_some(turn))
    }
}
