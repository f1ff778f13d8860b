//! How a candidate is put in charge by steps, or taken back.
//!
//! A rollout gives the candidate a small share of the tasks, then larger ones,
//! while a [`Trial`] looks on:
//!
//! ```text
//!            least_per_step runs, not condemned
//!              ┌─────────┐
//!              ▼         │            not worse, at the last step
//! start ──▶ running(step)┴──────────────────────────────────────▶ promoted
//!              │  │  │ ├── better, at any step ────────────────▶ promoted
//!              │  │  │ └── an operator promotes ────────────────▶ promoted
//!              │  │  └── most_samples, neither shown ───▶ inconclusive, or promoted (`when_unsure`)
//!              │  └── worse, at any step ───────────────────────▶ rolled back
//!              └── an operator aborts ──────────────────────────▶ aborted
//! ```
//!
//! Every end but promotion leaves the champion in charge. Passing the trial
//! early does not skip steps: the test knows how the candidate does with a
//! twentieth of the tasks, not how it does with half of them. A champion that
//! fails most of its tasks is no reason to go by steps: every task that is left
//! to it fails. Ends are final; runs that were under way then change nothing.
//!
//! Which side serves a task is a hash of its key ([`sticky`]), so that a
//! customer's tasks stay on one side, on every host and after a restart, and a
//! key that gets the candidate at 5 % still does at 25 %.
//!
//! A candidate with a twentieth of the tasks is slower for that alone: its
//! caches are cold, and whenever it runs the champion does too. So it is held
//! against a control: other agents of the champion that are as new, given as
//! many tasks ([`TrafficArm`]). The rest of the champion's runs counts for
//! nothing but accuracy, which no cache changes.

mod view;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::trial::{Finding, MOST_STRATA, Observation, Policy, Side, Trial, Verdict};
use crate::Digest;

pub use view::{RolloutView, SideView};

/// Steps of a plan: the trial keeps each as a stratum of its own.
pub const MOST_STEPS: usize = MOST_STRATA;

/// What is done when the trial cannot tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WhenUnsure {
    /// The champion stays. The default: it has shown what it does, and a
    /// candidate as good can be promoted by hand.
    #[default]
    KeepChampion,
    /// The candidate takes over.
    Promote,
}

/// How a candidate is put in charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// The candidate's share of the tasks at each step: above 0 to 1, rising.
    pub steps: Vec<f64>,
    /// Runs of the candidate at each step before the next.
    pub least_per_step: u64,
    /// When it is condemned or passes.
    pub policy: Policy,
    /// What happens when neither can be said.
    pub when_unsure: WhenUnsure,
    /// Mixed into the hash of a task's key beside the candidate's digest: the
    /// same salt gives the same candidate the same tasks again.
    pub salt: String,
}

impl Default for Plan {
    /// A twentieth first, since a broken candidate harms no more than that;
    /// a half at the end, where a comparison is the sharpest for its tasks. A
    /// hundred runs at a step: what breaks under load mostly does so at once.
    fn default() -> Self {
        Self {
            steps: vec![0.05, 0.25, 0.5],
            least_per_step: 100,
            policy: Policy::default(),
            when_unsure: WhenUnsure::default(),
            salt: String::new(),
        }
    }
}

/// Bytes of a salt.
const MOST_SALT: usize = 200;

impl Plan {
    /// Everything that is out of range, with what is allowed; none is in order.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let steps = self.steps.len();
        if !(1..=MOST_STEPS).contains(&steps) {
            complaints.push(format!("steps has {steps} shares; allowed is 1 to {MOST_STEPS}"));
        }
        let shares = self.steps.iter().filter(|share| !(**share > 0.0 && **share <= 1.0));
        complaints
            .extend(shares.map(|share| format!("steps has {share}; allowed is above 0 to 1")));
        if !self.steps.is_sorted_by(|one, next| one < next) {
            complaints.push(format!("steps is {:?}; each must be above the last", self.steps));
        }
        // With every task the candidate's, nothing is left to hold it against.
        if steps == 1 && self.steps.first() == Some(&1.0) {
            complaints.push("steps is [1.0]; begin with a share that leaves the champion tasks, or promote at once".to_owned());
        }
        let (least, most) = (self.least_per_step, self.policy.most_samples);
        if least == 0 || least.saturating_mul(steps as u64) > most {
            complaints.push(format!(
                "least_per_step is {least}; allowed is 1 to policy.most_samples ({most}) divided by the number of steps"
            ));
        }
        if self.salt.len() > MOST_SALT {
            let bytes = self.salt.len();
            complaints.push(format!("salt has {bytes} bytes; allowed is up to {MOST_SALT}"));
        }
        let policy = self.policy.complaints();
        complaints.extend(policy.into_iter().map(|complaint| format!("policy.{complaint}")));
        complaints
    }
}

/// Where a key lies between 0 and 1, always the same for the same salt.
///
/// The sha256 of both, each with its length before it so that no salt runs into
/// a key; the first 53 bits, which a float holds exactly. Any keys are spread
/// evenly, and without the salt a key that lies low cannot be chosen.
#[must_use]
pub fn sticky(salt: &str, key: &str) -> f64 {
    let mut hash = Sha256::new();
    for part in [salt, key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let bits = hash.finalize().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum How {
    /// The trial: it is not worse.
    Passed,
    /// The plan: the trial could not tell, and `when_unsure` says so.
    Unsure,
    /// An operator.
    ByHand {
        /// Who.
        by: String,
    },
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            How::Passed => f.write_str("it passed its trial"),
            How::Unsure => f.write_str("the trial could not tell, and the plan promotes then"),
            How::ByHand { by } => write!(f, "by {by}"),
        }
    }
}

/// Who serves a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficArm {
    /// The candidate.
    Candidate,
    /// Agents of the champion that the candidate is held against.
    Control,
    /// Those of the champion that were there before.
    Others,
}

/// From this share on no fewer tasks are the candidate's than the champion's.
const HALF: f64 = 0.5;

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RolloutState {
    /// Both sides serve tasks.
    Running {
        /// Which step, counted from zero.
        step: usize,
    },
    /// The candidate is in charge.
    Promoted {
        /// Who decided.
        #[serde(flatten)]
        how: How,
    },
    /// The candidate was worse; the champion is in charge.
    RolledBack {
        /// In what, and how that is known.
        findings: Vec<Finding>,
    },
    /// An operator ended it; the champion is in charge.
    Aborted {
        /// Who.
        by: String,
    },
    /// The trial could not tell; the champion is in charge.
    Inconclusive,
}

impl RolloutState {
    /// Where it stands, in the word that JSON has for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            RolloutState::Running { .. } => "running",
            RolloutState::Promoted { .. } => "promoted",
            RolloutState::RolledBack { .. } => "rolled-back",
            RolloutState::Aborted { .. } => "aborted",
            RolloutState::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RolloutState::Running { step } => write!(f, "running, step {}", step + 1),
            RolloutState::Promoted { how } => write!(f, "promoted: {how}"),
            RolloutState::RolledBack { findings } => {
                let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
                write!(f, "rolled back: {}", findings.join("; "))
            }
            RolloutState::Aborted { by } => write!(f, "aborted by {by}"),
            RolloutState::Inconclusive => {
                f.write_str("inconclusive: the trial could not tell, and the champion stays")
            }
        }
    }
}

/// Why a rollout was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// The plan is out of range.
    #[error("the plan is not in order: {}", .0.join("; "))]
    Plan(Vec<String>),
    /// There is nothing to compare.
    #[error("{0} is the champion already")]
    SameGenome(Digest),
}

/// Something was asked of a rollout that is over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the rollout is over ({state}); start another")]
pub struct IsOver {
    /// How it ended.
    pub state: RolloutState,
}

/// What a run changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// Nothing.
    None,
    /// The candidate is given more.
    Step {
        /// Its share from now on.
        share: f64,
    },
    /// The rollout is over; its state says how.
    Ended,
}

/// One candidate on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    champion: Digest,
    candidate: Digest,
    plan: Plan,
    state: RolloutState,
    trial: Trial,
    /// Runs of the candidate when the step began.
    at_step: u64,
    /// Of [`sticky`].
    salt: String,
    /// Whether there is a control.
    controlled: bool,
}

impl Rollout {
    /// Begins with the plan's first step.
    ///
    /// # Errors
    /// [`NotStarted`] when the plan is out of range, or both are one genome.
    pub fn start(plan: Plan, champion: Digest, candidate: Digest) -> Result<Self, NotStarted> {
        let complaints = plan.complaints();
        if !complaints.is_empty() {
            return Err(NotStarted::Plan(complaints));
        }
        if champion == candidate {
            return Err(NotStarted::SameGenome(champion));
        }
        let (state, trial) = (RolloutState::Running { step: 0 }, Trial::new());
        // Each candidate meets other customers first, not the same every time.
        let salt = format!("{candidate}/{}", plan.salt);
        Ok(Self { champion, candidate, plan, state, trial, at_step: 0, salt, controlled: true })
    }

    /// The same without a control, for agents that cannot be had twice. Every
    /// run of the champion counts then, and how long runs take does from the
    /// step on in which the candidate has half of the tasks.
    #[must_use]
    pub fn without_control(self) -> Self {
        Self { controlled: false, ..self }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &RolloutState {
        &self.state
    }

    /// The genome that was in charge when it began.
    #[must_use]
    pub fn champion(&self) -> Digest {
        self.champion
    }

    /// The genome that would take over.
    #[must_use]
    pub fn candidate(&self) -> Digest {
        self.candidate
    }

    /// How it was to go.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was seen so far.
    #[must_use]
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// The candidate's share of the tasks now, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.state {
            RolloutState::Running { step } => self.plan.steps.get(step).copied().unwrap_or(0.0),
            RolloutState::Promoted { .. } => 1.0,
            RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive => 0.0,
        }
    }

    /// Who serves the tasks of this key now. The control is given as many as
    /// the candidate, as long as so many are left.
    #[must_use]
    pub fn lane(&self, key: &str) -> TrafficArm {
        let (place, share) = (sticky(&self.salt, key), self.share());
        if place < share {
            TrafficArm::Candidate
        } else if self.controlled && place < 2.0 * share {
            TrafficArm::Control
        } else {
            TrafficArm::Others
        }
    }

    /// A run ended. After the end of the rollout it is ignored: it was under
    /// way then and can no longer change the result.
    pub fn observe(&mut self, side: Side, run: &Observation) -> Change {
        match self.state {
            RolloutState::Running { step } => {
                let is_fair = self.controlled || self.share() >= HALF;
                let latency = run.latency.filter(|_| is_fair);
                self.trial.observe(side, &Observation { latency, ..*run });
                self.look(step)
            }
            RolloutState::Promoted { .. }
            | RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive => Change::None,
        }
    }

    /// As [`observe`](Self::observe), of a run that is not to be counted against
    /// the other side's; see [`Trial::observe_apart`].
    pub fn observe_apart(&mut self, side: Side, failed: bool) -> Change {
        match self.state {
            RolloutState::Running { step } => {
                self.trial.observe_apart(side, failed);
                self.look(step)
            }
            RolloutState::Promoted { .. }
            | RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive => Change::None,
        }
    }

    /// An output was judged, with an accuracy from 0.0 to 1.0. Ignored
    /// after the end, like a run.
    pub fn judge(&mut self, side: Side, accuracy: f64) -> Change {
        match self.state {
            RolloutState::Running { step } => {
                self.trial.judge(side, accuracy);
                self.look(step)
            }
            RolloutState::Promoted { .. }
            | RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive => Change::None,
        }
    }

    /// Puts the candidate in charge now, whatever the trial says.
    ///
    /// # Errors
    /// [`IsOver`] when it has ended, also by an earlier promotion.
    pub fn promote(&mut self, by: &str) -> Result<(), IsOver> {
        self.end(RolloutState::Promoted { how: How::ByHand { by: by.to_owned() } })
    }

    /// Leaves the champion in charge, whatever the trial says.
    ///
    /// # Errors
    /// [`IsOver`] when it has ended. A promoted candidate is taken back by a
    /// rollback of its agent type.
    pub fn abort(&mut self, by: &str) -> Result<(), IsOver> {
        self.end(RolloutState::Aborted { by: by.to_owned() })
    }

    fn end(&mut self, state: RolloutState) -> Result<(), IsOver> {
        match &self.state {
            RolloutState::Running { .. } => {
                self.state = state;
                Ok(())
            }
            RolloutState::Promoted { .. }
            | RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive => Err(IsOver { state: self.state.clone() }),
        }
    }

    fn look(&mut self, step: usize) -> Change {
        let verdict = self.trial.state(&self.plan.policy);
        let runs = self.trial.compared(Side::Candidate);
        let enough = runs.saturating_sub(self.at_step) >= self.plan.least_per_step;
        let next = self.plan.steps.get(step + 1).copied();
        self.state = match (verdict, next) {
            (Verdict::Worse { findings }, _) => RolloutState::RolledBack { findings },
            (Verdict::Better, _) => RolloutState::Promoted { how: How::Passed },
            (Verdict::CannotTell, _) => match self.plan.when_unsure {
                WhenUnsure::KeepChampion => RolloutState::Inconclusive,
                WhenUnsure::Promote => RolloutState::Promoted { how: How::Unsure },
            },
            (Verdict::NotWorse | Verdict::Undecided, Some(share)) if enough => {
                self.trial.change_share();
                self.at_step = runs;
                self.state = RolloutState::Running { step: step + 1 };
                return Change::Step { share };
            }
            (Verdict::NotWorse, None) if enough => RolloutState::Promoted { how: How::Passed },
            (Verdict::NotWorse | Verdict::Undecided, _) => return Change::None,
        };
        Change::Ended
    }
}

#[cfg(test)]
mod tests;
