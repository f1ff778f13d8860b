//! Genomes: admissions, swaps, rollouts, scores.

use std::collections::HashMap;
use std::time::Duration;

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::lineage::Stage;
use parking_lot::Mutex;
use prometheus::{GaugeVec, Histogram, IntCounterVec, Opts, Registry, Result};

use super::families::{counters, histogram};

/// Seconds in which tasks wait for a change of genomes: pointers under a lock.
const SWITCH: [f64; 7] = [0.000_001, 0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1.0];

/// Of a digest in a label, as the lineage's tree shows it.
const DIGITS: usize = 12;

pub(crate) struct GenomeMetrics {
    rejected: IntCounterVec,
    swaps: IntCounterVec,
    switch: Histogram,
    rollouts: IntCounterVec,
    fitness: GaugeVec,
    /// By agent type, the genome whose score is shown: the last.
    scored: Mutex<HashMap<String, String>>,
}

impl GenomeMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let fitness = Opts::new(
            "layer4_genome_fitness",
            "Score of the last genome that was benchmarked, 0.5 being as good as the one in charge.",
        );
        let fitness = GaugeVec::new(fitness, &["agent_type", "genome"])?;
        registry.register(Box::new(fitness.clone()))?;
        Ok(Self {
            rejected: counters(
                registry,
                "layer4_genomes_rejected_total",
                "Genomes that were not admitted, by the check that they failed.",
                &["stage"],
            )?,
            swaps: counters(
                registry,
                "layer4_genome_swaps_total",
                "Times that another genome took over, by agent type.",
                &["agent_type"],
            )?,
            switch: histogram(
                registry,
                "layer4_genome_switch_seconds",
                "Time in which tasks waited for one genome to take over from another.",
                &SWITCH,
            )?,
            rollouts: counters(
                registry,
                "layer4_rollouts_total",
                "Rollouts that ended, by agent type and how.",
                &["agent_type", "outcome"],
            )?,
            fitness,
            scored: Mutex::default(),
        })
    }

    /// A genome failed a check.
    pub(crate) fn rejected(&self, stage: Stage) {
        self.rejected.with_label_values(&[stage.to_string().as_str()]).inc();
    }

    /// A genome took over.
    pub(crate) fn swapped(&self, agent_type: &str, switch: Duration) {
        self.swaps.with_label_values(&[agent_type]).inc();
        self.switch.observe(switch.as_secs_f64());
    }

    /// A rollout ended.
    pub(crate) fn rollout_ended(&self, agent_type: &str, outcome: &str) {
        self.rollouts.with_label_values(&[agent_type, outcome]).inc();
    }

    /// A candidate was held against the genome in charge.
    pub(crate) fn benchmarked(&self, agent_type: &str, genome: Digest, score: f64) {
        let genome: String = genome.hex().chars().take(DIGITS).collect();
        let mut scored = self.scored.lock();
        let before = scored.insert(agent_type.to_owned(), genome.clone());
        if let Some(before) = before.filter(|before| *before != genome) {
            // It is there, since it was scored.
            let _ = self.fitness.remove_label_values(&[agent_type, &before]);
        }
        self.fitness.with_label_values(&[agent_type, &genome]).set(score);
    }
}
