//! Agent types as they are declared, at the start and when that changes.
//!
//! The settings, what was deployed and the agents folder declare types; which declaration of
//! a type counts is decided in `core`. Each place is changed by itself, and the others'
//! agents are not touched.

use std::collections::BTreeMap;

use chimera_layer4_core::config::{AgentDeclaration, AgentOrigin, AgentSources, Declarations};
use chimera_layer4_core::{FabricError, FabricResult};
use parking_lot::Mutex;

use super::Fabric;
use super::in_force::InForce;
use super::outcome::{Applied, Outcome};
use crate::telemetry::events::EventKind;

/// What is declared, and what is in force of it.
#[derive(Default)]
pub(crate) struct Declared {
    /// Held while agents change, which may take minutes.
    pub(super) in_force: tokio::sync::Mutex<Force>,
    /// What is shown of each declared type, also meanwhile.
    shown: Mutex<BTreeMap<String, Shown>>,
}

#[derive(Default)]
pub(super) struct Force {
    pub(super) sources: AgentSources,
    types: BTreeMap<String, InForce>,
}

impl Force {
    /// Where what is in force of a type is declared.
    pub(super) fn in_force_of(&self, name: &str) -> Option<AgentOrigin> {
        self.types.get(name).map(|one| one.origin)
    }
}

/// What is shown of a declared type.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Where the declaration is that counts.
    pub(crate) origin: AgentOrigin,
    /// Why the newest declaration of a place is not in force.
    failed: BTreeMap<AgentOrigin, Failure>,
    /// Where another declaration is, which does not count.
    beside: Option<AgentOrigin>,
}

/// Why a declaration is not in force.
#[derive(Clone, Debug)]
struct Failure {
    reason: String,
    /// Whether it may go well the next time.
    is_tried_again: bool,
}

impl Shown {
    /// What is declared and not in force, and why.
    pub(crate) fn refused(&self) -> Option<String> {
        let other = || self.failed.keys().copied().find(|by| *by != self.origin);
        let beside = |beside: AgentOrigin| {
            let (counts, other) = (self.origin.words(), beside.words());
            let wrong = self.failed.get(&beside).map(|failed| format!(": {}", failed.reason));
            let wrong = wrong.unwrap_or_default();
            format!("{other} declares it too, which does not count beside {counts}{wrong}")
        };
        let own = self.failed.get(&self.origin).map(|failed| failed.reason.clone());
        own.or_else(|| self.beside.or_else(other).map(beside))
    }
}

impl Declared {
    /// What is shown of each declared type.
    pub(crate) fn shown(&self) -> BTreeMap<String, Shown> {
        self.shown.lock().clone()
    }

    /// The types whose newest declaration could not be put in force, and may be now.
    fn failed(&self) -> Vec<String> {
        let shown = self.shown.lock();
        let is_tried_again = |shown: &Shown| {
            shown.failed.get(&shown.origin).is_some_and(|failed| failed.is_tried_again)
        };
        let failed = shown.iter().filter(|(_, shown)| is_tried_again(shown));
        failed.map(|(name, _)| name.clone()).collect()
    }

    /// No place declares a type any more. What another one said that was refused is still
    /// shown, and is the answer.
    fn forget(&self, name: &str, origin: AgentOrigin) -> Option<String> {
        let mut shown = self.shown.lock();
        let mut left = shown.remove(name)?;
        left.failed.remove(&origin);
        let (by, reason) =
            left.failed.iter().next().map(|(by, failed)| (*by, failed.reason.clone()))?;
        (left.origin, left.beside) = (by, None);
        shown.insert(name.to_owned(), left);
        Some(reason)
    }
}

/// What becomes of one place's declarations, by type.
pub(super) type Changes = BTreeMap<String, Change>;

/// What becomes of one declaration.
pub(super) enum Change {
    /// It is this from now on.
    To(AgentDeclaration),
    /// It was to change, and why that is refused.
    Refused(String),
    /// It is gone.
    Gone,
}

impl Fabric {
    /// Makes agents what the settings declare: starts those that are new, replaces
    /// those that are declared otherwise now or whose component's bytes have
    /// changed, ends those that are gone. No task is dropped. What fails leaves
    /// the agents of its type as they were. Types that were deployed or are in the agents
    /// folder stay as they are, but for those that failed, which are tried again.
    ///
    /// `told` is called for each type before it is begun. From
    /// [`shutdown`](Self::shutdown) on nothing is started, replaced or ended any more.
    pub async fn apply_agents(
        &self,
        declared: &BTreeMap<String, AgentDeclaration>,
        told: impl Fn(&str),
    ) -> Vec<Applied> {
        if self.life.check_not_ending().is_err() {
            return self.none_applied(declared);
        }
        self.await_agents(declared.keys().cloned());
        // One change at a time.
        let mut force = self.declared.in_force.lock().await;
        let changes = force.sources.changes_to(AgentOrigin::Settings, declared).into_iter();
        let changes = changes.map(|(name, to)| (name, to.map_or(Change::Gone, Change::To)));
        let changes = changes.collect();
        let failed = self.declared.failed();
        let mut applied =
            self.apply_changes(&mut force, AgentOrigin::Settings, changes, &told).await;
        for name in failed {
            let Some((origin, declaration)) = force.sources.of(&name) else { continue };
            if origin != AgentOrigin::Settings {
                let again = Changes::from([(name, Change::To(declaration.clone()))]);
                applied.extend(self.apply_changes(&mut force, origin, again, &told).await);
            }
        }
        applied
    }

    fn none_applied(&self, declared: &Declarations) -> Vec<Applied> {
        let none = |name: &String| {
            let (name, outcome) = (name.clone(), Outcome::Failed(self.life.not_running()));
            Applied { name, outcome }
        };
        declared.keys().map(none).collect()
    }

    /// The declared agent types that no task can be given to, since their agents did
    /// not start, each with the reason. They are tried again when the declarations
    /// are applied again.
    #[must_use]
    pub fn agent_types_down(&self) -> BTreeMap<String, String> {
        self.pool.agents.down()
    }

    /// Agents of these types will be started by [`apply_agents`](Self::apply_agents):
    /// until then a task for one is answered "try again later", not "no such type".
    pub fn await_agents(&self, names: impl IntoIterator<Item = String>) {
        self.pool.agents.await_types(names);
    }

    /// Changes what one place declares: first what goes, then what is new or otherwise.
    pub(super) async fn apply_changes(
        &self,
        force: &mut Force,
        origin: AgentOrigin,
        changes: Changes,
        told: &impl Fn(&str),
    ) -> Vec<Applied> {
        for (name, change) in &changes {
            match change {
                Change::To(to) => force.sources.set(origin, name, Some(to.clone())),
                Change::Gone => force.sources.set(origin, name, None),
                Change::Refused(_) => {}
            }
        }
        let is_left = |name: &String, change: &Change| {
            force.sources.of(name).is_some() || matches!(change, Change::Refused(_))
        };
        let (left, gone): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(name, change)| is_left(name, change));
        let mut applied = Vec::new();
        for (name, _) in gone {
            let refused = self.declared.forget(&name, origin);
            self.pool.agents.note_down(&name, refused);
            self.pool.agents.not_awaited(&name);
            if let Some(old) = force.types.remove(&name) {
                told(&name);
                let waiting = self.remove(&name, origin, old).await;
                let name = name.clone();
                applied.push(Applied { name, outcome: Outcome::Removed { waiting } });
            }
            self.pool.agents.restore_built_in(&name);
            self.pool.capacity_changed();
        }
        for (name, change) in left {
            told(&name);
            // What it says is wrong, and will be until it says something else.
            let is_tried_again = !matches!(change, Change::Refused(_));
            let is_gone = matches!(change, Change::Gone);
            // What counts after one that is gone is another place's.
            let counts = force.sources.of(&name).map_or(origin, |(counts, _)| counts);
            let of = if is_gone { counts } else { origin };
            let outcome = Box::pin(self.apply_left(force, &name, origin, change)).await;
            let outcome = outcome.unwrap_or_else(Outcome::Failed);
            // What is gone is served no longer, also where nothing takes its place.
            if is_gone
                && matches!(outcome, Outcome::Failed(_))
                && self.life.check_not_ending().is_ok()
                && force.types.get(&name).is_some_and(|old| old.origin == origin)
                && let Some(old) = force.types.remove(&name)
            {
                self.remove(&name, origin, old).await;
            }
            self.note(force, &name, (origin, of), &outcome, is_tried_again);
            applied.push(Applied { name, outcome });
        }
        applied.iter().for_each(|applied| self.tell(origin, applied));
        applied
    }

    /// Applies the declaration of a type that counts now.
    async fn apply_left(
        &self,
        force: &mut Force,
        name: &str,
        origin: AgentOrigin,
        change: Change,
    ) -> FabricResult<Outcome> {
        if let Change::Refused(reason) = change {
            return Err(FabricError::InvalidRequest(vec![reason]));
        }
        let of = force.sources.of(name).map(|(counts, declaration)| (counts, declaration.clone()));
        let Some((counts, declaration)) = of else { return Ok(Outcome::Unchanged) };
        if matches!(change, Change::To(_)) && counts != origin {
            let (agent_type, by) = (name.to_owned(), counts.words());
            return Err(FabricError::AgentTypeDeclared { agent_type, by });
        }
        // The host may have begun to end since the type before.
        self.life.check_not_ending()?;
        self.has_places_for(force, name, counts, &declaration)?;
        self.apply_one(&mut force.types, name, counts, &declaration).await
    }

    /// What is shown of a type from now on, and whether tasks can be given to it. A place
    /// changed, and the outcome is that of a place's declaration: mostly the same.
    fn note(
        &self,
        force: &Force,
        name: &str,
        (origin, of): (AgentOrigin, AgentOrigin),
        outcome: &Outcome,
        is_tried_again: bool,
    ) {
        let counts = force.sources.of(name).map_or(origin, |(counts, _)| counts);
        let beside = force.sources.beside(name);
        let mut shown = self.declared.shown.lock();
        let mut failed = shown.remove(name).map(|before| before.failed).unwrap_or_default();
        failed.remove(&origin);
        failed.remove(&of);
        match outcome {
            // It is shown as one that is declared beside another.
            Outcome::Failed(FabricError::AgentTypeDeclared { .. }) => {}
            Outcome::Failed(error) => {
                failed.insert(of, Failure { reason: error.to_string(), is_tried_again });
            }
            _ => {}
        }
        // Where something of it is in force, it is as it was before.
        let down = failed.get(&counts).filter(|_| !force.types.contains_key(name));
        self.pool.agents.note_down(name, down.map(|failed| failed.reason.clone()));
        self.pool.agents.not_awaited(name);
        shown.insert(name.to_owned(), Shown { origin: counts, failed, beside });
    }

    /// Tells listeners what became of a declaration.
    fn tell(&self, source: AgentOrigin, applied: &Applied) {
        let Applied { name, outcome } = applied;
        if matches!(outcome, Outcome::Unchanged) {
            return;
        }
        self.telemetry.events.tell(|| EventKind::AgentTypeChanged {
            agent_type: name.clone(),
            source,
            outcome: outcome.word(),
            reason: match outcome {
                Outcome::Failed(error) => Some(error.to_string()),
                _ => None,
            },
        });
    }

    /// Ends the agents of a type that is declared no longer; how many tasks wait for it.
    /// Running ones finish, which no other change waits for.
    async fn remove(&self, name: &str, origin: AgentOrigin, old: InForce) -> u64 {
        // No genome takes over or is put on trial while this is held. Where genomes cannot
        // be opened, none does.
        let turn = loop {
            match self.genomes.turn_without_trial(name).await {
                Ok(None) => drop(self.genomes.abort_rollout(name, origin.change()).await),
                Ok(Some(turn)) => break Some(turn),
                Err(_) => break None,
            }
        };
        let starting = self.pool.agents.registered(name).map(|old| old.starting);
        // No agent of the type is started while this is held.
        let held = match &starting {
            Some(starting) => Some(starting.lock().await),
            None => None,
        };
        self.pool.agents.unregister(name);
        self.pool.retire(old.all());
        drop((held, turn));
        self.queued_for(name).await
    }

    /// Tasks that wait for an agent type, as far as the store can say.
    pub(super) async fn queued_for(&self, name: &str) -> u64 {
        let queued = self.tasks.stats().await.map(|stats| stats.queued_by_type);
        let queued = queued.unwrap_or_default().into_iter();
        queued.filter(|(of, _)| of == name).map(|(_, count)| count).sum()
    }

    /// The settings may say more than the host was started with. Of the other places each
    /// type is judged by itself, beside those that are in force.
    fn has_places_for(
        &self,
        force: &Force,
        name: &str,
        origin: AgentOrigin,
        declaration: &AgentDeclaration,
    ) -> FabricResult<()> {
        let most = self.config.max_agents;
        let sum = |all: &Declarations| all.values().map(|one| one.instances as usize).sum();
        let settings = AgentOrigin::Settings;
        let (wanted, advice): (usize, _) = if origin == settings {
            (force.sources.declared_in(settings).map_or(0, sum), "restart it")
        } else {
            let others = force.types.iter().filter(|(other, _)| *other != name);
            let others = others.map(|(_, one)| one.declaration.instances as usize);
            let own = declaration.instances as usize;
            (others.sum::<usize>() + own, "declare fewer, or raise it and restart")
        };
        if wanted <= most {
            return Ok(());
        }
        let message = format!(
            "{wanted} agents are declared, and this host was started with `max_agents` {most}; \
             {advice}"
        );
        Err(FabricError::InvalidRequest(vec![message]))
    }
}
