//! What can be typed after `audit`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use heirloom_audit::remedies::Remedy;
use heirloom_audit::{Extent, Gate};

/// Look for what a model depends on besides what it should: triggers, corners, pieces of other images, groups.
///
/// Needs nothing but the model and labelled images. Known triggers (squares of eight colours and a chequered one at five places, a
/// border, a watermark, a noise pattern) are put on test images, and each that seems to do something is judged on other images beside
/// patches of the same place and size: what hiding a part of an image does is subtracted. Further: where hiding a part breaks most, what
/// small pieces of other classes' images do, and whether groups of a column (or, without one, images that look alike to the model) are
/// answered worse than others.
///
/// MODEL is a file that fit wrote, or a backbone: then a linear head is fitted on training images first. Figures are on the test images
/// of the data. Nothing found is no proof that there is nothing: it means nothing beyond what the controls show.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom audit model.heirloom --data photos/
  heirloom audit mobilenetv2_1.0_gluon_bn --data photos/ -o photos.audit.html
  heirloom audit model.heirloom --data pacs.parquet --group domain --fail-on 'worst-group<0.5'
  heirloom audit model.heirloom --data photos/ --remedy             what helps, and what it costs
  heirloom audit model.heirloom --data photos/ --reference clean.heirloom --fail-on 'asr>0.2' --json
  heirloom audit model.heirloom --data photos/ --scan --fail-on 'scan>0.4'
  heirloom audit model.heirloom --data photos/ --robustness --outliers other-photos/
  heirloom audit mobilenetv2_1.0 --data photos/ --training-set    wrong labels, uneven classes, fewer images")]
pub struct AuditArguments {
    /// The model: a file that fit wrote, or a backbone (a path, or a name in $HEIRLOOM_DATA/weights)
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Labelled images: a folder of CLASS/IMAGE (with or without train, val, test above), CSV or parquet table
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    /// Column of a CSV or parquet table that holds the labels [default: label]
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Use only rows whose column has this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = super::selection::condition)]
    pub conditions: Vec<(String, String)>,
    /// Compare the groups of this column: domain, place, camera
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// Judge at most N images, the same number of every class as far as there are as many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(24..))]
    pub limit: u32,
    /// How much to try
    #[arg(long, value_enum, default_value_t = BatteryName::Quick)]
    pub battery: BatteryName,
    /// Also search for triggers that nobody knows of: the colour of a square, anywhere, that breaks the most answers
    #[arg(long)]
    pub scan: bool,
    /// A model that is known to be without the trigger, on the same data, or `random`: the model's own network with random weights and a
    /// linear head. What the model does beyond it counts; may be given several times
    #[arg(long, value_name = "MODEL")]
    pub reference: Vec<String>,
    /// Also measure how far answers and certainty can be trusted: calibration, its own mistakes, images of no class, common
    /// corruptions, and the smallest changes that break answers
    #[arg(long)]
    pub robustness: bool,
    /// Images that belong to none of the classes, a folder or table, beside the drawn ones; may be given several times
    #[arg(long, value_name = "DATA", requires = "robustness")]
    pub outliers: Vec<PathBuf>,
    /// Images that are attacked, at most
    #[arg(long, value_name = "N", default_value_t = 64, requires = "robustness", value_parser = clap::value_parser!(u32).range(1..))]
    pub attacked: u32,
    /// Also fit linear heads on the model's features with wrong labels, uneven classes and fewer images, beside the same network with
    /// random weights: how much the training set may be worse before the model is
    #[arg(long)]
    pub training_set: bool,
    /// Images that are corrupted in thirteen ways at five severities, at most
    #[arg(long, value_name = "N", default_value_t = 128, requires = "robustness", value_parser = clap::value_parser!(u32).range(1..))]
    pub corrupted: u32,
    /// Exit with code 4 when this holds: asr>SHARE (what a trigger breaks beyond the strongest of its controls), scan>SHARE,
    /// group-gap>SHARE, worst-group<SHARE; with --robustness also calibration>SHARE (deviation of certainty from accuracy),
    /// corruption>SHARE (what common corruptions cost), adversarial<SHARE (accuracy when changed by 2 of 255 grey levels),
    /// outliers<SHARE (area by which certainty tells images of no class); may be given several times
    #[arg(long, value_name = "LIMIT")]
    pub fail_on: Vec<Gate>,
    /// When a trigger or a gap between groups stands out, try remedies on the model and show accuracy and dependence before and after:
    /// debias, mask, prune (for triggers), balance, dfr (for groups, with --group), full, decay, debias-full (train the whole
    /// network); all without a name. Nothing is written
    #[arg(long, value_name = "NAME", num_args = 0.., value_parser = remedy_parser())]
    pub remedy: Option<Vec<Remedy>>,
    /// The backbone of models written with --slim
    #[arg(long, value_name = "PATH|NAME")]
    pub backbone: Option<String>,
    /// Where to write the page; the findings go next to it as FILE.findings.json
    #[arg(short, long, value_name = "FILE", default_value = "audit.html")]
    pub output: PathBuf,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Most memory that images and features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
}

/// The names of remedies.
fn remedy_parser() -> impl TypedValueParser<Value = Remedy> {
    let named = |name: String| Remedy::ALL.into_iter().find(|remedy| remedy.name() == name).unwrap_or(Remedy::Full);
    PossibleValuesParser::new(Remedy::ALL.map(Remedy::name)).map(named)
}

/// How much an audit tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BatteryName {
    /// Squares of two sizes; at most thirty times as many images go through the network as are judged
    Quick,
    /// Squares of five sizes, more images, more classes, a finer grid
    Full,
}

impl From<BatteryName> for Extent {
    fn from(name: BatteryName) -> Self {
        match name {
            BatteryName::Quick => Self::Quick,
            BatteryName::Full => Self::Full,
        }
    }
}
