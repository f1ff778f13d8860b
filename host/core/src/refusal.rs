//! Why bytes were not accepted as an agent.
//!
//! A refusal comes before anything of the guest runs. Each names what is wrong
//! and what its author or operator can do about it.

use serde::{Deserialize, Serialize};

/// Why a component was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum Refusal {
    /// Larger than the host accepts.
    #[error(
        "the component has at least {bytes} bytes; this host accepts {limit} (setting `max_component_mb`)"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// Not WebAssembly, or a core module instead of a component.
    #[error(
        "not a component: {found}; `chimera agent build` makes one of an agent's project, whatever its language"
    )]
    NotAComponent {
        /// What it is instead.
        found: String,
    },
    /// Starts like a component, but does not validate.
    #[error("the component is malformed: {reason}; it may be truncated, build or copy it again")]
    Malformed {
        /// What the validator said, with the offset.
        reason: String,
    },
    /// Does not meet the contract.
    #[error("the component does not meet chimera:agent@{contract}: {}", .reasons.join("; "))]
    WrongContract {
        /// The contract version that it was held against.
        contract: String,
        /// Each function or type that is missing or different.
        reasons: Vec<String>,
    },
    /// Imports something that this host does not offer.
    #[error("the component imports {}, which this host does not offer; build it without that import, or for WASI 0.2 if it is of another", .imports.join(", "))]
    NotGranted {
        /// The interfaces.
        imports: Vec<String>,
    },
    /// The compiler gave up, or was stopped at its limits.
    #[error("the component does not compile: {reason}")]
    DoesNotCompile {
        /// What happened, with the limit that was met.
        reason: String,
    },
    /// Has more parts than the host's slots hold.
    #[error("the component has more parts than this host gives one component: {reason}")]
    OverLimits {
        /// Which part, how many, and how many are allowed.
        reason: String,
    },
    /// Needs an environment variable that was not granted.
    #[error("the agent needs the environment variable {}; grant it with `--env` or in `AgentConfig::environment`", .missing.join(" and "))]
    MissingEnvironment {
        /// Each as `NAME (what it is for)`.
        missing: Vec<String>,
    },
}

const TOO_LARGE: &str = "component-too-large";
const NOT_A_COMPONENT: &str = "not-a-component";
const MALFORMED: &str = "malformed-component";
const WRONG_CONTRACT: &str = "wrong-contract";
const NOT_GRANTED: &str = "import-not-granted";
const DOES_NOT_COMPILE: &str = "does-not-compile";
const OVER_LIMITS: &str = "component-over-limits";
const MISSING_ENVIRONMENT: &str = "missing-environment";

impl Refusal {
    /// Every code, in the order of the refusals.
    pub const CODES: [&'static str; 8] = [
        TOO_LARGE,
        NOT_A_COMPONENT,
        MALFORMED,
        WRONG_CONTRACT,
        NOT_GRANTED,
        DOES_NOT_COMPILE,
        OVER_LIMITS,
        MISSING_ENVIRONMENT,
    ];

    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::TooLarge { .. } => TOO_LARGE,
            Refusal::NotAComponent { .. } => NOT_A_COMPONENT,
            Refusal::Malformed { .. } => MALFORMED,
            Refusal::WrongContract { .. } => WRONG_CONTRACT,
            Refusal::NotGranted { .. } => NOT_GRANTED,
            Refusal::DoesNotCompile { .. } => DOES_NOT_COMPILE,
            Refusal::OverLimits { .. } => OVER_LIMITS,
            Refusal::MissingEnvironment { .. } => MISSING_ENVIRONMENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_code_of_its_own_and_survives_its_json() {
        let (reason, found) = ("r".to_owned(), "f".to_owned());
        let refusals = [
            Refusal::TooLarge { bytes: 2, limit: 1 },
            Refusal::NotAComponent { found },
            Refusal::Malformed { reason: reason.clone() },
            Refusal::WrongContract {
                contract: "0.1.0".into(),
                reasons: vec!["a".into(), "b".into()],
            },
            Refusal::NotGranted { imports: vec!["a:b/c".into()] },
            Refusal::DoesNotCompile { reason: reason.clone() },
            Refusal::OverLimits { reason },
            Refusal::MissingEnvironment { missing: vec!["TOKEN (to log in)".into()] },
        ];
        let mut codes: Vec<_> = refusals.iter().map(Refusal::code).collect();
        assert_eq!(codes, Refusal::CODES);
        for refusal in &refusals {
            let json = serde_json::to_string(refusal).unwrap();
            assert_eq!(&serde_json::from_str::<Refusal>(&json).unwrap(), refusal);
            assert!(refusal.to_string().len() > 20, "{refusal}");
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), refusals.len());
    }
}
