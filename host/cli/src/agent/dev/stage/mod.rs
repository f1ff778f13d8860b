//! Where the newest version runs: on a host of this command's own, or in the
//! host that serves the data folder.

mod own;
mod served;

use chimera_layer4_api::genomes::StateCarried;
use chimera_layer4_core::telemetry::RunTelemetry;
use chimera_layer4_core::{Digest, ExecutionResult, FabricConfig, JsonText, ResourceQuota, Task};
use serde::Serialize;

use self::own::Own;
use self::served::Served;
use super::failed::Failed;
use crate::args::agent::DevArgs;
use crate::component::Component;
use chimera_layer4_fabric::utils;

/// Where the newest version runs.
pub(super) enum Stage {
    Own(Box<Own>),
    Served(Box<Served>),
}

/// What became of a component.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub(super) enum Put {
    /// It is the first.
    Started { genome: Digest },
    /// It took over.
    Swapped { genome: Digest, state: StateCarried },
    /// It is what runs already.
    Unchanged { genome: Digest },
}

/// A task that was run on it.
pub(super) struct Ran {
    pub(super) result: ExecutionResult,
    pub(super) wall_seconds: f64,
    /// Absent where another process ran it, whose log has it.
    pub(super) telemetry: Option<RunTelemetry>,
}

impl Stage {
    /// # Errors
    /// No host can be made; with `--type`, none serves the folder or it does
    /// not know the type.
    pub(super) async fn open(config: FabricConfig, args: &DevArgs) -> anyhow::Result<Self> {
        let Some(agent_type) = &args.agent_type else {
            return Ok(Self::Own(Box::new(Own::open(config, args).await?)));
        };
        let served = Served::open(config, agent_type, &args.allow).await?;
        Ok(Self::Served(Box::new(served)))
    }

    /// What runs now, if anything does.
    pub(super) fn running(&self) -> Option<Digest> {
        match self {
            Self::Own(own) => own.running(),
            Self::Served(served) => served.running(),
        }
    }

    /// Has the component checked, and swapped in if it is good.
    pub(super) async fn put(&mut self, component: Component) -> Result<Put, Failed> {
        match self {
            Self::Own(own) => own.put(component).await,
            Self::Served(served) => served.put(component.bytes).await,
        }
    }

    /// Runs a task on what runs now.
    pub(super) async fn run(&self, payload: JsonText) -> anyhow::Result<Ran> {
        match self {
            Self::Own(own) => own.run(payload).await,
            Self::Served(served) => served.run(payload).await,
        }
    }

    /// Ends what this command began.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Own(own) => own.close().await,
            Self::Served(_) => Ok(()),
        }
    }
}

fn task(agent_type: &str, payload: JsonText, quota: &ResourceQuota) -> Task {
    Task { resource_quota: quota.clone(), ..utils::task_for(agent_type, payload) }
}
