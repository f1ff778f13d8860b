//! Where something stands that is started once and ended once.

use std::sync::atomic::{AtomicU8, Ordering};

use chimera_layer4_core::{FabricError, FabricResult};

/// The phases of a life, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not started yet.
    New,
    /// Takes work.
    Running,
    /// Takes no more work; what runs has its time.
    Draining,
    /// Everything has ended.
    Stopped,
}

impl Phase {
    const ALL: [Self; 4] = [Self::New, Self::Running, Self::Draining, Self::Stopped];

    fn word(self) -> &'static str {
        match self {
            Self::New => "not started",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "shut down",
        }
    }
}

/// The phase that it is in now. It only ever goes forward.
#[derive(Debug)]
pub(crate) struct Lifecycle(AtomicU8);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(AtomicU8::new(Phase::New as u8))
    }
}

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        of(self.0.load(Ordering::Acquire))
    }

    /// Goes on to a phase, unless it is there or further already; the answer is the
    /// phase before.
    pub(crate) fn advance(&self, to: Phase) -> Phase {
        of(self.0.fetch_max(to as u8, Ordering::AcqRel))
    }

    /// Whether work is taken.
    ///
    /// # Errors
    /// `NotRunning`, before the start and from the beginning of the end on.
    pub(crate) fn check_running(&self) -> FabricResult<()> {
        match self.phase() {
            Phase::Running => Ok(()),
            Phase::New | Phase::Draining | Phase::Stopped => Err(self.not_running()),
        }
    }

    /// Whether something new may be begun, such as an agent or a trial.
    ///
    /// # Errors
    /// `NotRunning`, from the beginning of the end on.
    pub(crate) fn check_not_ending(&self) -> FabricResult<()> {
        match self.phase() {
            Phase::New | Phase::Running => Ok(()),
            Phase::Draining | Phase::Stopped => Err(self.not_running()),
        }
    }

    /// The refusal of whatever needs another phase.
    pub(crate) fn not_running(&self) -> FabricError {
        FabricError::NotRunning { state: self.phase().word() }
    }
}

/// Only [`Lifecycle`] writes the number, from a phase.
fn of(number: u8) -> Phase {
    Phase::ALL.into_iter().find(|phase| *phase as u8 == number).unwrap_or(Phase::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_only() {
        let life = Lifecycle::default();
        assert!(life.check_running().is_err() && life.check_not_ending().is_ok());
        assert_eq!(life.advance(Phase::Running), Phase::New);
        assert!(life.check_running().is_ok() && life.check_not_ending().is_ok());
        assert_eq!(life.advance(Phase::Draining), Phase::Running);
        assert_eq!(life.advance(Phase::Running), Phase::Draining);
        assert!(life.check_running().is_err() && life.check_not_ending().is_err());
        assert!(life.not_running().to_string().contains("draining"));
        life.advance(Phase::Stopped);
        assert_eq!(life.phase(), Phase::Stopped);
    }
}
