//! Bottleneck, heads and adversary.

use heirloom_matrix::{Mat, MatRef};
use heirloom_training::random::generator;

use super::DeepMethod;
use super::adversary::Adversary;
use super::layer::{Layer, rectified_back, rectify};

/// Everything that is trained.
pub struct Network {
    bottleneck: Layer,
    pub head: Layer,
    /// The second head of MCD.
    pub other: Option<Layer>,
    pub adversary: Option<Adversary>,
}

impl Network {
    pub fn new(inputs: usize, width: usize, classes: usize, method: DeepMethod, seed: u64) -> Self {
        let mut random = generator(seed, "deep adaptation", &[]);
        let bottleneck = Layer::new(inputs, width, &mut random);
        let head = Layer::new(width, classes, &mut random);
        let other = (method == DeepMethod::Mcd).then(|| Layer::new(width, classes, &mut random));
        let adversary = match method {
            DeepMethod::Dann => Some(Adversary::new(width, width, &mut random)),
            DeepMethod::Cdan => Some(Adversary::new(width * classes, width, &mut random)),
            _ => None,
        };
        Self { bottleneck, head, other, adversary }
    }

    /// Values of the bottleneck.
    pub fn features(&self, rows: MatRef<'_, f64>) -> Mat<f64> {
        let mut out = self.bottleneck.forward(rows);
        rectify(&mut out);
        out
    }

    /// Values of the bottleneck and logits of the head.
    pub fn logits(&self, rows: MatRef<'_, f64>) -> (Mat<f64>, Mat<f64>) {
        let features = self.features(rows);
        let logits = self.head.forward(features.as_ref());
        (features, logits)
    }

    /// A step of the bottleneck for a gradient of its values.
    pub fn step_features(&mut self, rows: MatRef<'_, f64>, features: &Mat<f64>, mut gradient: Mat<f64>, rate: f64) {
        rectified_back(&mut gradient, features);
        let slope = self.bottleneck.slope(rows, gradient.as_ref());
        self.bottleneck.step(&slope, rate);
    }
}
