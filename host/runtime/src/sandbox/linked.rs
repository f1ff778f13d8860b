//! A component with its imports resolved, and what a live instance exports.
//!
//! A generated world knows no export that may be absent, so the interfaces of
//! the contract are put together here: `lifecycle`, and `state` where the
//! component has it. They are looked up once for each component.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::bindings::exports::chimera::agent::{lifecycle, state};
use super::store::Sandbox;

/// The optional interface, by the name that its indices have too.
const STATE: &str = "chimera:agent/state@0.1.0";

/// A component with its imports resolved.
pub(crate) struct Linked {
    pre: InstancePre<Sandbox>,
    lifecycle: lifecycle::GuestIndices,
    state: Option<state::GuestIndices>,
}

/// A live instance's exports.
pub(crate) struct Guest {
    pub(crate) lifecycle: lifecycle::Guest,
    pub(crate) state: Option<state::Guest>,
}

impl Linked {
    /// Finds the exports, without an instance.
    pub(crate) fn new(pre: InstancePre<Sandbox>) -> wasmtime::Result<Self> {
        let lifecycle = lifecycle::GuestIndices::new(&pre)?;
        let offered = pre.component().get_export_index(None, STATE).is_some();
        let state = offered.then(|| state::GuestIndices::new(&pre)).transpose()?;
        Ok(Self { pre, lifecycle, state })
    }

    /// Whether it exports `state`.
    pub(crate) fn offers_state(&self) -> bool {
        self.state.is_some()
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Guest> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let lifecycle = self.lifecycle.load(&mut *store, &instance)?;
        let state = self.state.as_ref();
        let state = state.map(|state| state.load(&mut *store, &instance)).transpose()?;
        Ok(Guest { lifecycle, state })
    }
}
