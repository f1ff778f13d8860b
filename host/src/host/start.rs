//! The start of a [`Layer4Fabric`](crate::Layer4Fabric): one for all that ask for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_fabric::{AppliedBy, Fabric};
use tokio::sync::Mutex;

#[cfg(feature = "http")]
use super::port::Port;
use super::{Layer4Error, Layer4Result};

/// The start of a fabric, with its port and the agent types that its settings declare.
pub(crate) struct Start {
    fabric: Arc<Fabric>,
    declared: BTreeMap<String, AgentDeclaration>,
    #[cfg(feature = "http")]
    pub(crate) port: Port,
    /// Held by the one that starts, which may take minutes.
    turn: Mutex<()>,
    is_done: AtomicBool,
}

impl Start {
    pub(crate) fn of(
        fabric: Arc<Fabric>,
        declared: BTreeMap<String, AgentDeclaration>,
        #[cfg(feature = "http")] port: Port,
    ) -> Self {
        Self {
            fabric,
            declared,
            #[cfg(feature = "http")]
            port,
            turn: Mutex::default(),
            is_done: AtomicBool::new(false),
        }
    }

    /// Whether everything was started once.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// Starts what is not started yet. Callers at once wait for the same start, and each has
    /// its result; one that failed is tried again by the next call.
    pub(crate) async fn run(self: &Arc<Self>) -> Layer4Result<()> {
        let start = Arc::clone(self);
        // It goes on where the caller goes: a start that ends half way would leave agents
        // that are known to no list.
        let started = tokio::spawn(async move { start.run_to_the_end().await });
        started.await.map_err(|error| Layer4Error::Internal(format!("the start: {error}")))?
    }

    async fn run_to_the_end(&self) -> Layer4Result<()> {
        let _turn = self.turn.lock().await;
        if self.is_done() {
            return Ok(self.fabric.check_running()?);
        }
        self.fabric.await_agents(self.declared.keys().cloned());
        self.fabric.await_agent_types();
        #[cfg(feature = "http")]
        self.port.start(&self.fabric).await?;
        #[cfg(not(feature = "http"))]
        self.fabric.start().await?;
        if !self.declared.is_empty() {
            let applied = Box::pin(self.fabric.apply_agents(&self.declared, |_| {})).await;
            applied.iter().for_each(|one| one.log(AppliedBy::Start));
        }
        // Those of the agents folder, which is watched from here on, and the built-in ones.
        Box::pin(self.fabric.load_agent_types(|_| {})).await?;
        self.is_done.store(true, Ordering::Release);
        #[cfg(feature = "http")]
        self.port.is_ready().await;
        Ok(self.fabric.check_running()?)
    }
}
