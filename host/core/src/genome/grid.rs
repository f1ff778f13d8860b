//! The best genome of every kind.
//!
//! A MAP-Elites archive (Mouret and Clune, "Illuminating search spaces by
//! mapping elites", 2015): features of how a genome behaves (such as its memory
//! and its depth of search) span a grid, and each cell keeps the fittest that
//! behaved so. A plain list of the fittest would soon hold one genome in
//! slight variations; what a small and slow one has found is kept here beside
//! what a large and fast one has, and either may be the next one's parent.
//!
//! The number of cells is bounded, and so is the archive. It is plain data:
//! saved after each genome, it lets an evolution resume where it was stopped.

use serde::{Deserialize, Serialize};

use super::fitness::Fitness;
use crate::Digest;

/// Cells of a grid; each may hold a genome's evidence.
pub const MOST_CELLS: u64 = 10_000;
/// Axes of a grid: with more, most genomes would be alone in their cell.
pub const MOST_AXES: usize = 6;

/// One feature of behaviour, in cells of the same width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Axis {
    /// What it measures, for humans.
    pub name: String,
    /// The lower edge of the first cell; what lies below is in it too.
    pub low: f64,
    /// The upper edge of the last cell; what lies above is in it too.
    pub high: f64,
    /// How many.
    pub cells: u32,
}

impl Axis {
    fn cell(&self, feature: f64) -> u32 {
        let share = (feature - self.low) / (self.high - self.low);
        // A conversion from a float ends at the limits of the integer.
        let cell = (share * f64::from(self.cells)) as u32;
        cell.min(self.cells.saturating_sub(1))
    }
}

/// The fittest of its cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Elite {
    /// The place on each axis, counted from zero.
    pub cell: Vec<u32>,
    /// Which genome.
    pub genome: Digest,
    /// How it behaves, one feature an axis.
    pub features: Vec<f64>,
    /// How fit it is, and how that is known.
    pub fitness: Fitness,
}

/// What became of a genome that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "placed")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Placed {
    /// It is the first of its kind.
    New,
    /// It is fitter than the one before it.
    Better {
        /// The one that gave way.
        ousted: Digest,
    },
    /// One that is at least as fit behaves alike.
    Worse,
    /// It has no score, and so no place.
    Disqualified,
}

/// Why a genome could not be offered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotPlaced {
    /// Its features do not fit the axes.
    #[error("{given} features were measured; the grid has {axes} axes, each wants a number")]
    Features {
        /// Numbers among them.
        given: usize,
        /// What is wanted.
        axes: usize,
    },
    /// Its score is by another formula than those that are here.
    #[error(
        "the score is by formula {given}, those of the grid by formula {held}; score the elites again"
    )]
    Formula {
        /// Its own.
        given: u32,
        /// That of the elites.
        held: u32,
    },
}

/// The archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grid {
    axes: Vec<Axis>,
    /// Ordered by cell, so that the same genomes make the same file.
    elites: Vec<Elite>,
}

impl Grid {
    /// An empty grid.
    ///
    /// # Errors
    /// Everything that is out of range, with what is allowed.
    pub fn new(axes: Vec<Axis>) -> Result<Self, Vec<String>> {
        let mut complaints = Vec::new();
        if !(1..=MOST_AXES).contains(&axes.len()) {
            complaints.push(format!("{} axes; allowed is 1 to {MOST_AXES}", axes.len()));
        }
        for Axis { name, low, high, cells } in &axes {
            // Their distance too must be a number.
            if !(low < high && (high - low).is_finite()) {
                complaints.push(format!("axis {name} is from {low} to {high}; allowed is from a lower to a higher number"));
            }
            if *cells == 0 {
                complaints.push(format!("axis {name} has 0 cells; allowed is 1 and more"));
            }
        }
        let cells = axes.iter().map(|axis| u64::from(axis.cells));
        let cells = cells.fold(1, u64::saturating_mul);
        if cells > MOST_CELLS {
            complaints.push(format!("{cells} cells in all; allowed is up to {MOST_CELLS}"));
        }
        if complaints.is_empty() { Ok(Self { axes, elites: Vec::new() }) } else { Err(complaints) }
    }

    /// Offers a genome; it stays if its cell is free or it is fitter than the
    /// elite in it. Of two that are equally fit the first stays.
    ///
    /// # Errors
    /// [`NotPlaced`] when its features or its score cannot be compared.
    pub fn place(
        &mut self,
        genome: Digest,
        features: &[f64],
        fitness: Fitness,
    ) -> Result<Placed, NotPlaced> {
        let (given, axes) =
            (features.iter().filter(|one| one.is_finite()).count(), self.axes.len());
        if given != axes || features.len() != axes {
            return Err(NotPlaced::Features { given, axes });
        }
        if let Some(held) = self.elites.first().map(|elite| elite.fitness.formula)
            && held != fitness.formula
        {
            return Err(NotPlaced::Formula { given: fitness.formula, held });
        }
        if fitness.disqualified.is_some() {
            return Ok(Placed::Disqualified);
        }
        let cell: Vec<u32> =
            self.axes.iter().zip(features).map(|(axis, feature)| axis.cell(*feature)).collect();
        let found = self.elites.binary_search_by(|elite| elite.cell.cmp(&cell));
        let elite = Elite { cell, genome, features: features.to_vec(), fitness };
        Ok(match found {
            Err(place) => {
                self.elites.insert(place, elite);
                Placed::New
            }
            Ok(place) => match self.elites.get_mut(place) {
                Some(held) if elite.fitness.score > held.fitness.score => {
                    Placed::Better { ousted: std::mem::replace(held, elite).genome }
                }
                Some(_) | None => Placed::Worse,
            },
        })
    }

    /// Its axes.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// All elites, by cell.
    pub fn elites(&self) -> impl Iterator<Item = &Elite> {
        self.elites.iter()
    }

    /// The fittest of all; of equally fit ones that of the lowest cell.
    #[must_use]
    pub fn best(&self) -> Option<&Elite> {
        let fitter = |one: &'_ Elite, other: &'_ Elite| one.fitness.score > other.fitness.score;
        self.elites.iter().reduce(|best, elite| if fitter(elite, best) { elite } else { best })
    }

    /// A parent for the next genome, all elites alike: the fittest are not
    /// preferred, since what leads on is often found beside the way. `chance`
    /// answers with numbers from 0.0 to below 1.0.
    #[must_use]
    pub fn parent(&self, chance: &mut impl FnMut() -> f64) -> Option<&Elite> {
        let place = (chance() * self.elites.len() as f64) as usize;
        self.elites.get(place.min(self.elites.len().saturating_sub(1)))
    }

    /// The share of the cells that are taken, from 0.0 to 1.0.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        let cells: f64 = self.axes.iter().map(|axis| f64::from(axis.cells)).product();
        self.elites.len() as f64 / cells.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fitness::FORMULA_VERSION;
    use super::*;

    fn axis(name: &str, low: f64, high: f64, cells: u32) -> Axis {
        Axis { name: name.to_owned(), low, high, cells }
    }

    fn grid() -> Grid {
        Grid::new(vec![axis("memory", 0.0, 10.0, 5), axis("depth", 1.0, 3.0, 2)]).unwrap()
    }

    fn scored(score: f64) -> Fitness {
        Fitness { formula: FORMULA_VERSION, score, terms: Vec::new(), disqualified: None }
    }

    fn genome(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn cells_divide_what_is_between_the_edges() {
        let axis = axis("depth", 1.0, 3.0, 2);
        let cells = [(-9.0, 0), (1.0, 0), (1.9, 0), (2.0, 1), (2.5, 1), (3.0, 1), (9.0, 1)];
        for (feature, cell) in cells {
            assert_eq!(axis.cell(feature), cell, "{feature}");
        }
    }

    #[test]
    fn a_cell_keeps_its_fittest() {
        let mut grid = grid();
        let mut place =
            |n, features: [f64; 2], score| grid.place(genome(n), &features, scored(score)).unwrap();
        assert_eq!(place(1, [1.0, 1.0], 0.5), Placed::New);
        assert_eq!(place(2, [1.9, 1.9], 0.4), Placed::Worse);
        assert_eq!(place(3, [1.9, 1.9], 0.5), Placed::Worse, "the first of equals stays");
        assert_eq!(place(4, [0.0, 1.0], 0.6), Placed::Better { ousted: genome(1) });
        assert_eq!(place(5, [2.0, 1.0], 0.1), Placed::New);
        assert_eq!(place(6, [-1e300, 99.0], 0.9), Placed::New, "the outermost cells reach on");
        let cells: Vec<&[u32]> = grid.elites().map(|elite| &elite.cell[..]).collect();
        assert_eq!(cells, [&[0, 0], &[0, 1], &[1, 0]]);
        assert_eq!(grid.best().unwrap().genome, genome(6));
        assert_eq!(grid.coverage(), 0.3);
    }

    #[test]
    fn what_cannot_be_compared_has_no_place() {
        let mut grid = grid();
        for features in [&[1.0][..], &[1.0, f64::NAN], &[1.0, 1.0, 1.0], &[]] {
            let refused = grid.place(genome(1), features, scored(0.5)).unwrap_err();
            assert!(matches!(refused, NotPlaced::Features { axes: 2, .. }), "{refused}");
        }
        let disqualified = Fitness { disqualified: Some("it fails more".into()), ..scored(0.0) };
        let placed = grid.place(genome(1), &[1.0, 1.0], disqualified);
        assert_eq!(placed, Ok(Placed::Disqualified));
        assert_eq!(grid.elites().count(), 0);
        grid.place(genome(1), &[1.0, 1.0], scored(0.5)).unwrap();
        let newer = Fitness { formula: FORMULA_VERSION + 1, ..scored(0.5) };
        let refused = grid.place(genome(2), &[1.0, 1.0], newer).unwrap_err();
        assert_eq!(refused, NotPlaced::Formula { given: 2, held: 1 });
    }

    #[test]
    fn axes_out_of_range_are_named() {
        assert_eq!(Grid::new(vec![]).unwrap_err(), ["0 axes; allowed is 1 to 6"]);
        let wrong = vec![
            axis("a", 1.0, 1.0, 1),
            axis("b", 0.0, f64::INFINITY, 0),
            axis("c", f64::MIN, f64::MAX, 1),
        ];
        assert_eq!(Grid::new(wrong).unwrap_err().len(), 4);
        let large = vec![axis("a", 0.0, 1.0, u32::MAX); 3];
        assert!(Grid::new(large).unwrap_err()[0].contains("allowed is up to 10000"));
    }

    #[test]
    fn every_elite_is_a_parent_as_often() {
        let mut grid = grid();
        assert_eq!(grid.parent(&mut || 0.5), None);
        for n in 0..5 {
            grid.place(genome(n), &[2.0 * n as f64, 1.0], scored(0.1 * n as f64)).unwrap();
        }
        let mut step = 0.0;
        let mut chance = || {
            step += 0.001;
            step - 0.001
        };
        let mut counts = std::collections::HashMap::new();
        for _ in 0..1000 {
            *counts.entry(grid.parent(&mut chance).unwrap().genome).or_insert(0) += 1;
        }
        assert!(counts.len() == 5 && counts.values().all(|count| (199..=201).contains(count)));
        for odd in [1.0, 7.0, -1.0, f64::NAN] {
            assert!(grid.parent(&mut || odd).is_some(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_grid_is_bounded_and_goes_on_after_its_json(
            offered in proptest::collection::vec((-5.0..15.0_f64, -5.0..15.0_f64, 0_u8..9), 0..60),
        ) {
            let mut grid = grid();
            let mut best: f64 = 0.0;
            for (n, (memory, depth, score)) in offered.into_iter().enumerate() {
                let score = f64::from(score) / 8.0;
                best = best.max(score);
                grid.place(genome(n), &[memory, depth], scored(score)).unwrap();
                prop_assert_eq!(grid.best().map(|elite| elite.fitness.score), Some(best));
            }
            prop_assert!(grid.elites().count() <= 10);
            prop_assert!(grid.elites.is_sorted_by(|one, next| one.cell < next.cell));
            let again: Grid = serde_json::from_str(&serde_json::to_string(&grid).unwrap()).unwrap();
            prop_assert_eq!(again.elites.len(), grid.elites.len());
            prop_assert_eq!(again.axes(), grid.axes());
        }
    }
}
