//! The one macro that an author calls.

/// Turns an agent into the component's exports. Called once in a crate, at its root.
///
/// | call | the agent |
/// | --- | --- |
/// | `wasm_agent!(Counter)` | a type that implements [`TypedAgent`](crate::TypedAgent) |
/// | `wasm_agent!(Counter, state)` | the same, with [`StatefulAgent`](crate::StatefulAgent): it carries its state to the genome that takes over |
/// | `wasm_agent!(Counter, CounterAgent)` | a type `CounterAgent` that implements [`plain::WasmAgent`](crate::plain::WasmAgent) and has a function `new()`; `Counter` is a new type, which tests hand to a `TestHost` |
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
///
/// In the specification's form a type that is no agent is reported too:
///
/// ```compile_fail,E0277
/// pub struct NotAnAgent;
///
/// impl NotAnAgent {
///     pub fn new() -> Self {
///         NotAnAgent
///     }
/// }
///
/// chimera_agent_sdk::wasm_agent!(Name, NotAnAgent);
/// # fn main() {}
/// ```
///
/// and so is one that has no `new`:
///
/// ```compile_fail,E0599
/// # use chimera_agent_sdk::plain::*;
/// # pub struct EchoAgent;
/// # impl WasmAgent for EchoAgent {
/// #     fn execute_task(&mut self, _task: Task) -> Layer4Result<ExecutionResult> {
/// #         Err(Layer4Error::Internal(String::new()))
/// #     }
/// #     fn init(&mut self, _config: AgentConfig) -> Layer4Result<()> { Ok(()) }
/// #     fn get_capabilities(&self) -> AgentCapabilities { AgentCapabilities::default() }
/// #     fn shutdown(&mut self) -> Layer4Result<()> { Ok(()) }
/// #     fn health_check(&self) -> AgentHealth { AgentHealth::healthy() }
/// # }
/// wasm_agent!(Echo, EchoAgent);
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
    ($name:ident, $agent:ty) => {
        #[doc = ::core::concat!("`", ::core::stringify!($agent), "`, as the host calls it.")]
        pub struct $name($crate::__private::Plain<$agent>);

        const _: () = {
            impl $crate::TypedAgent for $name {
                type Output = $crate::serde_json::Value;

                fn init(
                    config: $crate::Config,
                ) -> ::core::result::Result<Self, $crate::AgentError> {
                    $crate::__private::Plain::start(<$agent>::new(), config).map(Self)
                }

                fn execute_task(
                    &mut self,
                    task: $crate::Task,
                ) -> ::core::result::Result<Self::Output, $crate::AgentError> {
                    self.0.execute_task(task)
                }

                fn get_capabilities(&self) -> $crate::Capabilities {
                    self.0.capabilities()
                }

                fn health_check(&self) -> $crate::Health {
                    self.0.health()
                }

                fn shutdown(&mut self) -> ::core::result::Result<(), $crate::AgentError> {
                    self.0.shutdown()
                }
            }
        };

        $crate::wasm_agent!($name);
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
