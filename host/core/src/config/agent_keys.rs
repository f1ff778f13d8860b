//! Every key of `[agents.NAME]`, by which `docs/src/settings.md` is made.

use super::parts::MOST_AGENTS;
use super::parts::capabilities::GRANT_KEYS;
use super::setting::{AgentKey, Allowed};
use crate::agent::DEFAULT_TASKS_PER_INSTANCE;
use crate::quota::{
    MAX_CPU_CORES, MAX_EXECUTION_TIME_SECS, MAX_MEMORY_MB, MAX_NETWORK_MBPS, MIN_CPU_CORES,
    MIN_NETWORK_MBPS,
};

/// Every key of `[agents.NAME]`: those of any agent, and then those that grant something.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would not go past an end")]
pub const AGENT_KEYS: [AgentKey; OF_ANY.len() + GRANT_KEYS.len()] = {
    let mut keys = [GRANT_KEYS[0].key; OF_ANY.len() + GRANT_KEYS.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = if at < OF_ANY.len() { OF_ANY[at] } else { GRANT_KEYS[at - OF_ANY.len()].key };
        at += 1;
    }
    keys
};

const OF_ANY: [AgentKey; 7] = [
    AgentKey {
        key: "component",
        help: "The agent's code; a relative path begins in the folder of `chimera.toml`.",
        allowed: Allowed::Words("a file, or `sha256:…`, a stored genome"),
        default: || "it must be there".into(),
        example: r#""echo.wasm""#,
        keys: &[],
    },
    AgentKey {
        key: "instances",
        help: "Agents of the type that run beside each other, all types together up to \
               `max_agents`; with 0 the first task starts one.",
        allowed: Allowed::Whole { least: 0, most: MOST_AGENTS as u64 },
        default: || "1".into(),
        example: "2",
        keys: &[],
    },
    AgentKey {
        key: "quota",
        help: "What each of the agents may use.",
        allowed: Allowed::Words("a table"),
        default: || "`default_resource_quota`, each by itself".into(),
        example: "{ max_memory_mb = 64 }",
        keys: &OF_THE_QUOTA,
    },
    AgentKey {
        key: "environment",
        help: "Environment variables that the agent sees.",
        allowed: Allowed::Words("a table of texts"),
        default: || "none".into(),
        example: r#"{ MODE = "fast" }"#,
        keys: &[],
    },
    AgentKey {
        key: "parameters",
        help: "Values that the agent gets as JSON when it starts.",
        allowed: Allowed::Words("a table of values of any kind"),
        default: || "none".into(),
        example: r#"{ threshold = 3, names = ["a"] }"#,
        keys: &[],
    },
    AgentKey {
        key: "fresh",
        help: "Whether each task has an instance of its own.",
        allowed: Allowed::Words("`true` or `false`"),
        default: || "`false`".into(),
        example: "true",
        keys: &[],
    },
    AgentKey {
        key: "tasks_per_instance",
        help: "Tasks that one instance serves before it is replaced; 0 counts as 1.",
        allowed: Allowed::Whole { least: 0, most: u32::MAX as u64 },
        default: || DEFAULT_TASKS_PER_INSTANCE.to_string(),
        example: "500",
        keys: &[],
    },
];

/// Every key of an agent's quota.
pub(super) const OF_THE_QUOTA: [AgentKey; 4] = [
    AgentKey {
        key: "max_cpu_cores",
        help: "Share of processor cores; 0.25 is a quarter of one.",
        allowed: Allowed::Number { least: MIN_CPU_CORES, most: MAX_CPU_CORES },
        default: || "`default_resource_quota.max_cpu_cores`".into(),
        example: "0.5",
        keys: &[],
    },
    AgentKey {
        key: "max_memory_mb",
        help: "Mebibytes of memory.",
        allowed: Allowed::Whole { least: 1, most: MAX_MEMORY_MB },
        default: || "`default_resource_quota.max_memory_mb`".into(),
        example: "64",
        keys: &[],
    },
    AgentKey {
        key: "max_execution_time_secs",
        help: "Seconds that one call may take.",
        allowed: Allowed::Whole { least: 1, most: MAX_EXECUTION_TIME_SECS },
        default: || "`default_resource_quota.max_execution_time_secs`".into(),
        example: "30",
        keys: &[],
    },
    AgentKey {
        key: "max_network_mbps",
        help: "Megabits per second in each direction.",
        allowed: Allowed::Number { least: MIN_NETWORK_MBPS, most: MAX_NETWORK_MBPS },
        default: || "`default_resource_quota.max_network_mbps`".into(),
        example: "2.5",
        keys: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::super::parts::capabilities::GrantKey;
    use super::super::{AgentDeclaration, Layers, declared};
    use super::*;
    use crate::{Grants, ResourceQuota};

    fn read(text: &str) -> Result<AgentDeclaration, Vec<String>> {
        let text = format!("[agents.a]\n{text}");
        let layers = Layers::new().with_file("chimera.toml", &text).unwrap();
        let read = declared(&layers, &ResourceQuota::default(), MOST_AGENTS);
        read.map(|mut agents| agents.remove("a").unwrap())
    }

    /// A line of an agent's table, after those that it cannot be without.
    fn with(key: &str, value: &str) -> Result<AgentDeclaration, Vec<String>> {
        let component = if key == "component" { "" } else { "component = \"other.wasm\"\n" };
        read(&format!("{component}{key} = {value}"))
    }

    /// The keys inside the table, or each of the tables, that a key grants by.
    fn granted(key: &str) -> &'static [AgentKey] {
        GRANT_KEYS.iter().find(|grant| grant.key.key == key).unwrap().key.keys
    }

    #[test]
    fn what_is_granted_is_shown_and_what_is_not_is_not() {
        for GrantKey { key, shown, .. } in GRANT_KEYS {
            assert_eq!(shown(&Grants::default()), [""; 0], "{}", key.key);
            let read = with(key.key, key.example).unwrap().grants;
            assert!(!shown(&read).is_empty(), "{} = {}", key.key, key.example);
        }
    }

    #[test]
    fn the_example_of_each_key_is_taken_and_says_something() {
        let plain = with("component", "\"other.wasm\"").unwrap();
        for AgentKey { key, example, .. } in AGENT_KEYS {
            assert_ne!(with(key, example).unwrap(), plain, "{key} = {example}");
        }
        for AgentKey { key, example, .. } in OF_THE_QUOTA {
            let read = with("quota", &format!("{{ {key} = {example} }}")).unwrap();
            assert_ne!(read, plain, "quota.{key} = {example}");
        }
        let texts =
            granted("folders").iter().map(|inner| format!("{} = {}", inner.key, inner.example));
        let folder = texts.collect::<Vec<_>>().join(", ");
        let read = with("folders", &format!("[{{ {folder} }}]")).unwrap();
        assert_eq!(read.grants.folders.len(), 1);
    }

    #[test]
    fn numbers_are_taken_from_their_least_to_their_most() {
        let check = |key: &str, allowed, around: fn(&str, &str) -> String| {
            let Allowed::Whole { least, most } = allowed else { return };
            let with = |value: i128| {
                with(key.split('.').next().unwrap(), &around(key, &value.to_string()))
            };
            for value in [least, most] {
                with(value.into()).unwrap_or_else(|wrong| panic!("{key} = {value}: {wrong:?}"));
            }
            for value in [i128::from(least) - 1, i128::from(most) + 1] {
                assert!(with(value).is_err(), "{key} = {value}");
            }
        };
        for AgentKey { key, allowed, .. } in AGENT_KEYS {
            check(key, allowed, |_, value| value.to_owned());
        }
        let inside =
            |key: &str, value: &str| format!("{{ {} = {value} }}", key.split('.').nth(1).unwrap());
        for (table, keys) in [("quota", &OF_THE_QUOTA[..]), ("keyvalue", granted("keyvalue"))] {
            for AgentKey { key, allowed, .. } in keys {
                check(&format!("{table}.{key}"), *allowed, inside);
            }
        }
    }
}
