//! Sends HTTP requests, as the task says.

#[cfg(target_arch = "wasm32")]
mod errands;
