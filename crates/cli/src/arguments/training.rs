//! What can be typed about training.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Settings of training. What is left out is chosen from the data and the network, and shown.
#[derive(Debug, Clone, Default, Args)]
pub struct RecipeArguments {
    /// Side of the network's input in pixels [default: the backbone's, at most 96 for convolution networks]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=1024))]
    pub image_size: Option<u32>,
    /// Passes over the training images [default: enough for 500 steps, 5 to 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub epochs: Option<u64>,
    /// Images of a step [default: 32, or 128 at 40 px and below; fewer on small sets]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Highest learning rate, or 'find' to look for it by a sweep [default: by method, network and batch size]
    #[arg(long, value_name = "R|find", value_parser = learning_rate)]
    pub learning_rate: Option<LearningRate>,
    /// How the learning rate changes [default: cosine]
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<ScheduleName>,
    /// Epochs in which the rate rises from 0 [default: a twentieth of the steps; one-cycle and triangular rise by themselves]
    #[arg(long, value_name = "EPOCHS", value_parser = not_negative)]
    pub warm_up: Option<f64>,
    /// How a step follows from the gradients [default: sgd, adamw for transformers]
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<OptimizerName>,
    /// Strength of weight decay [default: by method and network]
    #[arg(long, value_name = "R", value_parser = not_negative)]
    pub weight_decay: Option<f64>,
    /// Factor of the learning rate from one block to the one before it, as 0.75 [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub layer_decay: Option<f64>,
    /// Keep a running average of the weights, of which each step keeps this share, as 0.999; it is judged and written
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub average: Option<f64>,
    /// Largest norm of all gradients together, 0 for none [default: 5]
    #[arg(long, value_name = "NORM", value_parser = not_negative)]
    pub clip_norm: Option<f64>,
    /// Statistics of batch norms: frozen, trained (of those whose scale or shift is), or adapt (of all, in frozen layers too)
    #[arg(long, value_name = "HOW")]
    pub norm_statistics: Option<NormStatisticsName>,
    /// Random changes to training images; none where a mirror image means something else
    #[arg(long, value_name = "PRESET", default_value = "crop")]
    pub augment: AugmentName,
    /// Blend pairs of images, shares drawn from Beta(A, A)
    #[arg(long, value_name = "A", value_parser = positive)]
    pub mixup: Option<f64>,
    /// Share of every target spread over all classes
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub label_smoothing: Option<f64>,
    /// What to do about classes of different size
    #[arg(long, value_name = "HOW", default_value = "none")]
    pub balance: BalanceName,
    /// Train on images changed by up to this many of 255 grey levels so that the network errs: slower, and harder to fool
    #[arg(long, value_name = "LEVELS", value_parser = levels)]
    pub adversarial: Option<f64>,
    /// Steps in which each such change is looked for [default: 1]
    #[arg(long, value_name = "N", requires = "adversarial", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub adversarial_steps: Option<u32>,
    /// End training after this time, as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// Compute activations again instead of keeping them: less memory, more time
    #[arg(long)]
    pub recompute: bool,
    /// Write the metrics of every epoch to this file, one JSON object a line, and beside it to events that TensorBoard reads
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// What `fit` says of training besides the recipe.
#[derive(Debug, Clone, Default, Args)]
pub struct TrainingArguments {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Do not train this layer, module or parameter (* and ? match); may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub freeze: Vec<String>,
    /// Train this layer or module and what follows it alone
    #[arg(long, value_name = "LAYER")]
    pub train_from: Option<String>,
    /// Train this layer, module or parameter and the head alone (* and ? match), or auto for the block that the task pulls at most; may be repeated
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["freeze", "train_from"])]
    pub train_only: Vec<String>,
    /// Train convolutions that hold a folded batch norm as they stand, instead of putting the norm back
    #[arg(long)]
    pub keep_folded: bool,
    /// Also write the network after every epoch, as FILE.epoch-01.safetensors: for diff, or to begin from
    #[arg(long)]
    pub keep_epochs: bool,
    /// Let delta hold the channels that matter to the task more than others; takes a pass over four batches for every channel
    #[arg(long)]
    pub delta_attention: bool,
    /// How co-tuning relates the classes of the source to yours: by a head turned round, or by the mean answer to each [default: reverse]
    #[arg(long, value_name = "HOW")]
    pub relationship: Option<RelationshipName>,
    /// Rates that head2toe-ft-plus tries, as multiples of that of head2toe-ft [default: 1,5]
    #[arg(long, value_name = "M,M,...", value_delimiter = ',', value_parser = positive)]
    pub rate_multipliers: Vec<f64>,
}

/// A learning rate as typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// This one.
    Value(f64),
    /// What a sweep finds.
    Find,
}

impl RecipeArguments {
    /// The first option that was typed.
    pub fn typed(&self) -> Option<&'static str> {
        let typed = [
            ("--image-size", self.image_size.is_some()),
            ("--epochs", self.epochs.is_some()),
            ("--batch-size", self.batch_size.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--schedule", self.schedule.is_some()),
            ("--warm-up", self.warm_up.is_some()),
            ("--optimizer", self.optimizer.is_some()),
            ("--weight-decay", self.weight_decay.is_some()),
            ("--layer-decay", self.layer_decay.is_some()),
            ("--average", self.average.is_some()),
            ("--clip-norm", self.clip_norm.is_some()),
            ("--norm-statistics", self.norm_statistics.is_some()),
            ("--augment", self.augment != AugmentName::default()),
            ("--mixup", self.mixup.is_some()),
            ("--label-smoothing", self.label_smoothing.is_some()),
            ("--balance", self.balance != BalanceName::default()),
            ("--adversarial", self.adversarial.is_some()),
            ("--time-limit", self.time_limit.is_some()),
            ("--recompute", self.recompute),
            ("--log", self.log.is_some()),
        ];
        typed.into_iter().find(|option| option.1).map(|option| option.0)
    }
}

impl TrainingArguments {
    /// The first option that was typed and that means something only where weights go by steps over batches.
    pub fn typed_for_steps(&self) -> Option<&'static str> {
        let recipe = RecipeArguments { image_size: None, ..self.recipe.clone() };
        let own = Self {
            recipe,
            freeze: Vec::new(),
            train_from: None,
            train_only: Vec::new(),
            keep_folded: false,
            ..self.clone()
        };
        own.typed()
    }

    /// The first option that was typed.
    pub fn typed(&self) -> Option<&'static str> {
        let typed = [
            ("--freeze", !self.freeze.is_empty()),
            ("--train-from", self.train_from.is_some()),
            ("--train-only", !self.train_only.is_empty()),
            ("--keep-folded", self.keep_folded),
            ("--keep-epochs", self.keep_epochs),
            ("--delta-attention", self.delta_attention),
            ("--relationship", self.relationship.is_some()),
            ("--rate-multipliers", !self.rate_multipliers.is_empty()),
        ];
        let own = typed.into_iter().find(|option| option.1).map(|option| option.0);
        self.recipe.typed().or(own)
    }
}

/// How classes of the source and of the target are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RelationshipName {
    /// By a head that tells your classes from the source's probabilities, turned round
    Reverse,
    /// By the mean of the source's probabilities over each of your classes
    Direct,
}

/// Schedules of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScheduleName {
    /// From the peak to 0 along a cosine
    Cosine,
    /// Up for 30 % of the steps, then down to almost 0
    OneCycle,
    /// Straight up for a third of the epochs, then straight down
    Triangular,
    /// A tenth of the rate at half and again at three quarters of the epochs
    Step,
    /// The same rate throughout
    Constant,
}

/// Rules of optimisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// Stochastic gradient descent with Nesterov momentum 0.9
    Sgd,
    /// Adam, weight decay in the gradient
    Adam,
    /// Adam with decoupled weight decay
    #[value(name = "adamw")]
    AdamW,
}

/// Statistics of batch norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NormStatisticsName {
    /// They stay as they are
    Frozen,
    /// Those of the norms that are trained follow the batches
    Trained,
    /// All follow the batches, in frozen layers too
    Adapt,
}

/// Presets of augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AugmentName {
    /// The evaluation pixels
    None,
    /// Mirror images
    Flip,
    /// Random crops (shifts of images up to 40 px) and mirror images
    #[default]
    Crop,
    /// As crop, with changes of colour
    Strong,
}

/// What to do about classes of different size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BalanceName {
    /// Every image counts the same
    #[default]
    None,
    /// Every class counts the same
    Weights,
    /// Logits are shifted by the logarithm of the class's share while training
    Softmax,
}

fn number(text: &str, valid: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|&value| value.is_finite() && valid(value))
        .ok_or_else(|| format!("expected {expected}"))
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0, "a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "a number of 0 or above")
}

fn levels(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 64.0, "a number of grey levels above 0, at most 64")
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 1.0, "a number above 0, at most 1")
}

fn learning_rate(text: &str) -> Result<LearningRate, String> {
    if text == "find" {
        return Ok(LearningRate::Find);
    }
    number(text, |value| value > 0.0, "a number above 0, or 'find'").map(LearningRate::Value)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| (0.0..1.0).contains(&value), "a number from 0 to below 1")
}

/// `90s`, `10m`, `2h`, `2h30m`, or seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const WANTED: &str = "a time such as 90s, 10m, 2h or 2h30m";
    let parts: Vec<&str> = text.split_inclusive(['h', 'm', 's']).collect();
    let units: Vec<Option<char>> =
        parts.iter().map(|part| part.chars().last().filter(|last| "hms".contains(*last))).collect();
    let place = |unit: &Option<char>| unit.and_then(|unit| "hms".find(unit));
    // Hours before minutes before seconds, each once; a bare number stands alone.
    if parts.is_empty() || (parts.len() > 1 && !units.is_sorted_by(|a, b| place(a).is_some() && place(a) < place(b))) {
        return Err(format!("expected {WANTED}"));
    }
    let mut seconds = 0.0;
    for (part, unit) in parts.iter().zip(units) {
        let factor = unit.map_or(1.0, |unit| {
            if unit == 'h' {
                3600.0
            } else if unit == 'm' {
                60.0
            } else {
                1.0
            }
        });
        seconds += number(part.trim_end_matches(['h', 'm', 's']), |value| value > 0.0, WANTED)? * factor;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("expected {WANTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("45"), Ok(Duration::from_secs(45)));
        assert_eq!(duration("2h20m"), Ok(Duration::from_secs(8400)));
        assert_eq!(duration("1h0.5m15s"), Ok(Duration::from_secs(3645)));
        for wrong in ["20m2h", "2h3h", "2h30", "h", "", "2hm"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration("soon").is_err() && duration("-3m").is_err() && duration("0").is_err());
    }
}
