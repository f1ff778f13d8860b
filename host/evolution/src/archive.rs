//! The genomes that were good enough to have offspring.
//!
//! With axes it is core's grid: the fittest of every kind. Without axes there
//! are no kinds, and the fittest of all are kept; a grid of one
//! cell would have one parent only and be stuck where that one is.

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::grid::{Elite, NotPlaced};
use chimera_layer4_core::genome::{Axis, Fitness, Grid, Placed};
use serde::{Deserialize, Serialize};

use super::options::Feature;

/// Parents that a generator is handed at once.
const MOST_PARENTS: usize = 4;
/// Draws for them: the same one may be drawn again.
const DRAWS: usize = 4 * MOST_PARENTS;

/// The elites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Archive {
    /// The fittest of every kind.
    Grid {
        /// By cell.
        grid: Grid,
    },
    /// The fittest of all.
    Ranked {
        /// How many.
        most: usize,
        /// The fittest first; no cell and no features.
        ranked: Vec<Elite>,
    },
}

impl Archive {
    /// Empty. Axes are checked by the options already.
    pub(super) fn new(axes: &[Feature], most: usize) -> Result<Self, Vec<String>> {
        if axes.is_empty() {
            return Ok(Archive::Ranked { most, ranked: Vec::new() });
        }
        let axes: Vec<Axis> = axes.iter().map(|feature| feature.axis.clone()).collect();
        Ok(Archive::Grid { grid: Grid::new(axes)? })
    }

    /// Offers a genome. Of two that are equally fit the first stays, or ranks
    /// before the other.
    pub(super) fn place(
        &mut self,
        genome: Digest,
        features: &[f64],
        fitness: Fitness,
    ) -> Result<Placed, NotPlaced> {
        let (most, ranked) = match self {
            Archive::Grid { grid } => return grid.place(genome, features, fitness),
            Archive::Ranked { most, ranked } => (*most, ranked),
        };
        if fitness.disqualified.is_some() {
            return Ok(Placed::Disqualified);
        }
        let place = ranked.partition_point(|elite| elite.fitness.score >= fitness.score);
        if place >= most {
            return Ok(Placed::Worse);
        }
        let features = features.to_vec();
        ranked.insert(place, Elite { cell: Vec::new(), genome, features, fitness });
        let ousted = if ranked.len() > most { ranked.pop() } else { None };
        Ok(ousted.map_or(Placed::New, |ousted| Placed::Better { ousted: ousted.genome }))
    }

    /// Every elite.
    #[must_use]
    pub fn elites(&self) -> Vec<&Elite> {
        match self {
            Archive::Grid { grid } => grid.elites().collect(),
            Archive::Ranked { ranked, .. } => ranked.iter().collect(),
        }
    }

    /// The fittest of all.
    #[must_use]
    pub fn best(&self) -> Option<&Elite> {
        match self {
            Archive::Grid { grid } => grid.best(),
            Archive::Ranked { ranked, .. } => ranked.first(),
        }
    }

    /// Whether a genome is in it.
    #[must_use]
    pub fn has(&self, genome: &Digest) -> bool {
        self.elites().iter().any(|elite| elite.genome == *genome)
    }

    /// Parents for one candidate, each once, all elites alike.
    pub(super) fn parents(&self, mut chance: impl FnMut() -> f64) -> Vec<&Elite> {
        let mut parents: Vec<&Elite> = Vec::new();
        for _ in 0..DRAWS {
            let drawn = match self {
                Archive::Grid { grid } => grid.parent(&mut chance),
                Archive::Ranked { ranked, .. } => {
                    ranked.get((chance() * ranked.len() as f64) as usize)
                }
            };
            let fresh = |one: &&Elite| parents.iter().all(|known| known.genome != one.genome);
            parents.extend(drawn.filter(fresh));
            if parents.len() == MOST_PARENTS {
                break;
            }
        }
        parents
    }
}

#[cfg(test)]
mod tests {
    use chimera_layer4_core::genome::FORMULA_VERSION;

    use super::*;

    fn scored(score: f64) -> Fitness {
        Fitness { formula: FORMULA_VERSION, score, terms: Vec::new(), disqualified: None }
    }

    fn genome(n: u8) -> Digest {
        Digest::of(&[n])
    }

    #[test]
    fn without_axes_the_fittest_are_kept_and_the_first_of_equals_stays_first() {
        let mut archive = Archive::new(&[], 2).unwrap();
        let mut place = |n, score| archive.place(genome(n), &[], scored(score)).unwrap();
        assert_eq!(place(1, 0.5), Placed::New);
        assert_eq!(place(2, 0.5), Placed::New);
        assert_eq!(place(3, 0.5), Placed::Worse);
        assert_eq!(place(4, 0.6), Placed::Better { ousted: genome(2) });
        let disqualified = Fitness { disqualified: Some("it fails".into()), ..scored(0.9) };
        assert_eq!(archive.place(genome(5), &[], disqualified), Ok(Placed::Disqualified));
        assert_eq!(archive.best().unwrap().genome, genome(4));
        assert!(archive.has(&genome(1)) && !archive.has(&genome(2)));
    }

    #[test]
    fn parents_are_drawn_once_each() {
        let mut archive = Archive::new(&[], 9).unwrap();
        assert!(archive.parents(|| 0.5).is_empty());
        for n in 0..9 {
            archive.place(genome(n), &[], scored(0.5)).unwrap();
        }
        assert_eq!(archive.parents(|| 0.5).len(), 1);
        let mut random = fastrand::Rng::with_seed(1);
        assert_eq!(archive.parents(|| random.f64()).len(), MOST_PARENTS);
    }
}
