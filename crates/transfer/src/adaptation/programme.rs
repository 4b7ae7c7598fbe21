//! The intra-domain programme of EasyTL (Wang, Chen, Yu, Huang, Yang 2019, arXiv 1904.01376; `spec/easytl.md` sections 2.4 and
//! 2.5), solved exactly without a linear-programming solver.
//!
//! ```text
//! minimise sum_jc D[j,c] M[j,c]   over M >= 0 with sum_c M[j,c] = 1 for every row j and sum_j M[j,c] >= least[c] for every class c
//! ```
//!
//! The constraints are those of a flow from rows to classes, so an optimum is whole: every row goes to one class. Without the
//! second constraint that is each row's nearest class. The rest is the Hungarian method on the few classes that got too little: as
//! long as class `c` lacks a row, one is brought along the cheapest chain of moves from a class that has one to spare, where a move
//! from `a` to `b` costs the least `D[j,b] - D[j,a]` over the rows of `a`. Each step leaves an optimum for what has been asked so
//! far, hence the last one is an optimum of the programme. Minima that add up to the number of rows make it a transport problem.

use super::AdaptationError;

/// A gain below this share of the largest distance is rounding.
const TOLERANCE: f64 = 1e-13;

/// An optimum of the programme.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Class of each row.
    pub labels: Vec<usize>,
    /// Sum of the distances of all rows to their classes.
    pub objective: f64,
    /// Rows that are not in their nearest class, because a class had too few.
    pub moved: usize,
}

/// Class with the smallest distance of each row, the first of equals; `distances` is `[rows, classes]`.
#[must_use]
pub fn cheapest(distances: &[f64], classes: usize) -> Vec<usize> {
    let first = |row: &[f64]| (1..row.len()).fold(0, |best, class| if row[class] < row[best] { class } else { best });
    distances.chunks(classes.max(1)).map(first).collect()
}

/// Assigns every row of `distances` (`[rows, classes]`, row-major) to a class such that class `c` gets at least `least[c]` rows, at
/// the smallest sum of distances. Ties go to the lowest class and the lowest row.
///
/// ```
/// use heirloom_transfer::adaptation::assign;
/// // Nobody is nearest to class 2. The cheapest remedy moves row 1 there, and row 2 into its place.
/// let distances = [0.0, 0.6, 5.0, 9.0, 0.0, 0.5, 0.0, 0.3, 4.0];
/// let optimum = assign(&distances, &[1, 1, 1])?;
/// assert_eq!(optimum.labels, [0, 2, 1]);
/// assert!((optimum.objective - 0.8).abs() < 1e-12);
/// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
/// ```
///
/// # Errors
/// More rows asked for than there are, distances that do not fill whole rows or are not finite.
pub fn assign(distances: &[f64], least: &[usize]) -> Result<Assignment, AdaptationError> {
    let classes = least.len();
    check(distances, least)?;
    let labels = cheapest(distances, classes);
    let mut flow = Flow::new(distances, classes, labels.clone());
    for class in 0..classes {
        while flow.counts[class] < least[class] {
            flow.bring(class, least)?;
        }
    }
    let cost = |(row, class): (usize, &usize)| distances[row * classes + class];
    let objective = flow.labels.iter().enumerate().map(cost).sum();
    let moved = flow.labels.iter().zip(&labels).filter(|(now, before)| now != before).count();
    Ok(Assignment { labels: flow.labels, objective, moved })
}

fn check(distances: &[f64], least: &[usize]) -> Result<(), AdaptationError> {
    let classes = least.len();
    let rows = distances.len() / classes.max(1);
    if rows * classes != distances.len() {
        let (expected, found) = ((rows + 1) * classes, distances.len());
        return Err(AdaptationError::Length { what: "the list of distances", expected, found });
    }
    if let Some(at) = distances.iter().position(|distance| !distance.is_finite()) {
        let (row, column, value) = (at / classes, at % classes, distances[at]);
        return Err(AdaptationError::NotFinite { what: "distances", row, column, value });
    }
    let needed = least.iter().sum();
    if needed > rows { Err(AdaptationError::Infeasible { needed, rows }) } else { Ok(()) }
}

/// The cheapest move between two classes.
#[derive(Debug, Clone, Copy)]
struct Move {
    cost: f64,
    row: usize,
}

/// An assignment and the cheapest moves that it allows.
struct Flow<'a> {
    distances: &'a [f64],
    classes: usize,
    labels: Vec<usize>,
    counts: Vec<usize>,
    /// Cheapest move `[from, to]`; `None` from an empty class.
    moves: Vec<Option<Move>>,
    tolerance: f64,
}

impl<'a> Flow<'a> {
    fn new(distances: &'a [f64], classes: usize, labels: Vec<usize>) -> Self {
        let mut counts = vec![0; classes];
        labels.iter().for_each(|&label| counts[label] += 1);
        let tolerance = TOLERANCE * distances.iter().fold(0.0_f64, |most, distance| most.max(distance.abs()));
        let mut flow = Self { distances, classes, labels, counts, moves: vec![None; classes * classes], tolerance };
        flow.refresh(&vec![true; classes]);
        flow
    }

    /// Finds the cheapest moves out of the classes marked anew.
    fn refresh(&mut self, stale: &[bool]) {
        for from in (0..self.classes).filter(|&from| stale[from]) {
            self.moves[from * self.classes..(from + 1) * self.classes].fill(None);
        }
        for (row, &from) in self.labels.iter().enumerate().filter(|(_, from)| stale[**from]) {
            let distances = &self.distances[row * self.classes..(row + 1) * self.classes];
            let moves = &mut self.moves[from * self.classes..(from + 1) * self.classes];
            for (slot, distance) in moves.iter_mut().zip(distances) {
                let cost = distance - distances[from];
                if slot.is_none_or(|known| cost < known.cost) {
                    *slot = Some(Move { cost, row });
                }
            }
        }
    }

    /// Brings one row into `class` along the cheapest chain of moves from a class that has more than its least.
    fn bring(&mut self, class: usize, least: &[usize]) -> Result<(), AdaptationError> {
        let before = self.cheapest_chains(least);
        let mut stale = vec![false; self.classes];
        stale[class] = true;
        let mut to = class;
        for _ in 0..self.classes {
            let Some(from) = before[to] else { break };
            let Some(step) = self.moves[from * self.classes + to] else { break };
            self.labels[step.row] = to;
            stale[from] = true;
            to = from;
        }
        if before[to].is_some() || to == class {
            let rows = self.labels.len();
            return Err(AdaptationError::Numerical { routine: "the assignment", rows, columns: self.classes });
        }
        self.counts[class] += 1;
        self.counts[to] -= 1;
        self.refresh(&stale);
        Ok(())
    }

    /// The class before each class on the cheapest chain to it (Bellman and Ford); `None` where a chain begins.
    fn cheapest_chains(&self, least: &[usize]) -> Vec<Option<usize>> {
        let spare = |class: usize| self.counts[class] > least[class];
        let mut cost: Vec<f64> =
            (0..self.classes).map(|class| if spare(class) { 0.0 } else { f64::INFINITY }).collect();
        let mut before = vec![None; self.classes];
        for _ in 0..self.classes {
            let mut changed = false;
            for from in 0..self.classes {
                for to in (0..self.classes).filter(|&to| to != from) {
                    let Some(step) = self.moves[from * self.classes + to] else { continue };
                    let found = cost[from] + step.cost;
                    if found < cost[to] - self.tolerance {
                        (cost[to], before[to], changed) = (found, Some(from), true);
                    }
                }
            }
            if !changed {
                break;
            }
        }
        before
    }
}
