//! Every path of the API: as a template for a router, and filled in.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for something else in a segment of a path.
const SPECIAL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// For each path its template, and the function of the same name that fills it in.
macro_rules! paths {
    ($($(#[$doc:meta])* $template:ident $filled:ident($($part:ident),*) = $path:literal;)*) => {$(
        $(#[$doc])*
        pub const $template: &str = $path;

        #[doc = concat!("[`", stringify!($template), "`], filled in.")]
        #[must_use]
        pub fn $filled($($part: impl Display),*) -> String {
            fill($template, &[$(&$part),*])
        }
    )*};
}

paths! {
    /// How the host is.
    HEALTH health() = "/health";
    /// Whether the process answers at all.
    LIVEZ livez() = "/livez";
    /// Whether to send it work.
    READYZ readyz() = "/readyz";
    /// Everything counted, for Prometheus.
    METRICS metrics() = "/metrics";
    /// The document that describes the API.
    OPENAPI openapi() = "/openapi.json";
    /// What waits, runs and has ended.
    STATS stats() = "/scheduler/stats";
    /// The agents, under the specification's name.
    AGENTS_STATUS agents_status() = "/agents/status";

    /// The tasks.
    TASKS tasks() = "/v1/tasks";
    /// One task.
    TASK task(id) = "/v1/tasks/{id}";
    /// Takes a task back.
    TASK_CANCEL task_cancel(id) = "/v1/tasks/{id}/cancel";
    /// What happens to a task.
    TASK_EVENTS task_events(id) = "/v1/tasks/{id}/events";
    /// The logs of a task's attempts.
    TASK_LOGS task_logs(id) = "/v1/tasks/{id}/logs";

    /// The dead letters.
    DEAD_LETTERS dead_letters() = "/v1/dead-letters";
    /// One dead letter.
    DEAD_LETTER dead_letter(id) = "/v1/dead-letters/{id}";
    /// Puts dead letters back in the queue.
    DEAD_LETTERS_REQUEUE dead_letters_requeue() = "/v1/dead-letters/requeue";
    /// Forgets dead letters.
    DEAD_LETTERS_PURGE dead_letters_purge() = "/v1/dead-letters/purge";

    /// The agents.
    AGENTS agents() = "/v1/agents";
    /// One agent.
    AGENT agent(id) = "/v1/agents/{id}";
    /// Asks an agent how it is.
    AGENT_CHECK agent_check(id) = "/v1/agents/{id}/check";
    /// Has another genome take over in one agent.
    AGENT_GENOME agent_genome(id) = "/v1/agents/{id}/genome";
    /// Replaces an agent's instances.
    AGENT_RESTART agent_restart(id) = "/v1/agents/{id}/restart";

    /// The agent types.
    AGENT_TYPES agent_types() = "/v1/agent-types";
    /// One agent type.
    AGENT_TYPE agent_type(name) = "/v1/agent-types/{name}";
    /// The genome in charge of an agent type.
    AGENT_TYPE_GENOME agent_type_genome(name) = "/v1/agent-types/{name}/genome";
    /// Which genomes an agent type had.
    AGENT_TYPE_LINEAGE agent_type_lineage(name) = "/v1/agent-types/{name}/lineage";
    /// What becomes of tasks that are submitted to an agent type.
    AGENT_TYPE_REFINEMENT agent_type_refinement(name) = "/v1/agent-types/{name}/refinement";
    /// Puts the genome before in charge.
    AGENT_TYPE_ROLLBACK agent_type_rollback(name) = "/v1/agent-types/{name}/rollback";

    /// Runs the same tasks on two genomes.
    BENCHMARKS benchmarks() = "/v1/benchmarks";
    /// Everything that happens.
    EVENTS events() = "/v1/events";
    /// The evolutions.
    EVOLUTIONS evolutions() = "/v1/evolution";
    /// The evolution of an agent type.
    EVOLUTION evolution(agent_type) = "/v1/evolution/{agent_type}";

    /// The stored genomes.
    GENOMES genomes() = "/v1/genomes";
    /// Removes genomes that are not in use.
    GENOMES_COLLECT genomes_collect() = "/v1/genomes/collect";
    /// Hashes every stored genome.
    GENOMES_VERIFY genomes_verify() = "/v1/genomes/verify";
    /// One genome.
    GENOME genome(genome) = "/v1/genomes/{genome}";
    /// How a genome differs from another.
    GENOME_DIFF genome_diff(genome, other) = "/v1/genomes/{genome}/diff/{other}";
    /// Keeps a genome.
    GENOME_PIN genome_pin(genome) = "/v1/genomes/{genome}/pin";

    /// What agent types keep by key.
    KEYVALUE keyvalue() = "/v1/keyvalue";
    /// What one agent type keeps by key.
    KEYVALUE_OF keyvalue_of(agent_type) = "/v1/keyvalue/{agent_type}";
    /// Key figures.
    KPIS kpis() = "/v1/kpis";
    /// Applies the settings file as it is now.
    RELOAD reload() = "/v1/reload";
    /// Gives agents another quota.
    RESOURCE_ALLOCATIONS resource_allocations() = "/v1/resource-allocations";

    /// The rollouts.
    ROLLOUTS rollouts() = "/v1/rollouts";
    /// The rollout of an agent type.
    ROLLOUT rollout(agent_type) = "/v1/rollouts/{agent_type}";
    /// Ends a rollout without a change.
    ROLLOUT_ABORT rollout_abort(agent_type) = "/v1/rollouts/{agent_type}/abort";
    /// Puts the candidate of a rollout in charge.
    ROLLOUT_PROMOTE rollout_promote(agent_type) = "/v1/rollouts/{agent_type}/promote";
    /// Says how right an output was.
    VALIDATIONS validations() = "/v1/validations";
}

/// Puts each part, encoded, in place of the next `{name}`.
fn fill(template: &str, parts: &[&dyn Display]) -> String {
    let mut segments = template.split(['{', '}']);
    let mut path = segments.next().unwrap_or_default().to_owned();
    for part in parts {
        let part = part.to_string();
        path.extend(utf8_percent_encode(&part, SPECIAL));
        // The name that it stands for, and what follows.
        path.push_str(segments.nth(1).unwrap_or_default());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_encoded_in_the_place_of_their_names() {
        assert_eq!(tasks(), "/v1/tasks");
        assert_eq!(task_cancel(7), "/v1/tasks/7/cancel");
        assert_eq!(genome_diff("sha256:a", "sha256:b"), "/v1/genomes/sha256:a/diff/sha256:b");
        assert_eq!(keyvalue_of("a/b c?é{x}-._~"), "/v1/keyvalue/a%2Fb%20c%3F%C3%A9%7Bx%7D-._~");
        assert_eq!(rollout_abort(".."), "/v1/rollouts/../abort");
    }
}
