//! What can be typed after `compare`.

use std::path::PathBuf;

use clap::Args;
use heirloom_transfer::compare::{Adaptation, Auto};

use super::{PrecisionArguments, RecipeArguments, StorageArguments, TableArguments};

/// Fit many methods on one or more backbones, judge all on the same images, and lay accuracy beside cost on one page.
///
/// Every method is fitted on several draws of training rows. With test rows in the data, each draw takes another stratified four fifths
/// of the training rows and is judged on all test rows. Without, draws are the folds of a cross-validation: five judge every image
/// once. All settings of a method are chosen on the draw's training rows.
///
/// Results are kept in the cache: a comparison that was broken off goes on where it was, and one with a further method or backbone
/// computes only what is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heirloom compare photos/ --backbone deit_tiny_patch16_224
  heirloom compare photos/ --backbone deit_tiny_patch16_224 squeezenet1_1 --methods linear,head2toe,knn --seeds 10
  heirloom compare photos/ --backbone mobilenetv2_1.0_gluon_bn --methods all --epochs 10 -o photos.compare.html
  heirloom compare pacs.parquet --where domain=sketch --backbone w.safetensors --json
  heirloom compare embeddings.npz                    heads on features from anywhere, no backbone")]
pub struct CompareArguments {
    /// The data set.
    #[command(flatten)]
    pub table: TableArguments,
    /// Pretrained networks: weight files, folders as timm publishes them, or names in $HEIRLOOM_DATA/weights; none for a table
    /// of features
    #[arg(long, value_name = "PATH|NAME", num_args = 1..)]
    pub backbone: Vec<String>,
    /// Methods, separated by commas: names as for fit, or frozen, trained, all; auto is what fit
    /// takes when no method is named
    #[arg(long, value_name = "METHOD,...", default_value = "frozen", value_parser = methods)]
    pub methods: Methods,
    /// Draws of training rows that every method is fitted on
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub seeds: u16,
    /// Seed of the draws, folds and training
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Training rows of a draw [default: what the protocol leaves]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub train_rows: Option<u32>,
    /// Where to write the page; a table of all results goes next to it as parquet
    #[arg(short, long, value_name = "FILE", default_value = "compare.html")]
    pub output: PathBuf,
    /// Replace files that are already there
    #[arg(long)]
    pub force: bool,
    /// Exit with code 1 when an image had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Pooled widths of a layer that head2toe may choose from [default: 1,512,2048]
    #[arg(long, value_name = "T,T,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub target_sizes: Vec<u32>,
    /// Precision of the network.
    #[command(flatten)]
    pub precision: PrecisionArguments,
    /// How features are kept.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Most memory that features may take, in GiB [default: half of what is available]
    #[arg(long, value_name = "GIB", value_parser = super::gibibytes)]
    pub memory: Option<u64>,
    /// Settings of the methods that train through the backbone.
    #[command(flatten, next_help_heading = "Training (methods that train through the backbone)")]
    pub recipe: RecipeArguments,
}

/// The ways to adapt that were typed, each once, in the order typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Methods {
    /// All of them.
    pub all: Vec<Adaptation>,
    /// Those typed by their own name and not by that of a family.
    pub named: Vec<Adaptation>,
}

fn methods(text: &str) -> Result<Methods, String> {
    let mut found = Methods::default();
    let known: Vec<Adaptation> = [Adaptation::Auto(Auto::Auto)].into_iter().chain(Adaptation::all()).collect();
    for name in text.split(',').map(str::trim) {
        let named: Vec<Adaptation> = match name {
            "all" => Adaptation::all(),
            "frozen" => Adaptation::frozen(),
            "trained" => Adaptation::all().into_iter().filter(|method| !method.is_frozen()).collect(),
            name => known.iter().copied().filter(|method| method.name() == name).collect(),
        };
        if named.is_empty() {
            let known: Vec<&str> = known.into_iter().map(Adaptation::name).collect();
            return Err(format!("there is no method '{name}'; known: frozen, trained, all, {}", known.join(", ")));
        }
        if !["all", "frozen", "trained"].contains(&name) {
            found.named.extend(&named);
        }
        for method in named {
            if !found.all.contains(&method) {
                found.all.push(method);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_names_and_families_each_once() {
        let names = |text: &str| methods(text).unwrap().all.into_iter().map(Adaptation::name).collect::<Vec<_>>();
        assert_eq!(names("linear, full,linear"), ["linear", "full"]);
        assert_eq!(names("frozen").len() + names("trained").len(), names("all").len());
        assert!(names("all").contains(&"head2toe-ft"));
        let own: Vec<&str> = methods("frozen,full").unwrap().named.into_iter().map(Adaptation::name).collect();
        assert_eq!(own, ["full"]);
        assert_eq!(names("auto,all")[0], "auto");
        assert!(!names("all").contains(&"auto"), "it computes heads that are there already");
        let error = methods("linear,magic").unwrap_err();
        assert!(error.contains("'magic'") && error.contains("head2toe"), "{error}");
    }
}
