//! Identities, as the host writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text in a type of its own, so that one identity cannot be passed for the other.
macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identity! {
    /// The identity of one task: a UUID in its usual text form.
    TaskId
}

identity! {
    /// The identity of one agent: a UUID in its usual text form.
    AgentId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_its_text() {
        let id = TaskId::from("0192");
        assert_eq!((id.as_str(), id.to_string()), ("0192", "0192".to_owned()));
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""0192""#);
        assert_eq!(serde_json::from_str::<TaskId>(r#""0192""#).unwrap(), id);
        assert_eq!(AgentId::from("a".to_owned()), AgentId::from("a"));
    }
}
