//! What a capability is: something that a guest may import.
//!
//! A capability is a folder of `capabilities/` and a line of the list there. Its
//! functions work on a [`View`]: what every instance has ([`HostContext`]) and
//! what the instance has of this capability. It knows neither the store's own
//! type nor any other capability.

use std::marker::PhantomData;
use std::sync::Arc;

use chimera_layer4_core::{FabricResult, Fault, Grants};
use wasmtime::component::{HasData, Linker};

use super::context::{ContextBuilder, HostContext, Reported};
use super::limits::network::Line;
use super::options::CapabilityOptions;

/// Something that a guest may import.
pub(crate) trait Capability: Sized + 'static {
    /// What the host has of it, for all agents: a store, authorities to trust.
    type Backend: Clone + Send + Sync + 'static;
    /// What one instance has of it.
    type State: Send + 'static;

    /// What an interface of this name needs to do something; `None`: it is not one
    /// of this capability's.
    fn needs(interface: &str) -> Option<Needs>;

    /// Makes what the host has of it.
    ///
    /// # Errors
    /// `Configuration` when the options do not allow it.
    fn backend(options: &CapabilityOptions) -> FabricResult<Self::Backend>;

    /// What an agent has that is only tried: nothing that it does with it stays.
    fn apart(backend: &Self::Backend) -> Self::Backend {
        backend.clone()
    }

    /// Adds what is wrong with its grant.
    fn check(_grants: &Grants, _wrong: &mut Vec<String>) {}

    /// Makes what an instance has of it, by what is granted to its agent.
    ///
    /// # Errors
    /// The host or the agent has no room for it.
    fn state(backend: &Self::Backend, instance: &mut ContextBuilder) -> Result<Self::State, Fault>;

    /// Links its functions.
    ///
    /// # Errors
    /// A name is taken.
    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()>;

    /// A call into the guest begins, which has the network where there is a `line`.
    fn begin(_state: &mut Self::State, _line: Option<&Arc<Line>>) {}

    /// The call ended.
    fn end(_state: &mut Self::State, _call: &mut CallEnd) {}

    /// Adds what it has to say of the run to what the guest reported.
    fn report(_state: &mut Self::State, _reported: &mut Reported) {}
}

/// What an interface needs to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It always works.
    Nothing,
    /// A grant of the operator's, in words.
    Grant(&'static str),
}

/// How a call ended.
#[derive(Debug, Default)]
pub(crate) struct CallEnd {
    /// It did not return: it trapped, or met a limit.
    pub(crate) is_cut_short: bool,
    /// A request that is granted was denied for want of a network.
    pub(crate) network_denied: bool,
}

/// What the functions of a capability work on.
pub(crate) struct View<'a, C: Capability> {
    pub(crate) context: &'a mut HostContext,
    pub(crate) state: &'a mut C::State,
}

/// The inside of a store that has a view for this capability.
pub(crate) trait Provides<C: Capability>: Send + 'static {
    fn view(&mut self) -> View<'_, C>;
}

/// States, of which one is this capability's.
pub(crate) trait Holds<C: Capability> {
    fn state_of(&mut self) -> &mut C::State;
}

/// Makes the host functions of generated bindings work on a [`View`].
pub(crate) struct ViewOf<C>(PhantomData<C>);

impl<C: Capability> HasData for ViewOf<C> {
    type Data<'a> = View<'a, C>;
}

/// Whether the name is that of an interface of a release of WASI 0.2. Each release
/// has what those before it have, and the linker knows what the engine's own has.
pub(crate) fn is_released(interface: &str, prefix: &str) -> bool {
    interface.starts_with(prefix) && interface.contains("@0.2.")
}
