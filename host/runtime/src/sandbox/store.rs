//! The inside of a store: all that one instance can reach.
//!
//! It is the context that every instance has, and the states of the capabilities,
//! none of which it knows by name.

use std::sync::Arc;

use chimera_layer4_core::Fault;
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::capabilities::{self, Backends, States};
use super::capability::{CallEnd, Capability, Holds, Provides, View};
use super::context::{ContextBuilder, HostContext, Reported};
use super::limits::agent::AgentLimits;
use super::limits::ceilings::{BYTES_PER_HOST_CALL, HANDLES};
use super::limits::hosted::Hosted;
use super::limits::network::{Connected, Line, NetworkAccess};
use super::setup::AgentSetup;

/// What host functions work on.
pub(crate) struct Sandbox {
    pub(crate) context: HostContext,
    states: States,
}

impl Sandbox {
    /// A store with nothing in it but what `setup` grants, which counts on `limits`,
    /// for an instance of which the engine keeps so many bytes.
    pub(crate) fn store(
        engine: &Engine,
        setup: &Arc<AgentSetup>,
        backends: &Backends,
        limits: &Arc<AgentLimits>,
        instance_bytes: usize,
    ) -> Result<Store<Self>, Fault> {
        let mut context = ContextBuilder::new(setup, limits, instance_bytes)?;
        let states = States::new(backends, &mut context)?;
        let mut store = Store::new(engine, Self { context: context.build(), states });
        store.limiter(|sandbox| &mut sandbox.context.memory);
        store.set_hostcall_fuel(BYTES_PER_HOST_CALL);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        Ok(store)
    }

    /// A call begins, which has the network while the answer lives.
    pub(crate) fn begin(&mut self, network: Option<NetworkAccess>) -> Connected {
        let line = network.map(|network| Arc::new(Line::open(network)));
        self.states.begin(line.as_ref());
        Connected(line)
    }

    /// The call ended; the answer has what the capabilities say of it.
    pub(crate) fn end(&mut self, is_cut_short: bool) -> CallEnd {
        let mut call = CallEnd { is_cut_short, ..CallEnd::default() };
        self.states.end(&mut call);
        call
    }

    /// Takes what the guest reported since the run started, which is charged beside
    /// what `held` counts already.
    pub(crate) fn take_reported(&mut self, held: Hosted) -> Reported {
        let mut reported = self.context.take_reported(held);
        self.states.report(&mut reported);
        reported
    }
}

impl<C: Capability> Provides<C> for Sandbox
where
    States: Holds<C>,
{
    fn view(&mut self) -> View<'_, C> {
        View { context: &mut self.context, state: self.states.state_of() }
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.context.ctx()
    }
}

/// Everything that a guest may import: WASI 0.2, and the capabilities, of which
/// some put bounds in the place of what WASI's own functions lack.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    capabilities::link(&mut linker)?;
    Ok(linker)
}
