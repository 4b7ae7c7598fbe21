//! The two models of a comparison, ready to answer, with the same images in memory for each.

use heirloom_audit::PreparedImages;
use heirloom_data::Table;
use heirloom_report::counted;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::SkippedRow;

use crate::arguments::{DiffArguments, SharedArguments};
use crate::command::audit::gathered::{Held, all_skipped, open, same_images};
use crate::command::audit::model::{Named, Ready};
use crate::command::audit::rows::{self, Rows};
use crate::command::fit;
use crate::console::Console;
use crate::failure::Failure;

/// Layers that are all of a network's.
const ALL: &str = "all";
/// Layers that heads read.
const USUAL: &str = "usual";

/// Everything a comparison needs.
pub struct Sides {
    /// The first model with its images.
    pub first: Held,
    /// The second with the same images, at its own input size.
    pub second: Held,
    /// A model that says how clear images are, with the same images.
    pub referee: Option<Held>,
    /// Training images at the first model's input size, with the class of each: batch-norm statistics are measured on all of them,
    /// criticality on those with a label. None of them is judged.
    pub train: Option<(PreparedImages, Vec<usize>)>,
    /// What the judged images are, for people.
    pub judged: &'static str,
    /// What has to be said.
    pub warnings: Vec<String>,
    /// Images that cannot be used.
    pub skipped: Vec<SkippedRow>,
    /// How networks are run.
    pub extract: ExtractOptions,
}

/// Training images that batch-norm statistics are measured on, at most.
const STATISTICS: usize = 512;

impl Sides {
    /// Opens what was typed; heads are fitted where backbones were named.
    pub fn open(arguments: &DiffArguments, shared: &SharedArguments, console: Console) -> Result<Self, Failure> {
        let extract = fit::extract_options(arguments.memory, shared);
        let [first, second] = [Named::open(&arguments.first)?, Named::open(&arguments.second)?];
        let referee = arguments.referee.as_deref().map(Named::open).transpose()?;
        let table = open(&arguments.data, arguments.label_column.as_deref(), &arguments.conditions)?;
        let rows = rows_of([Some(&first), Some(&second), referee.as_ref()], &table, arguments)?;
        let mut warnings: Vec<String> = table.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(rows.warning.clone());
        let settings = (arguments.backbone.as_deref(), arguments.seed);
        let make = |named: Named| named.ready(&table, &rows, settings, &extract, console);
        let [first, second] = [make(first)?, make(second)?];
        same_classes(&first, &second)?;
        let (known, unknown) = first.known(&table, &rows.judged)?;
        if unknown > 0 {
            warnings
                .push(format!("{} of classes that the models do not know were left out", counted(unknown, "image")));
        }
        let (images, skipped) = first.prepare(&table, &known, extract.memory_limit / 4)?;
        let labels = first.labels(&table, images.table_rows())?;
        let first = Held { ready: first, images, labels };
        let second = beside(second, &table, &first, extract.memory_limit / 4)?;
        let referee =
            referee.map(|named| beside(make(named)?, &table, &first, extract.memory_limit / 4)).transpose()?;
        let train = training(&first.ready, &table, &rows, arguments, &extract)?;
        let skipped = all_skipped(&table, skipped);
        Ok(Self { first, second, referee, train, judged: rows.what, warnings, skipped, extract })
    }
}

/// The rows to judge; with rows to fit on where any of the models is a backbone.
fn rows_of(named: [Option<&Named>; 3], table: &Table, arguments: &DiffArguments) -> Result<Rows, Failure> {
    let (limit, seed) = (arguments.limit as usize, arguments.seed);
    let fitted: Vec<bool> = named.into_iter().flatten().map(|named| matches!(named, Named::Fitted(_))).collect();
    let of_fitted = rows::of_fitted(table, limit, seed);
    if fitted.iter().all(|fitted| *fitted) {
        return Ok(of_fitted);
    }
    // What has to be said of a fitted model's images holds beside a backbone, too.
    let warning = of_fitted.warning.filter(|_| fitted.contains(&true));
    Ok(Rows { warning, ..rows::of_backbone(table, limit, seed)? })
}

/// Refuses two models that answer with other classes: their mistakes would be about other questions.
fn same_classes(first: &Ready, second: &Ready) -> Result<(), Failure> {
    let classes = |ready: &Ready| ready.model.artifact().classes.clone();
    let (left, right) = (classes(first), classes(second));
    if left == right {
        return Ok(());
    }
    let list = |names: &[String]| names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
    let fact = format!("the two models answer with other classes: {} and {}", list(&left), list(&right));
    Err(Failure::input(fact).hint("fit both on the same data"))
}

/// A model with the very images of the first.
fn beside(ready: Ready, table: &Table, first: &Held, memory: u64) -> Result<Held, Failure> {
    let images = same_images(&ready, table, first, memory)?;
    Ok(Held { labels: first.labels.clone(), ready, images })
}

/// Training images for batch-norm statistics and criticality.
fn training(
    ready: &Ready,
    table: &Table,
    rows: &Rows,
    arguments: &DiffArguments,
    extract: &ExtractOptions,
) -> Result<Option<(PreparedImages, Vec<usize>)>, Failure> {
    if arguments.no_line && !arguments.rewinds() {
        return Ok(None);
    }
    let mut free =
        if rows.fit.is_empty() { rows::to_fit(table, &rows.judged, arguments.seed) } else { rows.fit.clone() };
    let step = free.len().div_ceil(STATISTICS).max(1);
    free = free.into_iter().step_by(step).collect();
    if free.is_empty() {
        return Ok(None);
    }
    let (known, _) = ready.known(table, &free)?;
    let (images, _) = ready.prepare(table, &known, extract.memory_limit / 4)?;
    let labels = ready.labels(table, images.table_rows())?;
    Ok(Some((images, labels)))
}

/// Layers of a model that were asked for, each once, from the input to the output.
pub fn layers(arguments: &DiffArguments, artifact: &Artifact) -> Result<Vec<String>, Failure> {
    let Some(network) = &artifact.network else { return Err(Failure::internal("a model without a network")) };
    let graph = &network.graph;
    let names: Vec<String> = match arguments.layers.as_slice() {
        [one] if one == USUAL => network.backbone.taps.clone(),
        [one] if one == ALL => graph.nodes.iter().skip(2).map(|node| node.name.clone()).collect(),
        names => names.to_vec(),
    };
    let mut found = Vec::new();
    for name in names {
        let node = graph.find(&name).ok_or_else(|| unknown(&name, &network.backbone.name))?;
        if !found.iter().any(|(known, _)| *known == node) {
            found.push((node, name));
        }
    }
    found.sort_by_key(|(node, _)| *node);
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

fn unknown(name: &str, backbone: &str) -> Failure {
    Failure::input(format!("{backbone} has no layer '{name}'"))
        .hint("`heirloom inspect BACKBONE` lists the layers; --layers all takes all of them")
}
