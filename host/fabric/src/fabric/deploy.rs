//! Agent types that are deployed to a host while it serves, and kept in its data folder.

use std::sync::Arc;

use chimera_layer4_core::config::{AgentOrigin, Deployment, Deployments};
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_stores::Stores;
use tokio::sync::MutexGuard;

use super::Fabric;
use super::declare::{Change, Changes, Force};
use super::outcome::{Applied, Outcome};
use crate::sources::deployed;
use crate::telemetry::log;

/// What is left of a deployed agent type that was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetiredType {
    /// Tasks that wait for it now.
    pub waiting: u64,
    /// Which place has the type too, and serves it from now on.
    pub served_by: Option<AgentOrigin>,
}

impl Fabric {
    /// Serves an agent type from now on, also after a restart of the host. Agents of a type
    /// that was deployed before are replaced; running tasks finish in the old ones.
    ///
    /// # Errors
    /// `InvalidRequest` when a setting is wrong, or the host keeps nothing; `GenomeNotFound`
    /// when the component is not stored; `AgentTypeDeclared` when the settings declare the
    /// type; what its agents did not start with; `Store` when it cannot be kept. All is
    /// then as it was before.
    pub async fn deploy_agent_type(
        self: &Arc<Self>,
        name: &str,
        deployment: Deployment,
    ) -> FabricResult<Outcome> {
        let (host, name) = (Arc::clone(self), name.to_owned());
        // To the end also where the caller goes away: what is kept and what runs agree.
        let deploy = async move {
            let outcome = Box::pin(host.deploy(&name, deployment)).await;
            log::deployment(&name, outcome.as_ref().map(Outcome::word));
            outcome
        };
        self.genomes.to_the_end(deploy).await
    }

    /// Ends an agent type that was deployed. Running tasks finish. Tasks that wait do so until
    /// the type is there again or they are cancelled, unless another place has it.
    ///
    /// # Errors
    /// `AgentTypeDeclared` when it is declared elsewhere; as
    /// [`must_know_type`](crate::Agents::must_know_type) when there is no such type; `Store`
    /// when that cannot be kept, and it stays.
    pub async fn retire_agent_type(self: &Arc<Self>, name: &str) -> FabricResult<RetiredType> {
        let (host, name) = (Arc::clone(self), name.to_owned());
        let retire = async move {
            let retired = Box::pin(host.retire(&name)).await;
            log::deployment(&name, retired.as_ref().map(|_| "retired"));
            retired
        };
        self.genomes.to_the_end(retire).await
    }

    /// The place of a type that is declared nowhere: every host has it, or the program
    /// registered it.
    fn known(&self, name: &str) -> Option<AgentOrigin> {
        self.pool.agents.is_type(name).then_some(AgentOrigin::BuiltIn)
    }

    async fn deploy(&self, name: &str, deployment: Deployment) -> FabricResult<Outcome> {
        self.life.check_not_ending()?;
        self.must_keep()?;
        let declared = deployment.declaration(name, self.default_quota());
        let declaration = declared.map_err(FabricError::InvalidRequest)?;
        let mut kept = self.deployed().await?;
        let mut wanted = kept.as_ref().cloned().unwrap_or_default();
        let before = wanted.0.insert(name.to_owned(), deployment.clone());
        if wanted.0.len() > Deployments::MOST {
            return Err(FabricError::InvalidRequest(vec![format!(
                "{} agent types are deployed, which is the most; retire one first",
                Deployments::MOST
            )]));
        }
        // It stays, whatever is collected until what is kept names it.
        let held = self.genomes.hold(deployment.component).await?;
        let mut force = self.declared.in_force.lock().await;
        let told = |_: &str| {};
        let change = Changes::from([(name.to_owned(), Change::To(declaration))]);
        let applied = self.apply_changes(&mut force, AgentOrigin::Deployed, change, &told).await;
        let outcome = match applied.into_iter().next() {
            Some(Applied { outcome: Outcome::Failed(error), .. }) => Err(error),
            Some(Applied { outcome, .. }) => Ok(outcome),
            None => Ok(Outcome::Unchanged),
        };
        let outcome = match outcome {
            Ok(outcome) => self.keep(&wanted).await.map(|()| outcome),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            let to = before.and_then(|before| before.declaration(name, self.default_quota()).ok());
            let back = Changes::from([(name.to_owned(), to.map_or(Change::Gone, Change::To))]);
            self.apply_changes(&mut force, AgentOrigin::Deployed, back, &told).await;
            return outcome;
        }
        drop(force);
        // A collection that looked before it was kept has ended by the time that it is held
        // once more.
        drop((self.genomes.hold(deployment.component).await, held));
        *kept = Some(wanted);
        outcome
    }

    async fn retire(&self, name: &str) -> FabricResult<RetiredType> {
        self.life.check_not_ending()?;
        let mut kept = self.deployed().await?;
        let mut wanted = kept.as_ref().cloned().unwrap_or_default();
        let mut force = self.declared.in_force.lock().await;
        if wanted.0.remove(name).is_none() {
            let declared = force.sources.of(name).map(|(by, _)| by);
            return Err(match declared.or_else(|| self.known(name)) {
                Some(by) => {
                    let (agent_type, by) = (name.to_owned(), by.words());
                    FabricError::AgentTypeDeclared { agent_type, by }
                }
                None => self.pool.agents.unknown(name),
            });
        }
        self.keep(&wanted).await?;
        let gone = Changes::from([(name.to_owned(), Change::Gone)]);
        let told = |_: &str| {};
        self.apply_changes(&mut force, AgentOrigin::Deployed, gone, &told).await;
        let served_by = self.served_by(&force, name);
        drop(force);
        *kept = Some(wanted);
        Ok(RetiredType { waiting: self.queued_for(name).await, served_by })
    }

    /// Starts the agent types that were deployed to this host.
    ///
    /// # Errors
    /// `Configuration`: what was deployed cannot be read.
    pub(super) async fn load_deployed(&self, told: &impl Fn(&str)) -> FabricResult<Vec<Applied>> {
        if !self.stores.are_kept() {
            return Ok(Vec::new());
        }
        let kept = self.deployed().await?;
        let each = kept.iter().flat_map(|kept| &kept.0);
        let changes = each.map(|(name, one)| {
            let declared = one.declaration(name, self.default_quota());
            let refused = |complaints: Vec<String>| Change::Refused(complaints.join("; "));
            (name.clone(), declared.map_or_else(refused, Change::To))
        });
        let changes: Changes = changes.collect();
        self.await_agents(changes.keys().cloned());
        let mut force = self.declared.in_force.lock().await;
        Ok(self.apply_changes(&mut force, AgentOrigin::Deployed, changes, told).await)
    }

    /// What is deployed now, read where that was not done yet. One change at a time.
    async fn deployed(&self) -> FabricResult<MutexGuard<'_, Option<Deployments>>> {
        let mut kept = self.loading.deployed.lock().await;
        if kept.is_none() && self.stores.are_kept() {
            *kept = Some(
                self.on_data_folder(|stores| match stores.data_folder() {
                    Some(folder) => deployed::read(folder),
                    None => Ok(Deployments::default()),
                })
                .await?,
            );
        }
        Ok(kept)
    }

    /// Which place's type runs or can be started now.
    fn served_by(&self, force: &Force, name: &str) -> Option<AgentOrigin> {
        force
            .in_force_of(name)
            .or_else(|| self.known(name).filter(|_| force.sources.of(name).is_none()))
    }

    async fn keep(&self, wanted: &Deployments) -> FabricResult<()> {
        let wanted = wanted.clone();
        self.on_data_folder(move |stores| match stores.data_folder() {
            Some(folder) => deployed::write(folder, &wanted),
            None => Ok(()),
        })
        .await
    }

    /// Whether this host can keep what is deployed.
    ///
    /// # Errors
    /// `InvalidRequest`: there is no data folder to keep anything in.
    fn must_keep(&self) -> FabricResult<()> {
        if self.stores.are_kept() {
            return Ok(());
        }
        Err(FabricError::InvalidRequest(vec![
            "this host keeps nothing, and an agent type that is deployed is kept in the data \
             folder; set `data_dir`, and `task_store` to `embedded`, or declare the type in the \
             settings"
                .into(),
        ]))
    }

    async fn on_data_folder<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Stores) -> FabricResult<T> + Send + 'static,
    ) -> FabricResult<T> {
        let stores = Arc::clone(&self.stores);
        let done = tokio::task::spawn_blocking(move || what(&stores)).await;
        done.map_err(|error| FabricError::Internal(error.to_string()))?
    }
}
