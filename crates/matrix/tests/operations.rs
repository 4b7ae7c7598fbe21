//! The count of operations is the process's own, so it is tested where nothing else runs.

use heirloom_matrix::{Mat, operations, product, symmetric_eigen};

#[test]
fn products_and_decompositions_are_counted() {
    let matrix = Mat::from_fn(3, 5, |row, column| (row * 5 + column) as f64);
    let before = operations();
    let square = product(matrix.as_ref(), matrix.transpose());
    assert_eq!(operations() - before, 2 * 3 * 5 * 3);
    symmetric_eigen(square.as_ref()).unwrap();
    assert_eq!(operations() - before, 90 + 9 * 27);
}
