//! The port of a [`Layer4Fabric`](crate::Layer4Fabric), from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use chimera_layer4_fabric::Fabric;
use chimera_layer4_server::Server;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Opened at most once in its life, as a fabric is started.
pub(crate) struct Port {
    /// Held while it opens or shuts, which takes as long as the fabric takes.
    state: tokio::sync::Mutex<State>,
    /// The address, for callers that ask meanwhile.
    address: Mutex<Option<SocketAddr>>,
}

enum State {
    /// It stays shut, since that was asked for or it has been open.
    Shut,
    /// The next start opens it.
    Closed(Box<FabricConfig>),
    Open(Open),
}

struct Open {
    /// Taken once the end was asked for.
    end: Option<oneshot::Sender<()>>,
    /// What `/readyz` answers.
    ready: Arc<AtomicBool>,
    served: JoinHandle<FabricResult<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Port {
    pub(crate) fn of(config: FabricConfig) -> Self {
        Self::new(State::Closed(Box::new(config)))
    }

    pub(crate) fn shut() -> Self {
        Self::new(State::Shut)
    }

    fn new(state: State) -> Self {
        Self { state: tokio::sync::Mutex::new(state), address: Mutex::default() }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock()
    }

    fn is_at(&self, address: Option<SocketAddr>) {
        *self.address.lock() = address;
    }

    /// Starts the fabric, behind an open port if it has one.
    pub(crate) async fn start(&self, fabric: &Arc<Fabric>) -> FabricResult<()> {
        let mut state = self.state.lock().await;
        let State::Closed(config) = &*state else { return fabric.start().await };
        // First the address: where another program has it, nothing is started.
        let server = Server::bind(Arc::clone(fabric), config)?.that_only_looks();
        fabric.start().await?;
        let (address, ready) = (server.address(), server.not_ready());
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(server.run(async {
            // A dropped sender ends the server too.
            let _ = ended.await;
        }));
        *state = State::Open(Open { end: Some(end), ready, served });
        self.is_at(Some(address));
        tracing::info!(%address, "the port for metrics is open");
        Ok(())
    }

    /// Agents are up: `/readyz` says so from here on.
    pub(crate) async fn is_ready(&self) {
        if let State::Open(open) = &*self.state.lock().await {
            open.ready.store(true, Ordering::Release);
        }
    }

    /// Ends the fabric, and then the port.
    pub(crate) async fn shutdown(&self, fabric: &Fabric) -> FabricResult<()> {
        let mut state = self.state.lock().await;
        let served = match &mut *state {
            State::Open(open) => {
                if let Some(end) = open.end.take() {
                    // A server that has failed does not receive this; its result says why.
                    let _ = end.send(());
                }
                let served = (&mut open.served).await;
                served.unwrap_or_else(|error| {
                    Err(FabricError::Communication(format!("the port is not served: {error}")))
                })
            }
            State::Shut | State::Closed(_) => Ok(()),
        };
        *state = State::Shut;
        self.is_at(None);
        // Where the server failed, or there is none, the fabric still runs.
        fabric.shutdown().await.and(served)
    }
}
