//! Builds the agents of the examples, for `include_agents!`.

fn main() {
    chimera_layer4_build::Agents::new()
        .agent("agents/words")
        .agent("agents/words-by-space")
        .agent("agents/dictionary")
        .agent("agents/primes")
        .write();
}
