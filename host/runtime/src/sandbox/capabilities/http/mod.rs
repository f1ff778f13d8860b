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

use chimera_layer4_core::grants::Origin;
use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use chimera_layer4_core::{FabricResult, Fault, HttpGrant};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

use self::dial::Network;
use self::heads::Heads;
use self::notes::Notes;
use self::upload::Upload;
use crate::sandbox::capability::{CallEnd, Capability, Needs, Provides, View, is_released};
use crate::sandbox::context::{ContextBuilder, Reported};
use crate::sandbox::limits::bandwidth::Direction;
use crate::sandbox::limits::ceilings::FIELD_BYTES;
use crate::sandbox::limits::network::Line;
use crate::sandbox::options::CapabilityOptions;

/// Requests that one call may have open at once, until the response's body is
/// read or dropped.
const REQUESTS: usize = 32;
/// Names that one instance may have looked up at once, so that it does not
/// hold up the others' look-ups.
const LOOK_UPS: usize = 4;
/// Bytes of a body that a guest hands over at once.
const CHUNK_BYTES: usize = 16 * 1024;

type Sent = wasmtime_wasi_http::Result<(Response<WasiBody>, BoxFuture)>;
type BoxFuture = Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>;

/// Of the requests that may be open. The connection has it, and the body.
type Permit = Arc<OwnedSemaphorePermit>;

/// Requests to origins, which the operator grants.
pub(crate) struct Http;

impl Capability for Http {
    type Backend = Arc<Network>;
    type State = Client;

    fn needs(interface: &str) -> Option<Needs> {
        let prefixes = ["wasi:http/outgoing-handler", "wasi:http/types"];
        let is_one = prefixes.iter().any(|prefix| is_released(interface, prefix));
        is_one.then_some(Needs::Grant("an origin (`--http`)"))
    }

    fn backend(options: &CapabilityOptions) -> FabricResult<Arc<Network>> {
        Ok(Arc::new(Network::new(options.http_ca_file.as_deref())?))
    }

    fn state(network: &Arc<Network>, instance: &mut ContextBuilder) -> Result<Client, Fault> {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELD_BYTES);
        let hooks = Hooks {
            grants: instance.setup.grants.http.clone(),
            network: Arc::clone(network),
            call: None,
            look_ups: Arc::new(Semaphore::new(LOOK_UPS)),
            notes: Notes::new(instance.hosted()),
            denied: AtomicBool::new(false),
        };
        let heads = Heads::new(instance.memory.instance().nothing());
        Ok(Client { ctx, hooks, heads })
    }

    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        outgoing_handler::add_to_linker::<T, WasiHttp>(linker, engines_view)?;
        types::add_to_linker::<T, WasiHttp>(linker, &LinkOptions::default().into(), engines_view)?;
        header_limits::bound(linker)
    }

    fn begin(client: &mut Client, line: Option<&Arc<Line>>) {
        client.hooks.denied.store(false, Ordering::Relaxed);
        client.hooks.call = line.map(|line| Call {
            line: Arc::clone(line),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        });
    }

    fn end(client: &mut Client, call: &mut CallEnd) {
        call.network_denied |= client.hooks.denied.load(Ordering::Relaxed);
        if call.is_cut_short {
            client.hooks.note_if_held_back();
        }
    }

    /// Why requests were denied, as lines at the end of the log.
    fn report(client: &mut Client, reported: &mut Reported) {
        let notes = client.hooks.notes.take(&mut reported.held);
        let line = |message| LogLine { level: LogLevel::Warn, message };
        reported.telemetry.log.extend(notes.into_iter().map(line));
    }
}

/// One instance's use of HTTP.
pub(crate) struct Client {
    ctx: WasiHttpCtx,
    hooks: Hooks,
    heads: Heads,
}

/// What wasmtime-wasi-http's own functions work on.
fn engines_view<T: Provides<Http>>(inside: &mut T) -> WasiHttpCtxView<'_> {
    let View { context, state: Client { ctx, hooks, .. } } = inside.view();
    context.look_at_handles();
    WasiHttpCtxView { hooks, table: &mut context.table, ctx }
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

impl Hooks {
    /// Notes in the run's log if the bandwidth limit slowed the run.
    fn note_if_held_back(&self) {
        let Some(Call { line, .. }) = &self.call else { return };
        if line.is_full(Direction::Sent) || line.is_full(Direction::Received) {
            self.notes.add("max_network_mbps held back this run's traffic when it ended");
        }
    }

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
