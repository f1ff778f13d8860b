//! What a guest runs in: the engine, the limits, and all that it may reach.
//!
//! This is the lowest layer. It links components and knows no genome and no agent;
//! `genome/` is built on it, and `executor/` on both.

pub(crate) mod bindings;
pub(crate) mod capabilities;
pub(crate) mod capability;
pub(crate) mod context;
pub(crate) mod engine;
pub(crate) mod fault;
pub(crate) mod guest_text;
pub(crate) mod limits;
pub(crate) mod linked;
pub(crate) mod options;
pub(crate) mod setup;
pub(crate) mod store;
mod ticker;

pub use self::context::recorder::OnProgress;
pub use self::limits::cpu::charge_caller;
pub use self::options::CapabilityOptions;
pub use self::setup::AgentSetup;
