//! Agents that a program brings along: their components are inside its own file.

use std::borrow::Cow;

/// An agent whose component the program has, so that it needs no file beside itself.
///
/// The crate `chimera-layer4-build` builds an agent crate in the program's build script
/// and writes a type that implements this; [`include_agents!`](crate::include_agents)
/// defines that type in the program.
pub trait AgentComponent {
    /// What the agent is called: the name of its package.
    const NAME: &'static str;

    /// The bytes of the component.
    fn component() -> Cow<'static, [u8]>;
}

/// Defines a type for each agent that the program's build script built with
/// `chimera_layer4_build::agent` or `chimera_layer4_build::Agents`. Each implements
/// [`AgentComponent`](crate::AgentComponent) and is called as the agent's package, or as
/// `named` says. The macro stands among the items of a module, once.
///
/// ```ignore
/// // build.rs has: chimera_layer4_build::agent("agents/custom-agent");
/// chimera_layer4::include_agents!();
///
/// let component = CustomAgent::component();
/// ```
#[macro_export]
macro_rules! include_agents {
    () => {
        ::core::include!(::core::concat!(
            ::core::env!(
                "OUT_DIR",
                "include_agents! reads what a build script writes: add a build.rs whose `main` has \
                 `chimera_layer4_build::agent(\"PATH\");`"
            ),
            "/chimera_agents.rs"
        ));
    };
}
