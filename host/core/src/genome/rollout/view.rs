//! A rollout as a host shows it.

use serde::de::{Deserializer, Error};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::{Plan, Rollout, RolloutState};
use crate::Digest;
use crate::genome::{Finding, Side};

/// A rollout, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutView {
    /// The agent type.
    pub agent_type: String,
    /// Where it stands, and how it ended if it did.
    #[serde(flatten, serialize_with = "without_findings", deserialize_with = "with_or_without")]
    pub state: RolloutState,
    /// The genome in charge when it began.
    pub champion: SideView,
    /// The genome that would take over.
    pub candidate: SideView,
    /// The candidate's share of the tasks, from 0 to 1.
    pub share: f64,
    /// How it was to go.
    pub plan: Plan,
    /// How the candidate stands, in each measure that was taken of both.
    pub findings: Vec<Finding>,
}

/// The view has findings of its own, among them those that ended the rollout: an
/// object has a key once.
fn without_findings<S: Serializer>(state: &RolloutState, to: S) -> Result<S::Ok, S::Error> {
    match state {
        RolloutState::RolledBack { .. } => {
            let mut map = to.serialize_map(Some(1))?;
            map.serialize_entry("state", state.word())?;
            map.end()
        }
        state => state.serialize(to),
    }
}

/// As [`without_findings`] writes it; the findings that ended the rollout are then
/// among those of the view.
fn with_or_without<'de, D: Deserializer<'de>>(from: D) -> Result<RolloutState, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Whole(RolloutState),
        Name { state: String },
    }
    match Read::deserialize(from)? {
        Read::Whole(state) => Ok(state),
        Read::Name { state } => {
            let rolled_back = RolloutState::RolledBack { findings: Vec::new() };
            let is_it = state == rolled_back.word();
            let wrong = || D::Error::custom(format!("{state:?} is no state of a rollout"));
            is_it.then_some(rolled_back).ok_or_else(wrong)
        }
    }
}

/// One side of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SideView {
    /// Which genome.
    pub genome: Digest,
    /// Runs that were counted.
    pub tasks: u64,
}

impl RolloutView {
    /// The rollout of an agent type.
    #[must_use]
    pub fn of(agent_type: &str, rollout: &Rollout) -> Self {
        let trial = rollout.trial();
        let side = |genome, side| SideView { genome, tasks: trial.tasks(side) };
        Self {
            agent_type: agent_type.to_owned(),
            state: rollout.state().clone(),
            champion: side(rollout.champion(), Side::Champion),
            candidate: side(rollout.candidate(), Side::Candidate),
            share: rollout.share(),
            plan: rollout.plan().clone(),
            findings: trial.findings(&rollout.plan().policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::How;
    use super::*;

    #[test]
    fn a_view_is_read_as_it_was_written() {
        let side = |name: &[u8]| SideView { genome: Digest::of(name), tasks: 7 };
        let states = [
            RolloutState::Running { step: 1 },
            RolloutState::Promoted { how: How::ByHand { by: "the API".into() } },
            RolloutState::RolledBack { findings: Vec::new() },
            RolloutState::Aborted { by: "an operator".into() },
            RolloutState::Inconclusive,
        ];
        for state in states {
            let view = RolloutView {
                agent_type: "echo".into(),
                state,
                champion: side(b"old"),
                candidate: side(b"new"),
                share: 0.05,
                plan: Plan::default(),
                findings: Vec::new(),
            };
            let text = serde_json::to_string(&view).unwrap();
            let word = format!("\"state\":\"{}\"", view.state.word());
            assert!(text.contains(&word), "{text}");
            assert_eq!(text.matches("\"findings\"").count(), 1, "{text}");
            assert_eq!(serde_json::from_str::<RolloutView>(&text).unwrap(), view, "{text}");
        }
        let unknown = r#"{"agent_type":"a","state":"elsewhere"}"#;
        assert!(serde_json::from_str::<RolloutView>(unknown).is_err());
    }

    #[test]
    fn a_view_has_each_key_once_however_the_rollout_ended() {
        let genome = Digest::of(b"genome");
        let side = SideView { genome, tasks: 1 };
        let mut view = RolloutView {
            agent_type: "echo".to_owned(),
            state: RolloutState::RolledBack { findings: Vec::new() },
            champion: side.clone(),
            candidate: side,
            share: 0.0,
            plan: Plan::default(),
            findings: Vec::new(),
        };
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(text.matches("\"findings\":").count(), 1, "{text}");
        assert!(text.contains("\"state\":\"rolled-back\""), "{text}");
        view.state = RolloutState::Aborted { by: "ada".to_owned() };
        let value = serde_json::to_value(&view).unwrap();
        assert_eq!((&value["state"], &value["by"]), (&json!("aborted"), &json!("ada")));
    }
}
