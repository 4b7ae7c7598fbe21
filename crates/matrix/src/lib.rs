//! Products, eigendecompositions and Cholesky factors of dense matrices.
//!
//! They are generic code of the linear algebra library and take longer to compile than everything that calls them; here they
//! are compiled once, for the two number types in use, and again only when the library changes. That is why no function is
//! generic and none may be inlined into its caller.
//!
//! Each function runs on the calling thread: whoever wants more threads cuts the work into pieces that depend on shapes
//! alone, so that the bits do not depend on the number of threads.
//!
//! ```
//! use heirloom_matrix::{Mat, product, symmetric_eigen};
//! let matrix = Mat::from_fn(2, 2, |row, column| if row == column { 2.0 } else { 1.0 });
//! let (values, vectors) = symmetric_eigen(matrix.as_ref()).unwrap();
//! assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
//! let square = product(vectors.transpose(), vectors.as_ref());
//! assert!((square[(0, 0)] - 1.0).abs() < 1e-12 && square[(0, 1)].abs() < 1e-12);
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::matrix_free::eigen::{PartialEigenParams, partial_self_adjoint_eigen, partial_self_adjoint_eigen_scratch};
use faer::{Accum, Par};

pub use faer::{Mat, MatMut, MatRef};

static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// Floating-point operations of everything this crate has computed since the process began, on all threads; a multiplication
/// and an addition are two, an eigendecomposition of size `n` is `9 n^3` (Golub, Van Loan, Matrix Computations, section 8.3).
/// The difference of two readings is what was done between them.
#[must_use]
pub fn operations() -> u64 {
    OPERATIONS.load(Ordering::Relaxed)
}

fn count_product(rows: usize, inner: usize, columns: usize) {
    OPERATIONS.fetch_add(2 * rows as u64 * inner as u64 * columns as u64, Ordering::Relaxed);
}

/// `target = left * right`.
///
/// # Panics
/// If the shapes do not fit.
#[inline(never)]
pub fn multiply(target: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>) {
    count_product(left.nrows(), left.ncols(), right.ncols());
    matmul(target, Accum::Replace, left, right, 1.0, Par::Seq);
}

/// `target += left * right`.
///
/// # Panics
/// If the shapes do not fit.
#[inline(never)]
pub fn multiply_add(target: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>) {
    count_product(left.nrows(), left.ncols(), right.ncols());
    matmul(target, Accum::Add, left, right, 1.0, Par::Seq);
}

/// `left * right` in double precision.
///
/// # Panics
/// If the inner sides differ.
#[inline(never)]
#[must_use]
pub fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    count_product(left.nrows(), left.ncols(), right.ncols());
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    matmul(out.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    out
}

/// `target += rows rows^T` in double precision, its lower triangle alone.
///
/// ```
/// use heirloom_matrix::{Mat, add_gram};
/// let rows = Mat::from_fn(2, 3, |row, column| (row + column) as f64);
/// let mut gram = Mat::zeros(2, 2);
/// add_gram(&mut gram, rows.as_ref());
/// assert_eq!([gram[(0, 0)], gram[(1, 0)], gram[(1, 1)]], [5.0, 8.0, 14.0]);
/// ```
///
/// # Panics
/// If `target` has not as many rows and columns as `rows` has rows.
#[inline(never)]
pub fn add_gram(target: &mut Mat<f64>, rows: MatRef<'_, f64>) {
    let (size, inner) = (rows.nrows() as u64, rows.ncols() as u64);
    OPERATIONS.fetch_add(size * (size + 1) * inner, Ordering::Relaxed);
    let whole = BlockStructure::Rectangular;
    let (lower, turned) = (BlockStructure::TriangularLower, rows.transpose());
    triangular::matmul(target.as_mut(), lower, Accum::Add, rows, whole, turned, whole, 1.0, Par::Seq);
}

/// An eigendecomposition that did not converge, as for a matrix with an infinite entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConverged;

/// Ascending eigenvalues of a symmetric matrix, and their vectors as columns; only its lower triangle is read.
///
/// # Errors
/// [`NotConverged`].
///
/// # Panics
/// If the matrix is not square.
#[inline(never)]
pub fn symmetric_eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), NotConverged> {
    let size = matrix.nrows();
    OPERATIONS.fetch_add(9 * (size as u64).pow(3), Ordering::Relaxed);
    let mut values = faer::diag::Diag::<f64>::zeros(size);
    let mut vectors = Mat::zeros(size, size);
    let scratch = self_adjoint_evd_scratch::<f64>(size, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| NotConverged)?;
    Ok((values.column_vector().iter().copied().collect(), vectors))
}

/// Left singular vectors as columns, singular values, right singular vectors as columns.
pub type SingularValues = (Mat<f64>, Vec<f64>, Mat<f64>);

/// Orthonormal columns, descending singular values and orthonormal columns of `matrix = left diag(values) right^T`, as many as the
/// shorter side.
///
/// ```
/// use heirloom_matrix::{Mat, singular_values};
/// let matrix = Mat::from_fn(2, 2, |row, column| if row == column { 0.0 } else { 1.0 + row as f64 });
/// let (left, values, right) = singular_values(matrix.as_ref()).unwrap();
/// assert!((values[0] - 2.0).abs() < 1e-12 && (values[1] - 1.0).abs() < 1e-12);
/// assert!((left[(1, 0)] * right[(0, 0)] - 1.0).abs() < 1e-12);
/// ```
///
/// # Errors
/// [`NotConverged`].
#[inline(never)]
pub fn singular_values(matrix: MatRef<'_, f64>) -> Result<SingularValues, NotConverged> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let (size, thin) = (rows.min(columns), ComputeSvdVectors::Thin);
    // Golub, Van Loan, section 8.6: both bases of a thin decomposition.
    OPERATIONS.fetch_add(20 * (size as u64).pow(2) * rows.max(columns) as u64, Ordering::Relaxed);
    let mut values = faer::diag::Diag::<f64>::zeros(size);
    let (mut left, mut right) = (Mat::zeros(rows, size), Mat::zeros(columns, size));
    let mut memory = MemBuffer::new(svd_scratch::<f64>(rows, columns, thin, thin, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    let bases = (Some(left.as_mut()), Some(right.as_mut()));
    svd(matrix, values.as_mut(), bases.0, bases.1, Par::Seq, stack, Default::default()).map_err(|_| NotConverged)?;
    Ok((left, values.column_vector().iter().copied().collect(), right))
}

/// Sides up to which the largest eigenvalue is read off the whole decomposition.
const WHOLE: usize = 64;
/// Error of the largest eigenvalue's vector, relative, that is small enough: that of the eigenvalue is its square.
const CLOSE: f64 = 1e-8;

/// The eigenvalue of largest magnitude of a symmetric matrix, both triangles of which are read; 0 for a matrix without rows. By a Krylov
/// space (Stewart 2002) that starts at the sum of the columns and the first unit vector.
///
/// ```
/// use heirloom_matrix::{Mat, largest_eigenvalue};
/// let matrix = Mat::from_fn(90, 90, |row, column| if row == column { 3.0 + row as f64 } else { 0.0 });
/// assert!((largest_eigenvalue(matrix.as_ref()).unwrap() - 92.0).abs() < 1e-9);
/// ```
///
/// # Errors
/// [`NotConverged`].
///
/// # Panics
/// If the matrix is not square.
#[inline(never)]
pub fn largest_eigenvalue(matrix: MatRef<'_, f64>) -> Result<f64, NotConverged> {
    let size = matrix.nrows();
    if size <= WHOLE {
        let larger = |best: f64, value: &f64| if value.abs() > best.abs() { *value } else { best };
        return Ok(symmetric_eigen(matrix)?.0.iter().fold(0.0, larger));
    }
    let (mut vector, mut value) = (Mat::zeros(size, 1), [0.0]);
    let mut start: Mat<f64> = product(matrix, Mat::from_fn(size, 1, |_, _| 1.0).as_ref());
    start[(0, 0)] += start.col(0).norm_max();
    let parameters = PartialEigenParams::default();
    let mut memory = MemBuffer::new(partial_self_adjoint_eigen_scratch(&matrix, 1, Par::Seq, parameters));
    let found = partial_self_adjoint_eigen(
        vector.as_mut(),
        &mut value,
        &matrix,
        start.col(0),
        CLOSE,
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    );
    if found.n_converged_eigen == 1 && value[0].is_finite() { Ok(value[0]) } else { Err(NotConverged) }
}

/// A matrix that was to be positive definite and is not, up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotPositiveDefinite;

/// Replaces `right` by the `x` of `matrix x = right`, for a symmetric positive definite matrix of which only the lower triangle is
/// read; the matrix is overwritten by its Cholesky factor.
///
/// ```
/// use heirloom_matrix::{Mat, solve_positive_definite};
/// let mut matrix = Mat::from_fn(2, 2, |row, column| if row == column { 2.0 } else { 1.0 });
/// let mut right = Mat::from_fn(2, 1, |row, _| if row == 0 { 4.0 } else { 5.0 });
/// solve_positive_definite(&mut matrix, &mut right).unwrap();
/// assert!((right[(0, 0)] - 1.0).abs() < 1e-12 && (right[(1, 0)] - 2.0).abs() < 1e-12);
/// ```
///
/// # Errors
/// [`NotPositiveDefinite`].
///
/// # Panics
/// If the matrix is not square or the right side has another number of rows.
#[inline(never)]
pub fn solve_positive_definite(matrix: &mut Mat<f64>, right: &mut Mat<f64>) -> Result<(), NotPositiveDefinite> {
    let (size, columns) = (matrix.nrows(), right.ncols());
    factorise(matrix)?;
    let mut memory = MemBuffer::new(solve_in_place_scratch::<f64>(size, columns, Par::Seq));
    solve_in_place(matrix.as_ref(), right.as_mut(), Par::Seq, MemStack::new(&mut memory));
    Ok(())
}

/// The logarithm of the determinant of a symmetric positive definite matrix of which only the lower triangle is read; it is overwritten by its
/// Cholesky factor.
///
/// ```
/// use heirloom_matrix::{Mat, log_determinant};
/// let mut matrix = Mat::from_fn(2, 2, |row, column| if row == column { 2.0 } else { 1.0 });
/// assert!((log_determinant(&mut matrix).unwrap() - 3.0_f64.ln()).abs() < 1e-12);
/// ```
///
/// # Errors
/// [`NotPositiveDefinite`].
///
/// # Panics
/// If the matrix is not square.
#[inline(never)]
pub fn log_determinant(matrix: &mut Mat<f64>) -> Result<f64, NotPositiveDefinite> {
    factorise(matrix)?;
    Ok(2.0 * (0..matrix.nrows()).map(|at| matrix[(at, at)].ln()).sum::<f64>())
}

/// The lower Cholesky factor of a symmetric positive definite matrix of which only the lower triangle is read.
///
/// ```
/// use heirloom_matrix::{Mat, lower_factor};
/// let factor = lower_factor(Mat::from_fn(2, 2, |row, column| if row == column { 4.0 } else { 2.0 })).unwrap();
/// assert_eq!((factor[(0, 0)], factor[(1, 0)], factor[(0, 1)]), (2.0, 1.0, 0.0));
/// ```
///
/// # Errors
/// [`NotPositiveDefinite`].
///
/// # Panics
/// If the matrix is not square.
#[inline(never)]
pub fn lower_factor(mut matrix: Mat<f64>) -> Result<Mat<f64>, NotPositiveDefinite> {
    factorise(&mut matrix)?;
    for column in 1..matrix.ncols() {
        matrix.col_as_slice_mut(column)[..column].fill(0.0);
    }
    Ok(matrix)
}

/// The Cholesky factor, in place.
fn factorise(matrix: &mut Mat<f64>) -> Result<(), NotPositiveDefinite> {
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(matrix.nrows(), Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    let factor = cholesky_in_place(matrix.as_mut(), Default::default(), Par::Seq, stack, Default::default());
    factor.map(|_| ()).map_err(|_| NotPositiveDefinite)
}
