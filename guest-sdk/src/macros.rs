//! The one macro that an author calls.

/// Turns a type that implements [`WasmAgent`](crate::WasmAgent) into the
/// component's exports. Called once in a crate, at its root.
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
#[macro_export]
macro_rules! wasm_agent {
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
