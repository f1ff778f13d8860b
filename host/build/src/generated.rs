//! The Rust that a build script writes: a type for each agent, with its component.

/// The file that `chimera_layer4::include_agents!` includes.
pub(crate) const FILE: &str = "chimera_agents.rs";

/// What an agent's type is called where its author does not say: as the package, in the
/// form of types.
pub(crate) fn type_of(package: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        first.to_uppercase() + rest
    };
    package.split(['-', '_']).map(word).collect()
}

/// Whether a type of an agent can have this name.
pub(crate) fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name != "Self"
}

/// The file beside [`FILE`] that the component is in.
pub(crate) fn component_of(name: &str) -> String {
    format!("{name}.wasm")
}

/// The type `name` of the agent whose package is `package`.
pub(crate) fn text(name: &str, package: &str) -> String {
    let file = component_of(name);
    format!(
        r#"
/// The agent `{package}`, built by the build script.
#[allow(dead_code, reason = "a program need not use each agent that it brings along")]
#[derive(Clone, Copy, Debug)]
pub struct {name};

impl ::chimera_layer4::AgentComponent for {name} {{
    const NAME: &'static str = {package:?};

    fn component() -> ::std::borrow::Cow<'static, [u8]> {{
        ::std::borrow::Cow::Borrowed(::core::include_bytes!(::core::concat!(
            ::core::env!("OUT_DIR"),
            "/{file}"
        )))
    }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_called_as_its_package() {
        for (package, name) in
            [("echo", "Echo"), ("data-analyzer", "DataAnalyzer"), ("a__b-2c", "AB2c")]
        {
            assert_eq!(type_of(package), name);
            assert!(is_type(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_of_a_type_is_refused() {
        for name in ["", "agent", "Self", "My Agent", "A;B", "_A", "1A", "Ä", "A::B"] {
            assert!(!is_type(name), "{name:?}");
        }
        assert_eq!(type_of("self"), "Self", "which is refused then");
    }

    #[test]
    fn a_type_has_the_name_and_the_bytes_of_its_agent() {
        let text = text("CustomAgent", "my-agent");
        for part in [
            "pub struct CustomAgent;",
            "impl ::chimera_layer4::AgentComponent for CustomAgent {",
            "const NAME: &'static str = \"my-agent\";",
            "\"/CustomAgent.wasm\"",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
