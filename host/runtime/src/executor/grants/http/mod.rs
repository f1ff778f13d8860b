//! `wasi:http` outgoing: requests to the origins that were granted.
//!
//! The interfaces are always linked, since some toolchains import them in
//! every component; without a grant every request is denied. With one, the
//! granted origin decides where a connection may lead ([`dial`]), the quota how
//! fast bytes pass it ([`paced`]), and the call how long it lives: when the
//! call ends, so do its connections. Each request has one of its own, so
//! agents, and requests of one agent, share nothing. Redirects are the guest's
//! to follow, by a request that is looked at as any other.

mod dial;
mod exchange;
mod header_limits;
mod heads;
mod notes;
mod paced;
mod tls;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chimera_layer4_core::HttpGrant;
use chimera_layer4_core::grants::Origin;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

pub(crate) use self::dial::Network;
pub(crate) use self::header_limits::bound;
pub(crate) use self::heads::Heads;

use self::notes::Notes;
use self::upload::Upload;
use crate::executor::limits::bandwidth::Direction;
use crate::executor::limits::hosted::Hosted;
use crate::executor::limits::network::{Connected, Line, NetworkAccess};

/// Requests that one call may have open at once, until the response's body is
/// read or dropped.
const REQUESTS: usize = 32;
/// Names that one instance may have looked up at once, so that it does not
/// hold up the others' look-ups.
const LOOK_UPS: usize = 4;
/// Bytes of one set of header fields, with what keeping them takes.
pub(crate) const FIELD_BYTES: usize = 16 * 1024;
/// Bytes of a body that a guest hands over at once.
const CHUNK_BYTES: usize = 16 * 1024;

type Sent = wasmtime_wasi_http::Result<(Response<WasiBody>, BoxFuture)>;
type BoxFuture = Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>;

/// Of the requests that may be open. The connection has it, and the body.
type Permit = Arc<OwnedSemaphorePermit>;

/// One instance's use of HTTP.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    grants: Vec<HttpGrant>,
    network: Arc<Network>,
    /// The call that runs, if it has the network.
    call: Option<Call>,
    look_ups: Arc<Semaphore>,
    notes: Notes,
    /// Whether a request of this call that was granted was denied for want of a network.
    denied: AtomicBool,
}

/// What an earlier call has left is cut, and takes no place of this one's.
struct Call {
    line: Arc<Line>,
    requests: Arc<Semaphore>,
}

/// A request that may be made, and all that making it takes.
struct Admitted {
    origin: Origin,
    grant: HttpGrant,
    network: Arc<Network>,
    line: Arc<Line>,
    look_ups: Arc<Semaphore>,
    permit: Permit,
    notes: Notes,
}

impl Http {
    /// Its notes are charged on `held`.
    pub(crate) fn new(grants: &[HttpGrant], network: &Arc<Network>, held: Hosted) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELD_BYTES);
        let hooks = Hooks {
            grants: grants.to_vec(),
            network: Arc::clone(network),
            call: None,
            look_ups: Arc::new(Semaphore::new(LOOK_UPS)),
            notes: Notes::new(held),
            denied: AtomicBool::new(false),
        };
        Self { ctx, hooks }
    }

    /// Gives the call that begins now the network, while the answer lives.
    pub(crate) fn open(&mut self, reach: Option<NetworkAccess>) -> Connected {
        self.hooks.denied.store(false, Ordering::Relaxed);
        self.hooks.call = reach.map(|reach| Call {
            line: Arc::new(Line::open(reach)),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        });
        Connected(self.hooks.call.as_ref().map(|call| Arc::clone(&call.line)))
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.ctx }
    }

    /// Whoever wonders what took so long is told, where it was the bandwidth.
    pub(crate) fn note_if_held_back(&self) {
        let Some(Call { line, .. }) = &self.hooks.call else { return };
        if line.is_full(Direction::Sent) || line.is_full(Direction::Received) {
            self.hooks.notes.add("max_network_mbps held back this run's traffic when it ended");
        }
    }

    /// Whether a request of this call that was granted was denied for want of a network.
    pub(crate) fn was_denied(&self) -> bool {
        self.hooks.denied.load(Ordering::Relaxed)
    }

    /// Why requests were denied since the last look, and what these words are charged.
    pub(crate) fn take_notes(&self) -> (Vec<String>, Hosted) {
        self.hooks.notes.take()
    }
}

impl Hooks {
    fn admit(&self, request: &Request<WasiBody>) -> Result<Admitted, Error> {
        let target = request.uri();
        let scheme = target.scheme_str().unwrap_or_default();
        let authority = target.authority().map_or("", |authority| authority.as_str());
        let asked = format!("{scheme}://{authority}");
        if self.grants.is_empty() {
            // Without what may be a password.
            let host = authority.rsplit('@').next().unwrap_or_default();
            let why = "this agent has no grant for HTTP; `--http` gives it one";
            self.notes.denied(&format!("{scheme}://{host}"), why);
            return Err(Error::HttpRequestDenied);
        }
        let origin: Origin = asked.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        if request.method() == Method::CONNECT {
            self.notes.denied(&asked, "CONNECT asks for a tunnel, and none is granted");
            return Err(Error::HttpRequestDenied);
        }
        let Some(grant) = self.grants.iter().find(|grant| grant.allows(&origin)) else {
            let granted: Vec<_> = self.grants.iter().map(ToString::to_string).collect();
            let why = format!("this agent may reach {}", granted.join(", "));
            self.notes.denied(&origin, &format!("{why}; `--http {origin}` grants it"));
            return Err(Error::HttpRequestDenied);
        };
        let Some(Call { line, requests }) = &self.call else {
            let why = "max_network_mbps of the agent or the task is `none`; give it a number";
            self.notes.denied(&origin, why);
            self.denied.store(true, Ordering::Relaxed);
            return Err(Error::HttpRequestDenied);
        };
        let permit =
            Arc::clone(requests).try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
        Ok(Admitted {
            origin,
            grant: grant.clone(),
            network: Arc::clone(&self.network),
            line: Arc::clone(line),
            look_ups: Arc::clone(&self.look_ups),
            permit: Arc::new(permit),
            notes: self.notes.clone(),
        })
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_processed: BoxFuture,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let request = request.map(|body| Upload::new(body).boxed_unsync());
        match self.admit(&request) {
            Ok(admitted) => Box::new(exchange::send(request, options, admitted)),
            Err(denied) => Box::new(std::future::ready(Err(denied))),
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}
