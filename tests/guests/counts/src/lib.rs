//! The sample of `agents/LANGUAGES.md`. As native code there is nothing here.

#[cfg(target_arch = "wasm32")]
mod sample;
