//! One step of training on both domains.

use heirloom_matrix::Mat;

use super::adversary::{conditioned, conditioned_back, sureness};
use super::batches::{batch, picked};
use super::layer::{Layer, cross_entropy, plus, rows_of, softmax, stacked};
use super::network::Network;
use super::{DeepMethod, DeepOptions, coral, disagreement, kernel};

/// Steps after which what draws domains together has half of its weight, about.
const RAMP: f64 = 1000.0;
/// Label smoothing of SHOT on the source, and weights of the losses.
const SMOOTHING: f64 = 0.1;
const CORAL: f64 = 10.0;
/// Steps of MCD's bottleneck for each of its heads'.
const GENERATOR: usize = 4;

/// Everything a step reads and changes.
pub struct Trainer<'a> {
    pub network: Network,
    pub source: Mat<f64>,
    pub labels: &'a [usize],
    pub target: Mat<f64>,
    pub method: DeepMethod,
    pub options: &'a DeepOptions,
}

/// The learning rate of a step: `rate (1 + fall step)^-0.75`.
pub fn rate(method: DeepMethod, step: usize) -> f64 {
    let (first, fall) = match method {
        DeepMethod::Dan => (3e-3, 3e-4),
        DeepMethod::Mcd => (3e-3, 1e-3),
        _ => (1e-2, 1e-3),
    };
    first * (1.0 + fall * step as f64).powf(-0.75)
}

/// How much the adversary counts after so many steps: from 0 towards 1.
pub fn ramp(step: usize) -> f64 {
    2.0 / (1.0 + (-(step as f64) / RAMP).exp()) - 1.0
}

impl Trainer<'_> {
    pub fn step(&mut self, step: usize) {
        let (seed, size) = (self.options.seed, self.options.batch);
        let own = batch(seed, 0, step, self.source.nrows(), size);
        let other = batch(seed, 1, step, self.target.nrows(), size);
        let labels: Vec<usize> = own.iter().map(|row| self.labels[*row]).collect();
        let source = picked(&self.source, &own);
        let rate = rate(self.method, step);
        match self.method {
            DeepMethod::SourceOnly => self.on_source(&source, &labels, 0.0, rate),
            DeepMethod::Shot => self.on_source(&source, &labels, SMOOTHING, rate),
            DeepMethod::Mcd => self.disagree(&source, &labels, &picked(&self.target, &other), rate),
            _ => self.together(&source, &labels, &picked(&self.target, &other), (step, rate)),
        }
    }

    fn on_source(&mut self, source: &Mat<f64>, labels: &[usize], smoothing: f64, rate: f64) {
        let (features, logits) = self.network.logits(source.as_ref());
        let (_, by_logits) = cross_entropy(&logits, labels, smoothing);
        let by_features = self.network.head.back(by_logits.as_ref());
        step_head(&mut self.network.head, &features, &by_logits, rate);
        self.network.step_features(source.as_ref(), &features, by_features, rate);
    }

    /// Cross-entropy on the source, and what draws the bottleneck's values of both domains together.
    fn together(&mut self, source: &Mat<f64>, labels: &[usize], target: &Mat<f64>, (step, rate): (usize, f64)) {
        let (rows, first) = (stacked(source, target), source.nrows());
        let (features, logits) = self.network.logits(rows.as_ref());
        let (_, own) = cross_entropy(&rows_of(&logits, 0..first), labels, 0.0);
        let none = Mat::zeros(rows.nrows() - first, logits.ncols());
        let by_logits = stacked(&own, &none);
        let by_features = self.network.head.back(by_logits.as_ref());
        let (factor, apart) = self.apart(&features, &logits, first, (step, rate));
        step_head(&mut self.network.head, &features, &by_logits, rate);
        self.network.step_features(rows.as_ref(), &features, plus(&by_features, factor, &apart), rate);
    }

    /// The gradient of how far the domains lie apart by the bottleneck's values, and its factor; adversaries take their step.
    fn apart(
        &mut self,
        features: &Mat<f64>,
        logits: &Mat<f64>,
        first: usize,
        (step, rate): (usize, f64),
    ) -> (f64, Mat<f64>) {
        let both = || (rows_of(features, 0..first), rows_of(features, first..features.nrows()));
        match (self.method, &mut self.network.adversary) {
            (DeepMethod::DeepCoral, _) => {
                let (source, target) = both();
                let (_, [by_source, by_target]) = coral::loss(&source, &target);
                (CORAL, stacked(&by_source, &by_target))
            }
            (DeepMethod::Dan, _) => {
                let (source, target) = both();
                (1.0, kernel::loss(&source, &target).1)
            }
            (DeepMethod::Cdan, Some(adversary)) => {
                let said = softmax(logits);
                let rows = conditioned(&said, features);
                let (_, gradient) = adversary.step(&rows, first, &sureness(&said), rate);
                (-ramp(step), conditioned_back(&said, &gradient, features.ncols()))
            }
            (_, Some(adversary)) => {
                let (_, gradient) = adversary.step(features, first, &vec![1.0; features.nrows()], rate);
                (-ramp(step), gradient)
            }
            (_, None) => (0.0, Mat::zeros(features.nrows(), features.ncols())),
        }
    }

    /// MCD: both heads learn the source; then they are driven apart on the target, the bottleneck held; then the bottleneck is moved to
    /// where they agree.
    fn disagree(&mut self, source: &Mat<f64>, labels: &[usize], target: &Mat<f64>, rate: f64) {
        let network = &mut self.network;
        let Some(mut other) = network.other.take() else { return };
        let features = network.features(source.as_ref());
        let learn = |head: &Layer| cross_entropy(&head.forward(features.as_ref()), labels, 0.0).1;
        let slopes = [learn(&network.head), learn(&other)];
        let by_features = plus(&network.head.back(slopes[0].as_ref()), 1.0, &other.back(slopes[1].as_ref()));
        step_head(&mut network.head, &features, &slopes[0], rate);
        step_head(&mut other, &features, &slopes[1], rate);
        network.step_features(source.as_ref(), &features, by_features, rate);

        let (features, away) = (network.features(source.as_ref()), network.features(target.as_ref()));
        let learn = |head: &Layer| cross_entropy(&head.forward(features.as_ref()), labels, 0.0).1;
        let slopes = [learn(&network.head), learn(&other)];
        let logits = [network.head.forward(away.as_ref()), other.forward(away.as_ref())];
        let (_, apart) = disagreement::loss(&logits[0], &logits[1]);
        let both = stacked(&features, &away);
        for ((head, slope), apart) in [&mut network.head, &mut other].into_iter().zip(&slopes).zip(&apart) {
            let further = Mat::from_fn(apart.nrows(), apart.ncols(), |row, column| -apart[(row, column)]);
            step_head(head, &both, &stacked(slope, &further), rate);
        }

        for _ in 0..GENERATOR {
            let away = network.features(target.as_ref());
            let logits = [network.head.forward(away.as_ref()), other.forward(away.as_ref())];
            let (_, apart) = disagreement::loss(&logits[0], &logits[1]);
            let by_features = plus(&network.head.back(apart[0].as_ref()), 1.0, &other.back(apart[1].as_ref()));
            network.step_features(target.as_ref(), &away, by_features, rate);
        }
        network.other = Some(other);
    }
}

fn step_head(head: &mut Layer, features: &Mat<f64>, by_logits: &Mat<f64>, rate: f64) {
    let slope = head.slope(features.as_ref(), by_logits.as_ref());
    head.step(&slope, rate);
}
