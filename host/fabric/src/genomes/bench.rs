//! A candidate held against the champion on the same tasks, apart from live traffic.
//!
//! Two agents that no task of the queue reaches run the tasks in turns, the one
//! first and then the other first, so that whatever else the machine does falls
//! on both. They have a share of a processor, on a thread that lets live tasks
//! pass first (`idle_priority`).

use std::sync::Arc;

use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::genome::{
    BenchTask, Benchmark, Fitness, Margins, Measured, Pair, Weights, compare,
};
use chimera_layer4_core::{AgentConfig, Digest, FabricError, FabricResult, JsonText, Task};
use chimera_layer4_runtime::{Agent, Genome, RunReport};

use super::admission::GenomeRef;
use super::idle_priority::at_idle_priority;
use super::open::entry;
use super::{Genomes, OpenGenomes};
use crate::utils;

/// Of a processor at most, for both sides together: they take turns.
const SHARE: f64 = 0.5;
/// Recorded tasks that are drawn.
const DRAWN: usize = 200;
/// Each task this often: a run of microseconds says little by itself.
const ROUNDS: usize = 3;
/// Tasks in one benchmark.
const MOST_TASKS: usize = 10_000;
/// How sure each answer is.
const CONFIDENCE: f64 = 0.95;
/// An output that layer 3 gave so much is taken for right.
const RIGHT: f64 = 0.99;

/// A genome, and how its agent is set up.
type Side = (Arc<Genome>, AgentConfig);

impl Genomes {
    /// Runs the same tasks on a candidate and on the genome in charge of an
    /// agent type: those given, else a sample of recorded ones. The result is
    /// in the lineage.
    ///
    /// # Errors
    /// `AgentTypeNotFound`; `InvalidRequest` when there are no tasks, or too
    /// many; `RolloutConflict` when the candidate is in charge; as
    /// [`update_agent`](Self::update_agent).
    pub async fn benchmark(
        &self,
        agent_type: &str,
        candidate: impl Into<GenomeRef>,
        tasks: Vec<BenchTask>,
        weights: &Weights,
    ) -> FabricResult<Benchmark> {
        self.life.check_not_ending()?;
        self.pool.agents.must_know(agent_type)?;
        let mut wrong = weights.complaints();
        wrong.extend(complaints(agent_type, &tasks));
        if !wrong.is_empty() {
            return Err(FabricError::InvalidRequest(wrong));
        }
        let candidate = self.resolve_genome(candidate.into(), agent_type).await?;
        let genomes = self.opened().await?;
        let champion = genomes.active_or_running(agent_type).await?;
        let champion = champion.filter(|champion| *champion != candidate).ok_or_else(|| {
            let message = format!("there is no other genome of {agent_type:?} to hold it against");
            FabricError::RolloutConflict(message)
        })?;
        let tasks = genomes.bench_tasks(agent_type, tasks).await?;
        let turn = genomes.benching.acquire().await;
        let _turn = turn.map_err(|error| FabricError::Internal(error.to_string()))?;
        let sides = [
            (genomes.at_hand(agent_type, champion).await?, self.bench_config(agent_type)),
            (genomes.load(candidate).await?, self.bench_config(agent_type)),
        ];
        let sizes = sides.each_ref().map(|(genome, _)| genome.inspection().size_bytes);
        let pairs = at_idle_priority(Arc::clone(genomes).pairs(sides, tasks)).await??;
        let comparison = compare(&pairs, CONFIDENCE, &Margins::default());
        let fitness = Fitness::of_comparison(&comparison, sizes.into(), weights);
        let event = Event::Benchmarked {
            against: champion,
            comparison: Box::new(comparison),
            fitness: fitness.clone(),
        };
        genomes.record(vec![entry(candidate, Some(agent_type), event)]).await?;
        self.telemetry.metrics.genomes.benchmarked(agent_type, candidate, fitness.score);
        let agent_type = agent_type.to_owned();
        Ok(Benchmark { agent_type, champion, candidate, comparison, fitness })
    }

    /// How the agents of a benchmark are set up, each.
    fn bench_config(&self, agent_type: &str) -> AgentConfig {
        let config = self.config_for(Some(agent_type));
        let mut quota = config.resource_quota.clone();
        quota.max_cpu_cores = quota.max_cpu_cores.min(SHARE);
        AgentConfig { resource_quota: quota, ..config }
    }
}

impl OpenGenomes {
    async fn bench_tasks(
        self: &Arc<Self>,
        agent_type: &str,
        given: Vec<BenchTask>,
    ) -> FabricResult<Vec<BenchTask>> {
        let tasks = if given.is_empty() { self.recorded(agent_type).await? } else { given };
        if tasks.is_empty() {
            let message = format!("no task of {agent_type:?} is recorded yet; hand some in");
            return Err(FabricError::InvalidRequest(vec![message]));
        }
        Ok(tasks)
    }

    async fn recorded(self: &Arc<Self>, agent_type: &str) -> FabricResult<Vec<BenchTask>> {
        let name = agent_type.to_owned();
        self.evidence.recorder.flush().await;
        let recorded = self.on_disk(move |genomes| genomes.recordings.sample(&name, DRAWN));
        let task = |recorded: chimera_layer4_stores::genomes::Recorded| {
            let right = recorded.success && recorded.validated.is_some_and(|by| by >= RIGHT);
            let expected = right.then(|| JsonText::parse(&recorded.output).ok()).flatten();
            Some(BenchTask { payload: JsonText::parse(&recorded.payload).ok()?, expected })
        };
        Ok(recorded.await?.into_iter().filter_map(task).collect())
    }

    /// A genome to be run: stored, or what agents run that were given its bytes.
    async fn at_hand(
        self: &Arc<Self>,
        agent_type: &str,
        genome: Digest,
    ) -> FabricResult<Arc<Genome>> {
        let running = self.pool.agents.in_charge(agent_type);
        let mut running = running.iter().map(|entry| entry.agent.genome());
        match running.find(|running| running.digest() == genome) {
            Some(running) => Ok(Arc::clone(running)),
            None => self.load(genome).await,
        }
    }

    /// Runs the tasks on both sides in turns.
    async fn pairs(
        self: Arc<Self>,
        [champion, candidate]: [Side; 2],
        tasks: Vec<BenchTask>,
    ) -> FabricResult<Vec<Pair>> {
        let champion = self.bench_agent(champion).await?;
        let candidate = match self.bench_agent(candidate).await {
            Ok(agent) => agent,
            Err(error) => {
                self.end_unused(vec![champion]).await;
                return Err(error);
            }
        };
        if let Some(first) = tasks.first() {
            // Neither is to pay for memory that is touched for the first time.
            run(&champion, first).await;
            run(&candidate, first).await;
        }
        let mut pairs = Vec::with_capacity(tasks.len() * ROUNDS);
        for round in 0..ROUNDS {
            for (index, task) in tasks.iter().enumerate() {
                let pair = if (round + index) % 2 == 0 {
                    let champion = run(&champion, task).await;
                    Pair { champion, candidate: run(&candidate, task).await }
                } else {
                    let candidate = run(&candidate, task).await;
                    Pair { champion: run(&champion, task).await, candidate }
                };
                pairs.push(pair);
            }
        }
        self.end_unused(vec![champion, candidate]).await;
        Ok(pairs)
    }

    async fn bench_agent(&self, (genome, config): Side) -> FabricResult<Agent> {
        self.pool.executor.spawn_apart(genome, config).await
    }
}

/// What is wrong with the number of tasks, or with the first one that could not
/// be submitted either.
fn complaints(agent_type: &str, tasks: &[BenchTask]) -> Vec<String> {
    if tasks.len() > MOST_TASKS {
        let count = tasks.len();
        return vec![format!("{count} tasks are given; allowed are {MOST_TASKS}")];
    }
    let all = tasks.iter().enumerate().map(|(n, task)| {
        let wrong = utils::task_for(agent_type, task.payload.clone()).complaints();
        wrong.into_iter().map(|one| format!("tasks[{n}].{one}")).collect::<Vec<_>>()
    });
    all.into_iter().find(|wrong| !wrong.is_empty()).unwrap_or_default()
}

async fn run(agent: &Agent, task: &BenchTask) -> Measured {
    let (agent_type, payload) = (&agent.config().agent_type, task.payload.clone());
    let quota = agent.quota();
    let run = Task { resource_quota: quota, ..utils::task_for(agent_type, payload) };
    measured(&agent.run(&run, 1).await, task.expected.as_ref())
}

fn measured(report: &RunReport, expected: Option<&JsonText>) -> Measured {
    let output = report.result.as_ref().ok();
    Measured {
        success: output.is_some(),
        agrees: expected.map(|expected| output == Some(expected)),
        latency: report.wall,
        cpu_seconds: report.usage.cpu_seconds,
        memory_peak_mb: report.usage.memory_peak_mb,
    }
}
