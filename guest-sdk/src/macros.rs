//! The one macro that an author calls.

/// Turns a type that implements [`TypedAgent`](crate::TypedAgent) into the
/// component's exports. Called once in a crate, at its root.
///
/// An agent that carries its state to the genome that takes over implements
/// [`StatefulAgent`](crate::StatefulAgent) too, and says so:
/// `wasm_agent!(Counter, state);`.
///
/// Built natively it only checks the type: exports of a component have names
/// that a native linker refuses.
///
/// A type that is no agent is reported where it is named:
///
/// ```compile_fail
/// struct NotAnAgent;
/// chimera_agent_sdk::wasm_agent!(NotAnAgent);
/// ```
///
/// and so is one that has no state to carry:
///
/// ```compile_fail,E0277
/// # use chimera_agent_sdk::prelude::*;
/// # struct Echo;
/// # impl TypedAgent for Echo {
/// #     type Output = Value;
/// #     fn init(_config: Config) -> Result<Self, AgentError> { Ok(Echo) }
/// #     fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> { task.payload() }
/// # }
/// wasm_agent!(Echo, state);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! wasm_agent {
    ($agent:ty, state) => {
        $crate::wasm_agent!($agent);

        const _: () = {
            const fn carries_state<A: $crate::StatefulAgent>() {}
            carries_state::<$agent>();

            #[cfg(target_arch = "wasm32")]
            type Exports = $crate::__private::Exported<$agent>;

            #[cfg(target_arch = "wasm32")]
            $crate::__private::contract::optional::export_state_world!(
                Exports with_types_in $crate::__private::contract::optional
            );
        };
    };
    ($agent:ty) => {
        const _: () = {
            impl $crate::__private::Resident for $agent {
                fn with_slot<R>(f: impl FnOnce(&$crate::__private::Slot<Self>) -> R) -> R {
                    ::std::thread_local! {
                        static SLOT: $crate::__private::Slot<$agent> =
                            const { $crate::__private::Slot::empty() };
                    }
                    SLOT.with(f)
                }
            }

            #[cfg(target_arch = "wasm32")]
            type Exports = $crate::__private::Exported<$agent>;

            #[cfg(target_arch = "wasm32")]
            $crate::__private::contract::export_agent_world!(
                Exports with_types_in $crate::__private::contract
            );
        };
    };
}
