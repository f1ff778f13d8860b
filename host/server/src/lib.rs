//! The HTTP API: the only user of axum.
//!
//! It does nothing that [`Fabric`] cannot: a request is read and bounded
//! (`extract`), a handler asks the fabric, `error` is the one table from errors
//! to statuses. What a request and an answer look like is in the crate `api`.

mod agents;
mod answer;
mod auth;
mod connection;
mod dead_letters;
mod document;
mod error;
mod events;
#[cfg(feature = "evolution")]
mod evolution;
mod extract;
mod genomes;
mod health;
mod integrations;
mod keyvalue;
mod limits;
mod listening;
mod problems;
mod refinements;
mod reload;
mod rollouts;
mod room;
mod router;
mod shapes;
mod tasks;
mod turns;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum_server::Handle;
use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use hyper_util::rt::TokioTimer;
use tokio::sync::{Semaphore, watch};

pub use self::genomes::verified;
pub use self::reload::{ReloadDone, Reloads, reloaded};

use self::auth::Guard;
use self::connection::Welcome;
use self::extract::{Bodies, Uploads};
use self::limits::Refusals;
use self::room::{Connections, LimitedListener, Origin};
use self::router::Scope;
use chimera_layer4_fabric::Fabric;

/// A head that is not here by then is not coming; so also the first request of
/// a connection, and what an idle one is kept for.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes read of one head before it is refused, give or take a read. Names, a
/// token and a trace take a fraction of it.
const HEAD_BYTES: usize = 64 << 10;
/// After the last task has ended, for its answer to be sent.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What handlers share.
#[derive(Clone)]
struct App {
    fabric: Arc<Fabric>,
    guard: Guard,
    bodies: Bodies,
    uploads: Uploads,
    /// Stored genomes are hashed for one request at a time.
    verifying: Arc<Semaphore>,
    /// Set once the agents that the settings file declares are up.
    ready: Arc<AtomicBool>,
    refusals: Arc<Refusals>,
    /// Reload requests, if the host has a settings file.
    reloads: Option<Reloads>,
    /// Turns true when the host begins to end.
    ending: watch::Sender<bool>,
}

/// Ends the connections, each of which is a task of its own and holds the fabric, where
/// [`Server::run`] is dropped before its end.
struct EndConnections(Handle<Origin>);

impl Drop for EndConnections {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// The API of a fabric, bound to its address.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    connections: Connections,
    scope: Scope,
}

impl Server {
    /// Takes the address that the configuration names.
    ///
    /// # Errors
    /// `Communication` when it cannot be had.
    pub fn bind(fabric: Arc<Fabric>, config: &FabricConfig) -> FabricResult<Self> {
        let wanted = SocketAddr::new(config.http.bind_address, config.metrics_port);
        let refused = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there, perhaps another \
                    `chimera serve`; stop it, or set another port with `metrics_port` (`--port` \
                    of `chimera serve`)"
                    .to_owned(),
                _ => format!("{error}; set `metrics_port` or `bind_address`"),
            };
            FabricError::Communication(format!("cannot listen on {wanted}: {why}"))
        };
        let listener = TcpListener::bind(wanted).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let most = fabric.descriptors().clients;
        let guard = Guard::new(config.http.api_token.as_ref(), address);
        let app = App {
            fabric,
            guard,
            bodies: Bodies::default(),
            uploads: Uploads::default(),
            verifying: Arc::new(Semaphore::new(1)),
            ready: Arc::new(AtomicBool::new(true)),
            refusals: Arc::default(),
            reloads: None,
            ending: watch::Sender::new(false),
        };
        let connections = Connections::new(most);
        Ok(Self { listener, address, app, connections, scope: Scope::All })
    }

    /// Answers only how the host is, and changes nothing: `/health`, `/livez`, `/readyz`,
    /// `/metrics`, `/scheduler/stats`, `/agents/status`, and the document of these.
    #[must_use]
    pub fn that_only_looks(self) -> Self {
        Self { scope: Scope::State, ..self }
    }

    /// Tells `reloads` of clients that want the settings file read again.
    #[must_use]
    pub fn with_reloads(mut self, reloads: Reloads) -> Self {
        self.app.reloads = Some(reloads);
        self
    }

    /// Says that it is not ready for work, until the answer is set.
    pub fn not_ready(&self) -> Arc<AtomicBool> {
        self.app.ready.store(false, Ordering::Release);
        Arc::clone(&self.app.ready)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `ended`, then shuts the fabric down, answering meanwhile, takes
    /// no more connections, and lets the last answers go out.
    ///
    /// # Errors
    /// `Communication` when connections cannot be taken, and what the fabric's
    /// own shutdown failed with.
    pub async fn run(self, ended: impl Future<Output = ()>) -> FabricResult<()> {
        let Self { listener, address, app, connections, scope } = self;
        let (fabric, ending) = (Arc::clone(&app.fabric), app.ending.clone());
        let failed = |error: io::Error| FabricError::Communication(format!("HTTP: {error}"));
        let handle = Handle::<Origin>::new();
        let _connections = EndConnections(handle.clone());
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let mut server =
            axum_server::Server::from_listener(LimitedListener { listener, connections })
                .acceptor(Welcome)
                .handle(handle.clone())
                .first_request_timeout(HEAD_TIMEOUT);
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            // A client that has said all still waits for its answer; `turns` sees to
            // those that have gone.
            .half_close(true)
            .max_buf_size(HEAD_BYTES);
        let serve =
            server.http1_only().serve(router::router(app, address, scope)?.into_make_service());
        tokio::pin!(serve);
        tokio::select! {
            () = ended => {}
            served = &mut serve => return served.map_err(failed),
        }
        ending.send_replace(true);
        // Running tasks have time to finish, and their waiters get an answer.
        let drain = async {
            let shut = fabric.shutdown().await;
            handle.graceful_shutdown(Some(LAST_ANSWERS));
            shut
        };
        let (shut, served) = tokio::join!(drain, serve);
        served.map_err(failed).and(shut)
    }
}
