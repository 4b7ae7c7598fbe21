//! Batch normalisation in training: statistics of a batch, and gradients with the statistics as part of the function or frozen.
//!
//! With `u = (x - mean) / deviation`, `y = u * weight + bias` and `n` rows, the gradient of the input is
//! `weight / deviation * (dy - sum(dy) / n - u * sum(dy * u) / n)` where mean and deviation are the batch's own, and
//! `weight / deviation * dy` where they are constants.

use super::super::simd::Simd;
use super::super::{Isa, Stored, StoredMut};
use super::activation::sum;
use super::affine::affine;
use super::elementwise::Elementwise;
use super::lanes::{Lanes, Operand, Results, Step};
use crate::Activation;

/// Rows whose mean is subtracted before anything is summed.
const SAMPLE: usize = 64;

/// Mean and biased variance (divided by the number of rows) of each channel of `values` `[rows, channels]`, in one pass over
/// deviations from the mean of a few rows, so that a large mean costs no digits. Zeros where there are no rows.
pub fn batch_statistics<'a>(isa: Isa, values: impl Into<Stored<'a>>, mean: &mut [f32], variance: &mut [f32]) {
    let values = values.into();
    let channels = mean.len();
    assert_eq!(variance.len(), channels, "means and variances");
    let rows = (values.len() / channels.max(1)).max(1);
    let centre = sample_mean(values, channels);
    let inputs = [Operand::From(values)];
    let [sums, squares] = Lanes { isa, step: Moments, channels, parameters: [&centre], inputs, targets: [] }.run();
    for channel in 0..channels {
        let offset = sums[channel] / rows as f64;
        mean[channel] = (f64::from(centre[channel]) + offset) as f32;
        let spread = squares[channel] / rows as f64 - offset * offset;
        // Rounding may leave less than nothing; a NaN stays one.
        variance[channel] = if spread < 0.0 { 0.0 } else { spread as f32 };
    }
}

/// Mean of a few rows spread over all.
fn sample_mean(values: Stored<'_>, channels: usize) -> Vec<f32> {
    let rows = values.len() / channels.max(1);
    let count = rows.min(SAMPLE);
    let mut sums = vec![0.0; channels];
    for index in 0..count {
        let first = index * rows / count * channels;
        sums.iter_mut().enumerate().for_each(|(channel, sum)| *sum += f64::from(values.at(first + channel)));
    }
    sums.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect()
}

/// Parameter: a number near the mean.
struct Moments;

impl Step<1, 1, 0, 2> for Moments {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [mut values]: [[S::Vector; G]; 1],
        [centre]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 0, 2> {
        let mut squares = values;
        for g in 0..G {
            values[g] = simd.subtract(values[g], centre[g]);
            squares[g] = simd.multiply(values[g], values[g]);
        }
        ([], [values, squares])
    }
}

/// A batch norm as one multiply-add per value, `x * scale + shift`; one value per channel each.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormAffine {
    /// Mean that is subtracted.
    pub mean: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`
    pub inverse_deviation: Vec<f32>,
    /// `weight * inverse_deviation`
    pub scale: Vec<f32>,
    /// `bias - mean * scale`
    pub shift: Vec<f32>,
}

impl BatchNormAffine {
    /// From statistics (of the batch or running) and parameters, all of one value per channel.
    #[must_use]
    pub fn new(mean: &[f32], variance: &[f32], weight: &[f32], bias: &[f32], epsilon: f64) -> Self {
        let inverse_deviation: Vec<f32> =
            variance.iter().map(|&value| (1.0 / (f64::from(value) + epsilon).sqrt()) as f32).collect();
        let scale: Vec<f32> = weight.iter().zip(&inverse_deviation).map(|(&w, &inverse)| w * inverse).collect();
        // With the rounded scale, so that the mean itself maps to the bias.
        let shift = |channel: usize| f64::from(bias[channel]) - f64::from(mean[channel]) * f64::from(scale[channel]);
        let shift = (0..mean.len()).map(|channel| shift(channel) as f32).collect();
        Self { mean: mean.to_vec(), inverse_deviation, scale, shift }
    }
}

/// Gradients of a factor and a summand per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineGradient {
    /// Of the factor, `[channels]`.
    pub weight: Vec<f32>,
    /// Of the summand, `[channels]`.
    pub bias: Vec<f32>,
}

/// The gradient of a batch norm and of what follows it, in two passes over `x` and `dy` (one where the statistics are constants).
#[derive(Debug, Clone, Copy)]
pub struct BatchNormGradient<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// The input `x` of the forward pass, `[rows, channels]`.
    pub values: Stored<'a>,
    /// The map that the forward pass applied.
    pub affine: &'a BatchNormAffine,
    /// Whether mean and deviation are those of `values` (and have gradients) or constants.
    pub batch_statistics: bool,
    /// A function directly behind the norm; its argument is computed again from `x`, so nothing else has to be kept.
    pub activation: Option<Activation>,
    /// Added to the gradient of the input, `[rows, channels]`.
    pub add: Option<Stored<'a>>,
}

impl BatchNormGradient<'_> {
    /// Writes the gradient of the input to `dx` and returns those of the parameters; `dy` and `dx` are `[rows, channels]`.
    pub fn run<'b>(&self, dy: impl Into<Stored<'b>>, dx: impl Into<StoredMut<'b>>) -> AffineGradient {
        self.through(Operand::From(dy.into()), dx.into())
    }

    /// Like [`BatchNormGradient::run`], from `dy` into itself.
    pub fn run_in_place<'b>(&self, gradient: impl Into<StoredMut<'b>>) -> AffineGradient {
        self.through(Operand::Target(0), gradient.into())
    }

    /// The gradients of the parameters alone.
    #[must_use]
    pub fn parameters<'b>(&self, dy: impl Into<Stored<'b>>) -> AffineGradient {
        self.parameters_of(self.sums(Operand::From(dy.into())))
    }

    /// For `output = f(norm(x) + other)`, where `f` is [`Activation::Relu`] or [`Activation::Relu6`] and the norm has no function
    /// of its own: `gradient` holds `dy`, and afterwards the gradient of the sum, hence of `other`. All are `[rows, channels]`.
    pub fn run_behind_sum<'b>(
        &self,
        function: Activation,
        output: impl Into<Stored<'b>>,
        gradient: impl Into<StoredMut<'b>>,
        dx: Option<StoredMut<'b>>,
    ) -> AffineGradient {
        let (output, mut gradient) = (output.into(), gradient.into());
        assert!(
            self.activation.is_none() && matches!(function, Activation::Relu | Activation::Relu6),
            "{function:?} of a sum, {:?} of its summand",
            self.activation
        );
        let inputs = [Operand::Target(0), Operand::From(self.values), Operand::From(output)];
        let (step, targets, parameters) =
            (Masked(Elementwise { isa: self.isa, function }), [gradient.reborrow()], [self.affine.mean.as_slice()]);
        let sums = Lanes { isa: self.isa, step, channels: self.channels(), parameters, inputs, targets }.run();
        if let Some(dx) = dx {
            self.apply(Operand::From(gradient.as_stored()), dx, &sums);
        }
        self.parameters_of(sums)
    }

    fn channels(&self) -> usize {
        self.affine.scale.len()
    }

    /// `dy` is memory of its own or the target.
    fn through(&self, dy: Operand<'_>, dx: StoredMut<'_>) -> AffineGradient {
        if !self.batch_statistics {
            return self.parameters_of(self.frozen(dy, dx));
        }
        let sums = match dy {
            Operand::Target(_) => self.sums(Operand::From(dx.as_stored())),
            other => self.sums(other),
        };
        self.apply(dy, dx, &sums);
        self.parameters_of(sums)
    }

    /// Sums over the rows of `dz` and `dz * (x - mean)`, `dz` being the gradient of the norm's output.
    fn sums(&self, dy: Operand<'_>) -> [Vec<f64>; 2] {
        let (isa, channels, parameters) = (self.isa, self.channels(), self.constants());
        let inputs = [dy, Operand::From(self.values)];
        Lanes { isa, step: Reduce(self.function()), channels, parameters, inputs, targets: [] }.run()
    }

    /// Gradient of the input and the sums in one pass, with constant statistics.
    fn frozen(&self, dy: Operand<'_>, dx: StoredMut<'_>) -> [Vec<f64>; 2] {
        let (isa, channels, parameters) = (self.isa, self.channels(), self.constants());
        let inputs = [dy, Operand::From(self.values), Operand::perhaps(self.add)];
        Lanes { isa, step: Frozen(self.function()), channels, parameters, inputs, targets: [dx] }.run()
    }

    /// The gradient of the input from that of the output and the sums.
    fn apply(&self, dy: Operand<'_>, dx: StoredMut<'_>, sums: &[Vec<f64>; 2]) {
        let ([mean, scale, shift], [slope, offset]) = (self.constants(), self.correction(sums));
        let parameters = [mean, scale, shift, &slope, &offset];
        let (isa, channels, step) = (self.isa, self.channels(), Apply(self.function()));
        let inputs = [dy, Operand::From(self.values), Operand::perhaps(self.add)];
        Lanes { isa, step, channels, parameters, inputs, targets: [dx] }.run();
    }

    /// Mean, scale and shift.
    fn constants(&self) -> [&[f32]; 3] {
        [&self.affine.mean, &self.affine.scale, &self.affine.shift]
    }

    fn function(&self) -> Option<Elementwise> {
        self.activation.map(|function| Elementwise { isa: self.isa, function })
    }

    /// What the statistics add to the gradient of the input: `slope * (x - mean) + offset`.
    fn correction(&self, [sums, products]: &[Vec<f64>; 2]) -> [Vec<f32>; 2] {
        let rows =
            if self.batch_statistics { self.values.len() as f64 / self.channels() as f64 } else { f64::INFINITY };
        let factor = |channel: usize| -f64::from(self.affine.scale[channel]) / rows;
        let inverse = |channel: usize| f64::from(self.affine.inverse_deviation[channel]);
        let slope = |channel: usize| factor(channel) * products[channel] * inverse(channel).powi(2);
        let channels = 0..self.channels();
        [
            channels.clone().map(|channel| slope(channel) as f32).collect(),
            channels.map(|channel| (factor(channel) * sums[channel]) as f32).collect(),
        ]
    }

    fn parameters_of(&self, [sums, products]: [Vec<f64>; 2]) -> AffineGradient {
        let inverse = self.affine.inverse_deviation.iter();
        AffineGradient {
            weight: products.iter().zip(inverse).map(|(sum, &inverse)| (sum * f64::from(inverse)) as f32).collect(),
            bias: sums.iter().map(|&sum| sum as f32).collect(),
        }
    }
}

/// The gradient of a norm's output from that of the function behind it.
#[inline(always)]
fn behind<S: Simd, const G: usize>(
    simd: S,
    function: &Option<Elementwise>,
    dy: [S::Vector; G],
    x: [S::Vector; G],
    scale: [S::Vector; G],
    shift: [S::Vector; G],
) -> [S::Vector; G] {
    match function {
        Some(function) => function.backward(simd, affine(simd, x, scale, shift), dy),
        None => dy,
    }
}

/// `dz` and `dz * (x - mean)`
#[inline(always)]
fn terms<S: Simd, const G: usize>(
    simd: S,
    dz: [S::Vector; G],
    mut x: [S::Vector; G],
    mean: [S::Vector; G],
) -> [[S::Vector; G]; 2] {
    for g in 0..G {
        x[g] = simd.multiply(dz[g], simd.subtract(x[g], mean[g]));
    }
    [dz, x]
}

/// Inputs: `dy`, `x`. Parameters: mean, scale, shift.
struct Reduce(Option<Elementwise>);

impl Step<2, 3, 0, 2> for Reduce {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [dy, x]: [[S::Vector; G]; 2],
        [mean, scale, shift]: [[S::Vector; G]; 3],
    ) -> Results<S, G, 0, 2> {
        ([], terms(simd, behind(simd, &self.0, dy, x, scale, shift), x, mean))
    }
}

/// Inputs: `dy`, `x` and a summand. Parameters: mean, scale, shift. Target: the gradient of the input with constant statistics.
struct Frozen(Option<Elementwise>);

impl Step<3, 3, 1, 2> for Frozen {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [dy, x, add]: [[S::Vector; G]; 3],
        [mean, scale, shift]: [[S::Vector; G]; 3],
    ) -> Results<S, G, 1, 2> {
        let dz = behind(simd, &self.0, dy, x, scale, shift);
        ([affine(simd, dz, scale, add)], terms(simd, dz, x, mean))
    }
}

/// Inputs: `dy`, `x`, the output of the function behind the sum. Parameter: mean. Target: `dz`.
struct Masked(Elementwise);

impl Step<3, 1, 1, 2> for Masked {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [dy, x, output]: [[S::Vector; G]; 3],
        [mean]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 1, 2> {
        let dz = self.0.backward(simd, output, dy);
        ([dz], terms(simd, dz, x, mean))
    }
}

/// Inputs: `dy`, `x` and a summand. Parameters: mean, scale, shift, and slope and offset of the correction.
struct Apply(Option<Elementwise>);

impl Step<3, 5, 1, 0> for Apply {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [dy, x, add]: [[S::Vector; G]; 3],
        [mean, scale, shift, slope, offset]: [[S::Vector; G]; 5],
    ) -> Results<S, G, 1, 0> {
        let mut dx = behind(simd, &self.0, dy, x, scale, shift);
        for g in 0..G {
            let centred = simd.subtract(x[g], mean[g]);
            dx[g] = simd.multiply_add(dx[g], scale[g], simd.multiply_add(centred, slope[g], offset[g]));
        }
        ([sum(simd, dx, add)], [])
    }
}
