//! What a check looks at: each is a line of the report.

use std::fmt;

use serde::Serialize;

/// One line of the report: one thing that the contract asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// It starts with the given configuration.
    Start,
    /// `init` answers whatever the parameters are.
    OddParameters,
    /// `init` refuses each configuration that it is to refuse.
    BadParameters,
    /// With too little memory it meets its quota, or says that it cannot start.
    SmallQuota,
    /// `capabilities` answers the same in every instance and at any time.
    Capabilities,
    /// Each sample ends as it is to.
    Tasks,
    /// There is a sample that works for each declared task type.
    TaskTypes,
    /// A sample works with every priority, a deadline, metadata, a late attempt.
    TaskFields,
    /// Payloads of other shapes are answered.
    OddInput,
    /// Text of any characters is answered.
    Unicode,
    /// Payloads of 1 MiB are answered.
    LargeInput,
    /// Each output is JSON.
    Output,
    /// After an error it does the next task.
    GoesOn,
    /// The error `invalid-input` was given.
    InvalidInput,
    /// The error `unavailable` was given.
    Unavailable,
    /// The error `failed` was given.
    Failed,
    /// Spans are ended by the agent.
    Spans,
    /// What it tells is well formed and fits.
    Telemetry,
    /// Thousands of tasks in one instance, and its memory does not grow.
    Soak,
    /// It is well after `init`, tasks and errors.
    Health,
    /// `shutdown` succeeds.
    Shutdown,
    /// Calls before `init` are answered.
    BeforeInit,
    /// A second `init` is answered.
    SecondInit,
    /// Calls after `shutdown` are answered.
    AfterShutdown,
    /// State that is saved is accepted, and other bytes break nothing.
    State,
}

impl Check {
    /// Every line, in the order of the report.
    pub const ALL: [Check; 25] = [
        Check::Start,
        Check::OddParameters,
        Check::BadParameters,
        Check::SmallQuota,
        Check::Capabilities,
        Check::Tasks,
        Check::TaskTypes,
        Check::TaskFields,
        Check::OddInput,
        Check::Unicode,
        Check::LargeInput,
        Check::Output,
        Check::GoesOn,
        Check::InvalidInput,
        Check::Unavailable,
        Check::Failed,
        Check::Spans,
        Check::Telemetry,
        Check::Soak,
        Check::Health,
        Check::Shutdown,
        Check::BeforeInit,
        Check::SecondInit,
        Check::AfterShutdown,
        Check::State,
    ];

    /// A stable name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Check::Start => "start",
            Check::OddParameters => "odd-parameters",
            Check::BadParameters => "bad-parameters",
            Check::SmallQuota => "small-quota",
            Check::Capabilities => "capabilities",
            Check::Tasks => "tasks",
            Check::TaskTypes => "task-types",
            Check::TaskFields => "task-fields",
            Check::OddInput => "odd-input",
            Check::Unicode => "unicode",
            Check::LargeInput => "large-input",
            Check::Output => "output",
            Check::GoesOn => "goes-on",
            Check::InvalidInput => "invalid-input",
            Check::Unavailable => "unavailable",
            Check::Failed => "failed",
            Check::Spans => "spans",
            Check::Telemetry => "telemetry",
            Check::Soak => "soak",
            Check::Health => "health",
            Check::Shutdown => "shutdown",
            Check::BeforeInit => "before-init",
            Check::SecondInit => "second-init",
            Check::AfterShutdown => "after-shutdown",
            Check::State => "state",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for check in Check::ALL {
            assert_eq!(serde_json::to_value(check).unwrap(), check.name());
        }
        assert!(Check::ALL.is_sorted());
    }
}
