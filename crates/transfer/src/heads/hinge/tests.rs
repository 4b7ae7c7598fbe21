//! The duality gap, computed from the definitions.

use super::super::dense::{Matrix, standardise_rows};
use super::*;

fn problem(rows: usize, columns: usize) -> (Matrix, Vec<usize>) {
    let values = (0..rows * columns).map(|at| ((at * 53 % 97) as f32 - 48.0) / 31.0).collect();
    let mut matrix = Matrix { rows, columns, values };
    standardise_rows(&mut matrix);
    (matrix, (0..rows).map(|row| (row * row + row / 3) % 3).collect())
}

/// Value of `P`, and of `D` at `a = (2/n) max(0, 1 - t f)`, for one class; and by how much `sum a t` misses 0.
fn values(
    matrix: &Matrix,
    labels: &[usize],
    class: usize,
    weights: &[f64],
    bias: f64,
    penalty: f64,
) -> (f64, f64, f64) {
    let count = matrix.rows as f64;
    let (mut loss, mut linear, mut squares, mut balance) = (0.0, 0.0, 0.0, 0.0);
    let mut combined = vec![0.0; matrix.columns];
    for (row, &label) in labels.iter().enumerate() {
        let sign = if label == class { 1.0 } else { -1.0 };
        let values = matrix.row(row).iter().map(|&value| f64::from(value));
        let margin = bias + values.clone().zip(weights).map(|(value, weight)| value * weight).sum::<f64>();
        let slack = (1.0 - sign * margin).max(0.0);
        let multiplier = 2.0 * slack / count;
        loss += slack * slack / count;
        linear += multiplier;
        squares += multiplier * multiplier;
        balance += multiplier * sign;
        combined.iter_mut().zip(values).for_each(|(sum, value)| *sum += multiplier * sign * value);
    }
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let dual = linear - 0.25 * count * squares - norm(&combined) / (2.0 * penalty);
    (loss + 0.5 * penalty * norm(weights), dual, balance)
}

#[test]
fn the_stated_gap_is_that_of_primal_and_dual() {
    let (matrix, labels) = problem(40, 6);
    for tolerance in [1e-1, 1e-3, 1e-6] {
        for (penalty, machines) in [1.0, 0.1, 1e-2]
            .iter()
            .zip(path(Design::Primal(&matrix), &labels, 3, &[1.0, 0.1, 1e-2], tolerance).unwrap())
        {
            for class in 0..3 {
                let share = labels.iter().filter(|label| **label == class).count() as f64 / 40.0;
                let weights: Vec<f64> = machines.weights.iter().skip(class).step_by(3).copied().collect();
                let (primal, dual, balance) = values(&matrix, &labels, class, &weights, machines.bias[class], *penalty);
                assert!(balance.abs() < 1e-6, "{balance}");
                let gap = (primal - dual) / (4.0 * share * (1.0 - share));
                assert!(gap > -1e-6 && gap <= tolerance + 1e-6, "penalty {penalty}: {gap} of {tolerance}");
                assert!((gap - machines.gaps[class]).abs() < 1e-6 + 1e-3 * gap, "{gap} {}", machines.gaps[class]);
            }
        }
    }
}

/// Separable rows, a class of one row and one that holds all rows but one.
#[test]
fn extreme_classes_are_solved() {
    let (matrix, _) = problem(12, 30);
    let gram = matrix.gram();
    let mut labels = vec![0; 12];
    labels[3] = 1;
    let machines = path(Design::Dual(&gram), &labels, 2, &[1.0, 1e-2, 1e-4], 1e-6).unwrap();
    for machines in machines {
        assert!(machines.gaps.iter().all(|gap| *gap <= 1e-4), "{:?}", machines.gaps);
        // Two classes mirror each other.
        assert!((machines.bias[0] + machines.bias[1]).abs() < 1e-3 * machines.bias[0].abs().max(1.0));
    }
}
