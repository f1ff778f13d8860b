//! What `wasm_agent!` says where the root has the host's names.

/// Turns a type into an agent where the root has agents' names; here it says how to get
/// there. [`guest`](crate::guest) has the macro that does it.
///
/// ```compile_fail
/// use chimera_layer4::*;
///
/// struct Agent;
/// wasm_agent!(Name, Agent);
/// ```
#[macro_export]
macro_rules! wasm_agent {
    ($($agent:tt)*) => {
        ::core::compile_error!(
            "`chimera_layer4` has the host's names here, since it is built with the feature `host` \
             and not for WebAssembly. To compile an agent natively, set `default-features = false` for \
             `chimera-layer4` in its Cargo.toml; where another crate of this build turns `host` on, \
             write `use chimera_layer4::guest::*` instead of `use chimera_layer4::*`. To build its \
             component, add `--target wasm32-wasip2`"
        );
    };
}
