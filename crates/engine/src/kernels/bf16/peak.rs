//! The limit of the matrix unit: products of tiles that stay in its registers.

use super::tile::{DEPTH, SIDE};
use super::unit::{Tiles, available};

/// Runs `steps` times four products of tiles and returns how many floating-point operations that were (two for each multiply-add); 0
/// where the processor has no matrix unit.
#[must_use]
pub fn tile_multiply_adds(steps: u64) -> u64 {
    if !available() {
        return 0;
    }
    let tiles = Tiles::configure();
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    super::tile::multiply_nothing(&tiles, steps);
    drop(tiles);
    steps * (4 * 2 * SIDE * SIDE * DEPTH) as u64
}
