//! Settings of a training run: what was typed, and the values that stand for everything left to us.

use heirloom_data::augment::Preset;
use heirloom_engine::{Graph, Op, Precision};
use heirloom_training::optimizer::OptimizerSettings;
use heirloom_training::schedule::Schedule;
use heirloom_training::trainer::Adversary;
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::super::FitError;
use super::co_tuning::RelationshipKind;
use super::method::TrainedMethod;

/// What may be typed; `None` leaves the value to us.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecipeOptions {
    /// Side of the network's input in pixels.
    pub image_size: Option<usize>,
    /// Epochs.
    pub epochs: Option<u64>,
    /// Images of a batch.
    pub batch_size: Option<usize>,
    /// Peak learning rate.
    pub learning_rate: Option<f64>,
    /// Rates that `head2toe-ft-plus` tries, as multiples of that of `head2toe-ft`.
    pub rate_multipliers: Option<Vec<f64>>,
    /// Look for the peak learning rate by a sweep before training.
    pub find_rate: bool,
    /// Strength of weight decay.
    pub weight_decay: Option<f64>,
    /// What is done to training images.
    pub augment: Option<Preset>,
    /// Alpha of mixup; none unless given.
    pub mixup: Option<f64>,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: Option<f64>,
    /// How classes of different size are treated.
    pub balance: Balance,
    /// Train on images changed so that the network errs.
    pub adversary: Option<Adversary>,
    /// How the rate changes.
    pub schedule: Option<ScheduleKind>,
    /// Epochs in which the rate rises from 0, before schedules that begin at their peak.
    pub warm_up: Option<f64>,
    /// The rule.
    pub optimizer: Option<OptimizerKind>,
    /// Share of the running average of the weights that each step keeps; no average unless given.
    pub average: Option<f64>,
    /// Factor of the learning rate from one block to the one before; 1 unless given.
    pub layer_decay: Option<f64>,
    /// Largest norm of all gradients together, 0 for no limit.
    pub clip_norm: Option<f64>,
    /// Statistics of batch norms.
    pub norm_statistics: Option<NormStatistics>,
    /// Let `delta` hold channels the more the more they matter to the task at hand, instead of all alike.
    pub delta_attention: bool,
    /// How `co-tuning` relates the classes of the source to those at hand.
    pub relationship: Option<RelationshipKind>,
    /// What the operands of products are rounded to in training.
    pub precision: Precision,
}

/// Rules of optimisation by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimizerKind {
    /// Stochastic gradient descent with Nesterov momentum 0.9.
    Sgd,
    /// Adam with the decay in the gradient.
    Adam,
    /// Adam with decoupled decay.
    AdamW,
}

/// Schedules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleKind {
    /// From the peak to 0 along a cosine.
    Cosine,
    /// Up for 30 % of the steps, then down, both along cosines.
    OneCycle,
    /// Straight up for a third of the epochs, then straight down (`spec/bias-transfer.md` section 5).
    Triangular,
    /// A tenth of the rate at a half and again at three quarters of the epochs.
    Step,
    /// The peak throughout.
    Constant,
}

impl ScheduleKind {
    /// The schedule over `epochs`, and whether it begins at its peak.
    fn over(self, epochs: u64) -> (Schedule, bool) {
        match self {
            Self::Cosine => (Schedule::Cosine { minimum: 0.0 }, true),
            Self::OneCycle => (Schedule::one_cycle(), false),
            Self::Triangular => (Schedule::Triangular { peak_epoch: epochs as f64 / 3.0 }, false),
            Self::Step => {
                let mut milestones = vec![epochs.div_ceil(2), (3 * epochs).div_ceil(4)];
                milestones.dedup();
                (Schedule::Step { milestones, factor: 0.1 }, true)
            }
            Self::Constant => (Schedule::Constant, true),
        }
    }
}

/// Whether batch norms use, and follow, the statistics of the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormStatistics {
    /// None does.
    Frozen,
    /// Those whose own scale or shift is trained.
    Trained,
    /// All do, in frozen layers too: for replication (`spec/bias-transfer.md` section 4).
    Adapt,
}

/// What is done about classes of different size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Nothing: every image counts the same.
    #[default]
    None,
    /// Every class has the same part in the loss.
    Weights,
    /// The logarithm of each class's share is added to the logits while training (Ren et al. 2020).
    Softmax,
}

/// Every setting of a run with its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The method.
    pub method: TrainedMethod,
    /// Side of the network's input in pixels.
    pub image_size: usize,
    /// Epochs.
    pub epochs: u64,
    /// Images of a batch.
    pub batch_size: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Rule and weight decay.
    pub optimizer: OptimizerSettings,
    /// How the rate changes.
    pub schedule: Schedule,
    /// What is done to training images.
    pub augment: String,
    /// Alpha of mixup.
    pub mixup: Option<f64>,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// How classes of different size are treated.
    pub balance: Balance,
    /// Share of the running average of the weights that each step keeps.
    pub average: Option<f64>,
    /// Factor of the learning rate from one block to the one before.
    pub layer_decay: Option<f64>,
    /// Largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Statistics of batch norms.
    pub norm_statistics: NormStatistics,
    /// Whether `delta` weighs channels.
    pub delta_attention: bool,
    /// How the classes of the source are related to those at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<RelationshipKind>,
    /// How images are changed so that the network errs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversary: Option<Adversary>,
    /// What the operands of products are rounded to.
    #[serde(default, skip_serializing_if = "is_exact")]
    pub precision: Precision,
}

/// Side up to which a network is trained unless asked for more: what two cores can do in minutes.
const USUAL_SIDE: usize = 96;
/// Steps that fine-tuning takes at least, as far as epochs allow (the small-data rule of BiT, Kolesnikov et al. 2020).
const STEPS: usize = 500;
/// Largest norm of all gradients together.
const CLIP: f64 = 5.0;

/// Whether the precision is the one of recipes that do not name it.
fn is_exact(precision: &Precision) -> bool {
    *precision == Precision::F32
}

impl Recipe {
    /// The recipe for `rows` training rows whose shorter side has typically `shorter_side` pixels.
    ///
    /// # Errors
    /// A typed value that makes no sense for these data.
    pub fn choose(
        method: TrainedMethod,
        typed: &RecipeOptions,
        backbone: &Backbone,
        rows: usize,
        shorter_side: usize,
    ) -> Result<Self, FitError> {
        let refuse = |setting, value: String, reason: String| Err(FitError::Recipe { setting, value, reason });
        if let Some(size) = typed.batch_size.filter(|&size| size > rows) {
            return refuse("--batch-size", size.to_string(), format!("there are only {rows} rows to train on"));
        }
        if typed.delta_attention && method != TrainedMethod::Delta {
            return refuse("--delta-attention", "on".into(), format!("it belongs to delta, not to {method}"));
        }
        if typed.precision == Precision::Bf16 && method == TrainedMethod::Linearised {
            return refuse("--precision", "bf16".into(), format!("{method} is computed in f32 alone"));
        }
        if typed.relationship.is_some() && method != TrainedMethod::CoTuning {
            return refuse("--relationship", "on".into(), format!("it belongs to co-tuning, not to {method}"));
        }
        if typed.adversary.is_some() && method == TrainedMethod::Linearised {
            return refuse("--adversarial", "on".into(), format!("{method} takes no steps over batches of images"));
        }
        if let Some(multipliers) = &typed.rate_multipliers {
            let value = format!("{multipliers:?}");
            if method != TrainedMethod::Head2ToeFtPlus {
                return refuse("--rate-multipliers", value, format!("it belongs to head2toe-ft-plus, not to {method}"));
            }
            if multipliers.is_empty() || !multipliers.iter().all(|one| one.is_finite() && *one > 0.0) {
                return refuse("--rate-multipliers", value, "one or more numbers above 0 are needed".into());
            }
        }
        let transformer = is_transformer(&backbone.graph);
        let image_size = typed.image_size.unwrap_or_else(|| usual_side(backbone, transformer, shorter_side));
        let usual_batch = if image_size <= 40 { 128 } else { 32 };
        let batch_size = typed.batch_size.unwrap_or_else(|| usual_batch.min((rows / 8).max(8)).min(rows));
        let steps = rows.div_ceil(batch_size.max(1));
        let epochs = typed.epochs.unwrap_or_else(|| usual_epochs(method, steps));
        let kind = typed.optimizer.unwrap_or(if transformer { OptimizerKind::AdamW } else { OptimizerKind::Sgd });
        let adaptive = kind != OptimizerKind::Sgd;
        let learning_rate = typed.learning_rate.unwrap_or_else(|| usual_rate(method, adaptive, batch_size));
        if !(learning_rate.is_finite() && learning_rate > 0.0) {
            return refuse("--learning-rate", learning_rate.to_string(), "it must be above 0".into());
        }
        let decay = typed.weight_decay.unwrap_or_else(|| usual_decay(method, kind == OptimizerKind::AdamW));
        let optimizer = match kind {
            OptimizerKind::Sgd => OptimizerSettings::nesterov(0.9).with_weight_decay(decay),
            OptimizerKind::Adam => OptimizerSettings::adam().with_weight_decay(decay),
            OptimizerKind::AdamW => OptimizerSettings::adamw(decay),
        };
        Ok(Self {
            method,
            image_size,
            epochs,
            batch_size,
            learning_rate,
            optimizer,
            schedule: schedule(typed, steps as u64, epochs)?,
            augment: typed.augment.unwrap_or(Preset::Crop).name().to_owned(),
            mixup: typed.mixup,
            label_smoothing: typed.label_smoothing.unwrap_or(0.0),
            balance: typed.balance,
            average: typed.average,
            layer_decay: typed.layer_decay.filter(|&decay| decay < 1.0),
            clip_norm: Some(typed.clip_norm.unwrap_or(CLIP)).filter(|&norm| norm > 0.0),
            norm_statistics: typed.norm_statistics.unwrap_or(if method.moves_statistics() {
                NormStatistics::Trained
            } else {
                NormStatistics::Frozen
            }),
            delta_attention: typed.delta_attention,
            relationship: (method == TrainedMethod::CoTuning).then(|| typed.relationship.unwrap_or_default()),
            adversary: typed.adversary,
            precision: typed.precision,
        })
    }

    /// One line for a reader.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { image_size, epochs, batch_size, learning_rate, augment, .. } = self;
        let precision = if is_exact(&self.precision) { "" } else { ", bf16" };
        let decay = self.optimizer.weight_decay;
        let adversary = self.adversary.map_or_else(String::new, |adversary| {
            let Adversary { epsilon, steps } = adversary;
            format!(", changed by up to {:.1} grey levels in {steps} steps against the network", 255.0 * epsilon)
        });
        format!(
            "{image_size} px, {epochs} epochs, batches of {batch_size}, learning rate {learning_rate}, \
             weight decay {decay}, augmentation {augment}{adversary}{precision}"
        )
    }
}

/// The schedule that was typed, else a cosine; those that begin at their peak rise to it over a twentieth of the steps.
fn schedule(typed: &RecipeOptions, steps_per_epoch: u64, epochs: u64) -> Result<Schedule, FitError> {
    let (schedule, begins_at_peak) = typed.schedule.unwrap_or(ScheduleKind::Cosine).over(epochs);
    let all = steps_per_epoch * epochs;
    let steps = match typed.warm_up {
        Some(warm_up) => (warm_up * steps_per_epoch as f64).round() as u64,
        None if begins_at_peak => (all / 20).clamp(1, 500).min(all.saturating_sub(1)),
        None => 0,
    };
    if steps > 0 && steps >= all {
        let warm_up = typed.warm_up.unwrap_or_default();
        let reason = format!("there are {epochs} epochs in all");
        return Err(FitError::Recipe { setting: "--warm-up", value: warm_up.to_string(), reason });
    }
    Ok(if steps == 0 { schedule } else { schedule.after_warm_up(steps) })
}

fn is_transformer(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| matches!(node.op, Op::Attention { .. }))
}

/// Transformers keep their size (their position embeddings belong to it), convolution networks take what the images offer.
fn usual_side(backbone: &Backbone, transformer: bool, shorter_side: usize) -> usize {
    let native = backbone.preprocess.input_size.into_iter().max().unwrap_or(USUAL_SIDE);
    if transformer {
        return native;
    }
    shorter_side.next_multiple_of(32).clamp(32, USUAL_SIDE).min(native)
}

fn usual_epochs(method: TrainedMethod, steps_per_epoch: usize) -> u64 {
    let epochs = STEPS.div_ceil(steps_per_epoch.max(1)) as u64;
    if method == TrainedMethod::Scratch { (3 * epochs).clamp(20, 90) } else { epochs.clamp(5, 30) }
}

fn usual_rate(method: TrainedMethod, adaptive: bool, batch_size: usize) -> f64 {
    let scale = batch_size as f64 / 32.0;
    let (usual, scratch, partial, small) =
        if adaptive { (5e-5, 5e-4, 1e-3, 1e-5) } else { (5e-3, 2.5e-2, 2.5e-2, 1e-3) };
    let rate = match method {
        TrainedMethod::Scratch => scratch,
        _ if method.begins_fitted() => small,
        _ if method.is_partial() => partial,
        _ => usual,
    };
    // Two digits, so that the value shown is the value used.
    let rate: f64 = rate * scale;
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

/// The penalties of l2-sp and delta take the place of weight decay, which would pull towards zero.
fn usual_decay(method: TrainedMethod, decoupled: bool) -> f64 {
    match method {
        TrainedMethod::L2Sp | TrainedMethod::Delta => 0.0,
        _ if method.is_partial() => 0.0,
        _ if decoupled => 0.05,
        TrainedMethod::Scratch => 5e-4,
        _ => 1e-4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_two_digits() {
        assert_eq!(usual_rate(TrainedMethod::LpFt, true, 32).to_string(), "0.00001");
        assert_eq!(usual_rate(TrainedMethod::Full, false, 33).to_string(), "0.0052");
    }
}
