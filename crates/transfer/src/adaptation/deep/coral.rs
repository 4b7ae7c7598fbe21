//! Deep CORAL: `||C_s - C_t||^2 / (4 D^2)` of covariances with divisor `n - 1` (Sun, Saenko 2016).

use heirloom_matrix::{Mat, product};

/// The loss and its gradients by the rows of both domains.
pub fn loss(source: &Mat<f64>, target: &Mat<f64>) -> (f64, [Mat<f64>; 2]) {
    let centred = [centred(source), centred(target)];
    let covariance =
        |rows: &Mat<f64>| scaled(&product(rows.transpose(), rows.as_ref()), 1.0 / (rows.nrows() as f64 - 1.0));
    let (first, second) = (covariance(&centred[0]), covariance(&centred[1]));
    let width = source.ncols() as f64;
    let apart = Mat::from_fn(first.nrows(), first.ncols(), |row, column| first[(row, column)] - second[(row, column)]);
    let mut square = 0.0;
    for column in 0..apart.ncols() {
        square += (0..apart.nrows()).map(|row| apart[(row, column)].powi(2)).sum::<f64>();
    }
    let slope = |rows: &Mat<f64>, sign: f64| {
        let factor = sign / (width * width * (rows.nrows() as f64 - 1.0));
        scaled(&product(rows.as_ref(), apart.as_ref()), factor)
    };
    let slopes = [slope(&centred[0], 1.0), slope(&centred[1], -1.0)];
    (square / (4.0 * width * width), slopes)
}

fn centred(rows: &Mat<f64>) -> Mat<f64> {
    let mean = |column: usize| (0..rows.nrows()).map(|row| rows[(row, column)]).sum::<f64>() / rows.nrows() as f64;
    let means: Vec<f64> = (0..rows.ncols()).map(mean).collect();
    Mat::from_fn(rows.nrows(), rows.ncols(), |row, column| rows[(row, column)] - means[column])
}

fn scaled(values: &Mat<f64>, factor: f64) -> Mat<f64> {
    Mat::from_fn(values.nrows(), values.ncols(), |row, column| factor * values[(row, column)])
}
