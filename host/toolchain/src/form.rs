//! The forms that an agent in Rust has.

use std::str::FromStr;

/// A form of an agent in Rust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The SDK's `TypedAgent`: typed payloads, state, errors with a time to try again.
    #[default]
    Typed,
    /// The specification's `WasmAgent`: five methods, JSON values, `use chimera_layer4::*`.
    Plain,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Typed, Self::Plain];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Plain => "plain",
        }
    }

    /// The package that an agent of this form depends on.
    pub fn package(self) -> &'static str {
        match self {
            Self::Typed => "chimera-agent-sdk",
            Self::Plain => "chimera-layer4",
        }
    }

    /// Where a checkout has that package.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Typed => "guest-sdk",
            Self::Plain => "host",
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|form| form.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no form of an agent in Rust; there are {names}")
        })
    }
}
