//! The search for one class: mask and pattern by Adam, with a weight of the mask that follows how many images turn.

use heirloom_engine::{Tensor, Weights};
use heirloom_training::optimizer::{Gradients, Optimizer, OptimizerSettings, ParameterGroups, Rule};
use heirloom_training::random::generator;
use heirloom_transfer::fit::Share;
use heirloom_transfer::gradient::{Differentiable, GradientError};

use super::{ScanImages, ScanOptions, UniversalPatch};

/// Learning rate of Neural Cleanse, with its moments of 0.5 and 0.9.
const RATE: f64 = 0.1;
/// Steps between changes of the mask's weight.
const PERIOD: usize = 10;
/// Weight of the sum of the mask at the start, and the factors by which it rises and falls.
const WEIGHT: f64 = 1e-3;
const RISE: f64 = 1.5;
/// The first mask is 1 / (1 + e^2): an eighth of every pixel.
const FIRST: f64 = -2.0;

/// The names of what is searched for.
const MASK: &str = "mask";
const PATTERN: &str = "pattern";

pub(super) struct Search<'a> {
    class: usize,
    images: ScanImages<'a>,
    /// Images of other classes, in the order in which they are shown.
    order: Vec<usize>,
    batch: usize,
    success: f64,
    /// Values of one image.
    length: usize,
    pub(super) values: Weights,
    optimizer: Option<Optimizer>,
    weight: f64,
    steps: usize,
    /// Images shown and turned in this period.
    shown: [usize; 2],
    best: Option<Best>,
}

struct Best {
    size: f64,
    success: f64,
    mask: Vec<f32>,
    pattern: Vec<f32>,
}

impl<'a> Search<'a> {
    pub fn new(class: usize, images: ScanImages<'a>, among: &[usize], options: &ScanOptions, length: usize) -> Self {
        let mut random = generator(options.seed, "scan", &[class as u64]);
        let mut order: Vec<usize> = among.iter().copied().filter(|image| images.clean[*image] != class).collect();
        random.shuffle(&mut order);
        let mut draw = |count: usize, around: f64| -> Vec<f32> {
            (0..count).map(|_| (around + 0.1 * random.normal()) as f32).collect()
        };
        let tensor = |values: Vec<f32>| Tensor { shape: vec![values.len()], values };
        let values = [(MASK, draw(length / 3, FIRST)), (PATTERN, draw(length, 0.0))];
        let tensors = values.into_iter().map(|(name, values)| (name.to_owned(), tensor(values))).collect();
        let rule = Rule::Adam { beta1: 0.5, beta2: 0.9, epsilon: 1e-8 };
        let settings = OptimizerSettings { rule, ..OptimizerSettings::adam() };
        Self {
            class,
            images,
            order,
            batch: options.batch.max(1),
            success: options.success,
            length,
            values: Weights { tensors },
            // The settings are constants within their ranges.
            optimizer: Optimizer::new(settings, ParameterGroups::default()).ok(),
            weight: WEIGHT,
            steps: 0,
            shown: [0, 0],
            best: None,
        }
    }

    /// Share of the image that the smallest patch covers so far.
    pub fn size(&self) -> f64 {
        self.best.as_ref().map_or(1.0, |best| best.size)
    }

    pub fn run(&mut self, model: &mut Differentiable<'_>, steps: usize) -> Result<(), GradientError> {
        if self.order.is_empty() {
            return Ok(());
        }
        for _ in 0..steps {
            self.step(model)?;
            self.steps += 1;
            if self.steps.is_multiple_of(PERIOD) {
                self.end_period();
            }
        }
        Ok(())
    }

    fn step(&mut self, model: &mut Differentiable<'_>) -> Result<(), GradientError> {
        let first = self.steps * self.batch;
        let rows: Vec<usize> =
            (0..self.batch.min(self.order.len())).map(|at| self.order[(first + at) % self.order.len()]).collect();
        let gradients = self.slopes(model, &rows)?;
        if let Some(optimizer) = &mut self.optimizer {
            // Gradients are those of the two tensors, whose lengths never change.
            let _moved = optimizer.step(&mut self.values, &gradients, RATE);
        }
        Ok(())
    }

    /// Slopes of the loss on some images; counts those that turn.
    pub(super) fn slopes(
        &mut self,
        model: &mut Differentiable<'_>,
        rows: &[usize],
    ) -> Result<Gradients, GradientError> {
        let (mask, pattern) = self.patch();
        let logits = model.logits(&self.applied(rows, &mask, &pattern), rows.len())?;
        let classes = model.classes();
        self.shown[0] += rows.len();
        self.shown[1] += logits.chunks(classes).filter(|row| most(row) == self.class).count();
        let seed: Vec<f32> = logits.chunks(classes).flat_map(|row| slope(row, self.class, rows.len())).collect();
        let slopes = model.backward(&seed)?;
        Ok(self.gradients(rows, &slopes, &mask, &pattern))
    }

    /// The loss on some images, whose slopes those are.
    #[cfg(test)]
    pub(super) fn loss(&self, model: &mut Differentiable<'_>, rows: &[usize]) -> Result<f64, GradientError> {
        let (mask, pattern) = self.patch();
        let logits = model.logits(&self.applied(rows, &mask, &pattern), rows.len())?;
        let of_row = |row: &[f32]| {
            let sum: f64 = row.iter().map(|value| f64::from(*value).exp()).sum();
            sum.ln() - f64::from(row[self.class])
        };
        let entropy: f64 = logits.chunks(model.classes()).map(of_row).sum();
        let covered: f64 = mask.iter().map(|m| f64::from(*m)).sum();
        Ok(entropy / rows.len() as f64 + self.weight * covered)
    }

    /// Mask and pattern, 0 to 1.
    fn patch(&self) -> (Vec<f32>, Vec<f32>) {
        let of = |name: &str| -> Vec<f32> {
            let values = self.values.tensors.get(name).map_or(&[][..], |tensor| &tensor.values);
            values.iter().map(|value| sigmoid(*value)).collect()
        };
        (of(MASK), of(PATTERN))
    }

    /// Images with the patch on them.
    fn applied(&self, rows: &[usize], mask: &[f32], pattern: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * self.length);
        for row in rows {
            let image = &self.images.pixels[row * self.length..(row + 1) * self.length];
            let mixed = image.iter().zip(pattern).enumerate();
            out.extend(mixed.map(|(at, (x, p))| x + (p - x) * mask[at / 3]));
        }
        out
    }

    /// From the slopes of the pixels to those of the two tensors: `dM = sum g (p - x) + weight` and `dP = sum g m`, through the sigmoid.
    fn gradients(&self, rows: &[usize], slopes: &[f32], mask: &[f32], pattern: &[f32]) -> Gradients {
        let (mut d_mask, mut d_pattern) = (vec![self.weight as f32; mask.len()], vec![0.0_f32; pattern.len()]);
        for (row, slopes) in rows.iter().zip(slopes.chunks(self.length)) {
            let image = &self.images.pixels[row * self.length..(row + 1) * self.length];
            for (at, (x, g)) in image.iter().zip(slopes).enumerate() {
                d_mask[at / 3] += g * (pattern[at] - x);
                d_pattern[at] += g * mask[at / 3];
            }
        }
        d_mask.iter_mut().zip(mask).for_each(|(d, m)| *d *= m * (1.0 - m));
        d_pattern.iter_mut().zip(pattern).for_each(|(d, p)| *d *= p * (1.0 - p));
        [(MASK.to_owned(), d_mask), (PATTERN.to_owned(), d_pattern)].into()
    }

    /// Keeps the patch if it is the smallest that turns enough, and weighs the mask anew.
    fn end_period(&mut self) {
        let success = self.shown[1] as f64 / self.shown[0].max(1) as f64;
        let (mask, pattern) = self.patch();
        let size = mask.iter().map(|m| f64::from(*m)).sum::<f64>() / mask.len().max(1) as f64;
        if success >= self.success && size < self.size() {
            self.best = Some(Best { size, success, mask, pattern });
        }
        self.weight = if success >= self.success { self.weight * RISE } else { self.weight / RISE.powf(1.5) };
        self.shown = [0, 0];
    }

    /// The patch, judged on images that it was not searched on.
    pub fn judged(self, model: &mut Differentiable<'_>, among: &[usize]) -> Result<UniversalPatch, GradientError> {
        let rows: Vec<usize> = among.iter().copied().filter(|image| self.images.clean[*image] != self.class).collect();
        let mut turned = 0;
        if let Some(best) = &self.best {
            for rows in rows.chunks(self.batch) {
                let logits = model.logits(&self.applied(rows, &best.mask, &best.pattern), rows.len())?;
                turned += logits.chunks(model.classes()).filter(|row| most(row) == self.class).count();
            }
        }
        let (size, searched) = self.best.as_ref().map_or((1.0, 0.0), |best| (best.size, best.success));
        let (mask, pattern) = self.best.map_or_else(Default::default, |best| (best.mask, best.pattern));
        let judged = Share::of(turned, rows.len());
        Ok(UniversalPatch { class: self.class, size, searched, judged, steps: self.steps, mask, pattern })
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// The largest logit, the first of equals.
pub(super) fn most(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

/// Gradient of the mean cross-entropy with `class` by the logits of one of `images`.
fn slope(row: &[f32], class: usize, images: usize) -> Vec<f32> {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = row.iter().map(|value| (value - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    let share = |(at, value): (usize, f32)| (value / sum - f32::from(u8::from(at == class))) / images as f32;
    exponentials.into_iter().enumerate().map(share).collect()
}
