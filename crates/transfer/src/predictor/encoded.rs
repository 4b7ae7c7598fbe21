//! Images that are in memory as encoded bytes: what a server receives, or a program hands over.

use heirloom_data::{Limits, Preprocess};

use crate::extract::{Images, Prepared, Scratch};
use crate::store::Digest;

/// Encoded images, each with the name that messages call it by.
#[derive(Debug, Clone, Default)]
pub struct EncodedImages {
    /// Name and encoded bytes of every image.
    pub images: Vec<(String, Vec<u8>)>,
    /// Bounds on one image.
    pub limits: Limits,
}

impl EncodedImages {
    /// Images within the default bounds.
    #[must_use]
    pub fn new(images: Vec<(String, Vec<u8>)>) -> Self {
        Self { images, limits: Limits::default() }
    }

    fn bytes(&self, row: usize) -> Result<&[u8], String> {
        self.images.get(row).map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| format!("there is no image {row}"))
    }
}

impl Images for EncodedImages {
    fn rows(&self) -> usize {
        self.images.len()
    }

    fn locator(&self, row: usize) -> String {
        self.images.get(row).map_or_else(|| format!("image {row}"), |(name, _)| name.clone())
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        rows.iter().map(|row| self.bytes(*row).map(|bytes| *blake3::hash(bytes).as_bytes())).collect()
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        let images = out.chunks_mut(preprocess.output_length().max(1));
        let prepare = |(row, out): (&usize, &mut [u8])| {
            let bytes = self.bytes(*row)?;
            let problem = scratch.prepare(bytes, self.limits, preprocess, out);
            Ok(Prepared { digest: *blake3::hash(bytes).as_bytes(), problem })
        };
        rows.iter().zip(images).map(prepare).collect()
    }

    fn settings(&self) -> String {
        if self.limits == Limits::default() { String::new() } else { format!("{:?}", self.limits) }
    }
}
