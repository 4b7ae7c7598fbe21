//! Images with an intervention on them, for everything that reads images.

use heirloom_data::Preprocess;
use heirloom_data::intervention::{Intervention, InterventionError, Stamp};
use heirloom_transfer::extract::{Images, Prepared, Scratch};
use heirloom_transfer::store::Digest;

/// Images that get an intervention once they are at the network's input size.
pub struct StampedImages<'a> {
    images: &'a dyn Images,
    intervention: Intervention,
    stamp: Stamp,
}

impl<'a> StampedImages<'a> {
    /// `images` with `intervention`, for a network whose input has `input_size`, `[height, width]` in pixels.
    ///
    /// # Errors
    /// An intervention that cannot be made at this size.
    pub fn new(
        images: &'a dyn Images,
        intervention: Intervention,
        input_size: [usize; 2],
    ) -> Result<Self, InterventionError> {
        let stamp = intervention.prepare(input_size)?;
        Ok(Self { images, intervention, stamp })
    }
}

impl Images for StampedImages<'_> {
    fn rows(&self) -> usize {
        self.images.rows()
    }

    fn locator(&self, row: usize) -> String {
        self.images.locator(row)
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        self.images.digests(rows)
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        let (made, asked) = (self.stamp.size(), preprocess.input_size);
        if made != asked {
            let reason = format!("{} was made for {made:?} pixels, and the network takes {asked:?}", self.intervention);
            return rows.iter().map(|_| Err(reason.clone())).collect();
        }
        let prepared = self.images.prepare(rows, preprocess, scratch, out);
        self.stamp.apply(out);
        prepared
    }

    /// Stored features of images with an intervention are not those of the images.
    fn settings(&self) -> String {
        format!("{} {}", self.images.settings(), self.intervention).trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use heirloom_data::{Interpolation, Resize, Table, TableOptions, World};

    use super::*;

    #[test]
    fn prepared_pixels_are_those_of_the_images_with_the_square_on_them() {
        let folder = tempfile::tempdir().unwrap();
        World { side: 16, train: 1, test: 0, ..World::default() }.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        let preprocess = |side| Preprocess {
            input_size: [side; 2],
            resize: Resize::Squeeze,
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.5; 3],
        };
        let square: Intervention = "square:side=0.5,colour=010203".parse().unwrap();
        let stamped = StampedImages::new(&table, square, [16, 16]).unwrap();
        let pixels = |images: &dyn Images, side: usize| {
            let mut out = vec![0; 2 * side * side * 3];
            let prepared = images.prepare(&[0, 5], &preprocess(side), &mut Scratch::default(), &mut out);
            (out, prepared)
        };
        let ((plain, prepared), (changed, again)) = (pixels(&table, 16), pixels(&stamped, 16));
        assert_eq!(prepared, again);
        for (at, (now, before)) in changed.chunks(3).zip(plain.chunks(3)).enumerate() {
            let inside = at % 256 / 16 < 8 && at % 16 < 8;
            assert_eq!(now, if inside { &[1, 2, 3] } else { before }, "pixel {at}");
        }
        assert_ne!(stamped.settings(), Images::settings(&table));
        let refused = pixels(&stamped, 8).1;
        assert!(refused.iter().all(|row| row.as_ref().is_err_and(|reason| reason.contains("[16, 16]"))), "{refused:?}");
    }
}
