//! Whether a candidate is worse than the champion, in real traffic.
//!
//! Both serve tasks side by side, and the question is asked after every single
//! run. Tests made for one look would condemn almost every candidate that is
//! asked about often enough; hence each measure has a confidence sequence,
//! which holds at all times together, and the trial may end whenever it says
//! something. `means` has that of latency and memory, `shares` that of
//! errors and accuracy. The permitted chance of a false condemnation is split
//! evenly over the four measures, measured or not (Bonferroni), so that it
//! holds for the trial as a whole.
//!
//! **Worse** is what is shown to be worse, and is not shown to be within the
//! margin: half a per cent slower is no reason to act, however certain. Slower
//! means by more than a third of the margin, which chance alone may cost. Of
//! memory it is what is shown to be *over* the margin, because runs of one
//! instance share its memory and so look more certain than they are; a leak
//! passes any margin. **Not worse** is what is shown to be within the margin
//! in everything that was measured. If neither is shown in time, the trial
//! **cannot tell**. **Better** is a candidate that holds where the
//! champion fails: such a champion is soon given a rest by its breaker, so that
//! the runs for the other tests never come; `pairs` has the test that needs no
//! more than a few.
//!
//! What it rests on: which side serves a task does not depend on how runs end
//! (a sticky hash, say; runs of a time in which it does are handed to
//! [`Trial::observe_apart`], and count for pairs alone), runs of the same minute meet the same conditions, and
//! one run's noise does not carry over to the next. Slow changes of the load do not bias the trial,
//! since both sides see them, nor do changes of the share, each of which begins a new stratum.

mod arm;
mod finding;
mod means;
mod pairs;
mod policy;
mod shares;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use arm::{Observation, Side};
pub use finding::{Finding, Measure};
pub use policy::{Margins, Policy};

use arm::{Arm, Moments};
use means::Difference;
use pairs::Pairs;
use shares::{Shares, Table, totals};

/// Periods of a constant share that are kept apart. Later changes are not, and
/// bias the result where the load changed with the share; plans have no more
/// steps.
pub const MOST_STRATA: usize = 16;

/// Agents of one genome differ in how long they take for as long as they live, by
/// where their memory and code happen to lie (Mytkowicz, Diwan, Hauswirth and
/// Sweeney, "Producing wrong data without doing anything obviously wrong!",
/// ASPLOS, 2009). This share of the margin is allowed for that: without it, 7 %
/// of 200 identical candidates were condemned.
const CHANCE_OF_PLACE: f64 = 1.0 / 3.0;

/// What a trial has to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Verdict {
    /// Nothing yet.
    Undecided,
    /// The candidate is worse.
    Worse {
        /// In what, and how that is known.
        findings: Vec<Finding>,
    },
    /// The candidate is within the margins in everything that was measured.
    NotWorse,
    /// The champion fails at least every second task, and the candidate does not.
    Better,
    /// The trial is over, and neither was shown.
    CannotTell,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Undecided => f.write_str("undecided"),
            Verdict::Worse { findings } => {
                f.write_str("worse")?;
                findings.iter().enumerate().try_for_each(|(index, finding)| {
                    write!(f, "{} {finding}", if index == 0 { ":" } else { ";" })
                })
            }
            Verdict::NotWorse => f.write_str("not worse"),
            Verdict::Better => f.write_str("better: it does what the champion fails to do"),
            Verdict::CannotTell => f.write_str("cannot tell"),
        }
    }
}

/// Both sides while the share stayed the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stratum {
    champion: Arm,
    candidate: Arm,
}

impl Stratum {
    fn arm(&self, side: Side) -> &Arm {
        match side {
            Side::Champion => &self.champion,
            Side::Candidate => &self.candidate,
        }
    }

    fn arm_mut(&mut self, side: Side) -> &mut Arm {
        match side {
            Side::Champion => &mut self.champion,
            Side::Candidate => &mut self.candidate,
        }
    }
}

/// Two sides and what they did. Its size is bounded by [`MOST_STRATA`], however
/// many runs it has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    closed: Vec<Stratum>,
    open: Stratum,
    #[serde(default)]
    pairs: Pairs,
}

impl Trial {
    /// A trial that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A run ended.
    pub fn observe(&mut self, side: Side, run: &Observation) {
        self.open.arm_mut(side).observe(run);
        self.pairs.ran(side, run.failed);
    }

    /// A run ended that is not to be counted against the other side's: it was
    /// not given to this side by chance, or not under the same conditions.
    pub fn observe_apart(&mut self, side: Side, failed: bool) {
        if side == Side::Candidate {
            let arm = self.open.arm_mut(side);
            arm.apart = arm.apart.saturating_add(1);
        }
        self.pairs.ran(side, failed);
    }

    /// An output was judged: `accuracy` from 0.0 to 1.0. One that is no
    /// number is ignored.
    pub fn judge(&mut self, side: Side, accuracy: f64) {
        self.open.arm_mut(side).judge(accuracy);
    }

    /// From now on the candidate is given another share of the tasks.
    pub fn change_share(&mut self) {
        if self.open != Stratum::default() && self.closed.len() < MOST_STRATA - 1 {
            self.closed.push(std::mem::take(&mut self.open));
        }
    }

    /// Runs of a side that were observed; of the champion, those only that the
    /// candidate's are counted against.
    #[must_use]
    pub fn tasks(&self, side: Side) -> u64 {
        self.strata().iter().map(|stratum| stratum.arm(side)).fold(0, |sum, arm| {
            let runs = arm.tasks.saturating_add(arm.apart);
            runs.saturating_add(sum)
        })
    }

    /// Those of them that are counted against the other side's.
    #[must_use]
    pub fn compared(&self, side: Side) -> u64 {
        self.strata().iter().map(|stratum| stratum.arm(side).tasks).sum()
    }

    /// What can be said now.
    #[must_use]
    pub fn state(&self, policy: &Policy) -> Verdict {
        let strata = self.strata();
        let look = Look::new(&strata, policy);
        let condemned = |measure: &Measure| look.condemns(*measure);
        let worse: Vec<Measure> = Measure::ALL.into_iter().filter(condemned).collect();
        if !worse.is_empty() {
            let findings = worse.into_iter().filter_map(|measure| look.finding(measure)).collect();
            return Verdict::Worse { findings };
        }
        if self.pairs.champion_is_broken(policy.alpha) {
            Verdict::Better
        } else if look.passes() {
            Verdict::NotWorse
        } else if self.compared(Side::Candidate) >= policy.most_samples {
            Verdict::CannotTell
        } else {
            Verdict::Undecided
        }
    }

    /// How the sides stand in everything that was measured on both.
    #[must_use]
    pub fn findings(&self, policy: &Policy) -> Vec<Finding> {
        let strata = self.strata();
        let look = Look::new(&strata, policy);
        Measure::ALL.into_iter().filter_map(|measure| look.finding(measure)).collect()
    }

    fn strata(&self) -> Vec<Stratum> {
        self.closed.iter().chain([&self.open]).copied().collect()
    }
}

/// A trial under a policy. Errors and shortfalls of accuracy are differences of
/// shares, latency and memory differences of logarithms.
struct Look<'a> {
    strata: &'a [Stratum],
    policy: &'a Policy,
    /// The chance of one measure.
    alpha: f64,
    enough: bool,
    errors: Vec<Table>,
    wrong: Vec<Table>,
}

impl<'a> Look<'a> {
    fn new(strata: &'a [Stratum], policy: &'a Policy) -> Self {
        let tables = |counts: fn(&Arm) -> shares::Counts| {
            let table = |stratum: &Stratum| Table {
                champion: counts(&stratum.champion),
                candidate: counts(&stratum.candidate),
            };
            strata.iter().map(table).collect::<Vec<Table>>()
        };
        let runs = |side| strata.iter().map(|stratum| stratum.arm(side).tasks).sum::<u64>();
        let fewest = runs(Side::Champion).min(runs(Side::Candidate));
        Self {
            strata,
            policy,
            alpha: policy.alpha / Measure::ALL.len() as f64,
            enough: fewest >= policy.least_samples,
            errors: tables(Arm::errors),
            wrong: tables(Arm::wrong),
        }
    }

    /// By how much the candidate may be worse, in the measure's own scale.
    fn margin(&self, measure: Measure) -> f64 {
        let margins = &self.policy.margins;
        match measure {
            Measure::Errors => margins.errors,
            Measure::Latency => margins.latency.ln(),
            Measure::Memory => margins.memory.ln(),
            Measure::Accuracy => margins.accuracy,
        }
    }

    fn condemns(&self, measure: Measure) -> bool {
        let margin = self.margin(measure);
        match measure {
            Measure::Errors | Measure::Accuracy => {
                let shares = self.shares(measure);
                shares.above(0.0, self.alpha) && !shares.below(margin, self.alpha)
            }
            Measure::Latency => {
                let is_worse = |(low, high)| low > margin * CHANCE_OF_PLACE && high >= margin;
                self.enough && self.range(measure).is_some_and(is_worse)
            }
            Measure::Memory => {
                self.enough && self.range(measure).is_some_and(|(low, _)| low > margin)
            }
        }
    }

    fn passes(&self) -> bool {
        // The cheap ones first, since this is asked after every run.
        let measures = [Measure::Latency, Measure::Memory, Measure::Errors, Measure::Accuracy];
        self.enough && measures.into_iter().all(|measure| self.is_within_margin(measure))
    }

    /// Also true of what was not measured on both sides.
    fn is_within_margin(&self, measure: Measure) -> bool {
        let margin = self.margin(measure);
        match measure {
            Measure::Errors | Measure::Accuracy => {
                let shares = self.shares(measure);
                !shares.measured() || shares.below(margin, self.alpha)
            }
            Measure::Latency | Measure::Memory if !self.has(measure) => true,
            Measure::Latency | Measure::Memory => {
                self.range(measure).is_some_and(|(_, high)| high < margin)
            }
        }
    }

    fn tables(&self, measure: Measure) -> &[Table] {
        match measure {
            Measure::Accuracy => &self.wrong,
            Measure::Errors | Measure::Latency | Measure::Memory => &self.errors,
        }
    }

    fn shares(&self, measure: Measure) -> Shares<'_> {
        Shares::of(self.tables(measure))
    }

    /// Whether both sides have figures at all, if perhaps too few of them.
    fn has(&self, measure: Measure) -> bool {
        let moments = moments(measure);
        let measured =
            |side| self.strata.iter().any(|stratum| moments(stratum.arm(side)).count > 0);
        measured(Side::Champion) && measured(Side::Candidate)
    }

    /// The lowest and highest difference of logarithms.
    fn range(&self, measure: Measure) -> Option<(f64, f64)> {
        let difference = Difference::of(self.strata, moments(measure))?;
        let radius = difference.radius(self.margin(measure), self.alpha);
        Some((difference.estimate - radius, difference.estimate + radius))
    }

    fn finding(&self, measure: Measure) -> Option<Finding> {
        match measure {
            Measure::Errors | Measure::Accuracy => self.finding_of_shares(measure),
            Measure::Latency | Measure::Memory => self.finding_of_means(measure),
        }
    }

    fn finding_of_shares(&self, measure: Measure) -> Option<Finding> {
        let shares = self.shares(measure);
        if !shares.measured() {
            return None;
        }
        let (low, high) = shares.bounds(self.alpha);
        let (champion, candidate) = totals(self.tables(measure));
        let shown = |bad: f64| if measure == Measure::Accuracy { 1.0 - bad } else { bad };
        let (champion, candidate) = (shown(champion.rate()), shown(candidate.rate()));
        Some(Finding { measure, champion, candidate, low, high, margin: self.margin(measure) })
    }

    fn finding_of_means(&self, measure: Measure) -> Option<Finding> {
        let (low, high) = self.range(measure)?;
        let moments = moments(measure);
        let mean = |side| {
            let arms = self.strata.iter().map(|stratum| moments(stratum.arm(side)));
            let (sum, count) = arms.fold((0.0, 0), |(sum, count), arm| {
                (sum + arm.mean * arm.count as f64, count + arm.count)
            });
            let unit = if measure == Measure::Latency { 1000.0 } else { 1.0 };
            unit * (sum / count as f64).exp()
        };
        let (champion, candidate) = (mean(Side::Champion), mean(Side::Candidate));
        // While next to nothing is known, a ratio may be out of the range that
        // JSON holds.
        let (low, high) = (low.exp(), high.exp().min(1e300));
        let margin = self.margin(measure).exp();
        Some(Finding { measure, champion, candidate, low, high, margin })
    }
}

fn moments(measure: Measure) -> fn(&Arm) -> &Moments {
    match measure {
        Measure::Memory => |arm| &arm.memory,
        Measure::Errors | Measure::Latency | Measure::Accuracy => |arm| &arm.latency,
    }
}
