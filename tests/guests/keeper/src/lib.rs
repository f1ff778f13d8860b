//! Calls the drafts of the standard that a host links. As native code there is
//! nothing here.

#[cfg(target_arch = "wasm32")]
mod agent;
#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod first;
#[cfg(target_arch = "wasm32")]
mod otel;
#[cfg(target_arch = "wasm32")]
mod second;
