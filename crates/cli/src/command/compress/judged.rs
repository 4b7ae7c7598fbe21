//! The images that a model and its smaller form answer, and those that say which layers matter.

use std::path::Path;

use heirloom_audit::diff::Mistakes;
use heirloom_audit::{AuditError, PreparedImages, predicted_classes};
use heirloom_data::Table;
use heirloom_report::counted;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::compress::LayerWeight;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::SkippedRow;

use crate::arguments::{CompressArguments, SharedArguments};
use crate::command::audit::gathered::{Held, all_skipped, open};
use crate::command::audit::model::{Named, Ready};
use crate::command::audit::rows::{self, Rows};
use crate::command::fit;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};
use crate::progress::Progress;

/// Images answered between two lines of progress.
const AT_ONCE: usize = 128;

/// A model with the images it is judged on.
pub struct Judged {
    held: Held,
    table: Table,
    rows: Rows,
    extract: ExtractOptions,
    /// What has to be said.
    pub warnings: Vec<String>,
    /// Images that cannot be used.
    pub skipped: Vec<SkippedRow>,
}

impl Judged {
    /// Opens the data for `artifact`.
    pub fn open(
        data: &Path,
        arguments: &CompressArguments,
        shared: &SharedArguments,
        artifact: &Artifact,
        console: Console,
    ) -> Result<Self, Failure> {
        if artifact.network.is_none() {
            let fact = format!(
                "{} was fitted on a table of features and has no network to show images to",
                arguments.model.display()
            );
            return Err(Failure::input(fact).hint("leave --data out: the file then says that its accuracy is unknown"));
        }
        let extract = fit::extract_options(arguments.memory, shared);
        let table = open(data, arguments.label_column.as_deref(), &arguments.conditions)?;
        let rows = rows::of_fitted(&table, arguments.limit as usize, arguments.seed);
        let mut warnings: Vec<String> = table.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(rows.warning.clone());
        let ready = ready(artifact, &table, &rows, arguments, &extract, console)?;
        let (known, unknown) = ready.known(&table, &rows.judged)?;
        if unknown > 0 {
            warnings
                .push(format!("{} of classes that the model does not know were left out", counted(unknown, "image")));
        }
        let (images, skipped) = ready.prepare(&table, &known, extract.memory_limit / 2)?;
        let labels = ready.labels(&table, images.table_rows())?;
        let skipped = all_skipped(&table, skipped);
        Ok(Self { held: Held { ready, images, labels }, table, rows, extract, warnings, skipped })
    }

    /// What the judged images are, for people.
    pub const fn what(&self) -> &'static str {
        self.rows.what
    }

    /// The model with a head of fewer layers: those that move its answers most on images that are not judged.
    pub fn with_fewer_layers(&self, artifact: &Artifact, keep: usize) -> Result<(Artifact, Vec<LayerWeight>), Failure> {
        let rows = rows::to_fit(&self.table, &self.rows.judged, 0);
        let ready = &self.held.ready;
        let (known, _) = ready.known(&self.table, &rows).map_err(|_| none_to_weigh())?;
        let (images, _) = ready.prepare(&self.table, &known, self.extract.memory_limit / 4)?;
        let all: Vec<usize> = (0..images.table_rows().len()).collect();
        let _watching = Watching::begin();
        let extracted = ready.model.features(&images, &all, Some(&STOP)).map_err(AuditError::from)?;
        let rows: Vec<usize> = (0..extracted.features.rows).collect();
        let (head, layers) = artifact
            .head
            .with_fewer_layers(&extracted.features, &rows, keep)
            .map_err(|error| Failure::input(error.to_string()))?;
        if layers.iter().all(|layer| layer.kept) {
            let fact = format!("the head reads {}", counted(layers.len(), "layer"));
            return Err(
                Failure::input(fact).hint("--layers leaves some of them out: give a smaller number, or leave it out")
            );
        }
        Ok((Artifact { head, accuracy: None, ..artifact.clone() }, layers))
    }

    /// Mistakes of the model and of its smaller form on the same images.
    pub fn mistakes(
        &self,
        smaller: &Artifact,
        arguments: &CompressArguments,
        console: Console,
    ) -> Result<Mistakes, Failure> {
        let ready = ready(smaller, &self.table, &self.rows, arguments, &self.extract, console)?;
        console.say(format!("both models answer {}", counted(self.held.labels.len(), "image")));
        let progress = Progress::new("images");
        let total = 2 * self.held.labels.len();
        let first = answers(&self.held.ready, &self.held.images, |done| progress.report(done, total))?;
        let second = answers(&ready, &self.held.images, |done| progress.report(total / 2 + done, total))?;
        Ok(Mistakes::of(&self.held.labels, &first, &second, arguments.seed)?)
    }
}

fn none_to_weigh() -> Failure {
    Failure::input("the data hold no labelled images besides those that are judged")
        .hint("--layers weighs the layers on training images; --limit judges fewer")
}

fn ready(
    artifact: &Artifact,
    table: &Table,
    rows: &Rows,
    arguments: &CompressArguments,
    extract: &ExtractOptions,
    console: Console,
) -> Result<Ready, Failure> {
    let settings = (arguments.backbone.as_deref(), arguments.seed);
    Named::Fitted(Box::new(artifact.clone())).ready(table, rows, settings, extract, console)
}

fn answers(ready: &Ready, images: &PreparedImages, shown: impl Fn(usize)) -> Result<Vec<usize>, Failure> {
    let rows: Vec<usize> = (0..images.table_rows().len()).collect();
    let _watching = Watching::begin();
    let mut answers = Vec::with_capacity(rows.len());
    for some in rows.chunks(AT_ONCE) {
        let found = predicted_classes(&ready.model, images, some, Some(&STOP)).map_err(AuditError::from)?;
        answers.extend(found.into_iter().map(|(_, class)| class));
        shown(answers.len());
    }
    Ok(answers)
}
