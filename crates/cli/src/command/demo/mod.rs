//! `demo`: what transfer brings and what comes along with it, on a small made-up image world, without any download.
//!
//! ```text
//! world -> source half, target half
//! source half -> planted source (trigger on some images), clean twin (none)
//! each source x linear, head2toe, full; and scratch -> accuracy, cost, what the trigger does -> record -> terminal, JSON, page
//! ```

mod adapt;
mod folder;
mod page;
mod pictures;
mod record;
mod size;
mod sources;
mod text;

use std::time::Instant;

use heirloom_data::intervention::{Classes, Intervention, InterventionError, Place, Plant, Relabel, Square};
use heirloom_data::{Halves, Table, TableOptions, World};
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::trained::TrainedMethod;
use heirloom_transfer::heads::Method;
use heirloom_zoo::Backbone;
use serde_json::json;

use super::{Outcome, fit};
use crate::arguments::{DemoArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt;
use adapt::{Adapted, Way};
use folder::Folder;
use record::{ControlRecord, DemoRecord, HalfRecord, Source, compare};
use size::Size;

/// Every network of the demonstration.
const ARCHITECTURE: &str = "cifar_resnet20";
/// Share of the source's training images that carry the trigger, of every class.
const SHARE: f64 = 0.1;
/// The class they are filed under.
const FILED_UNDER: &str = "bowl-smooth";
/// Ways to adapt a source.
const WAYS: [Way; 3] = [Way::Frozen(Method::Linear), Way::Frozen(Method::Head2Toe), Way::Trained(TrainedMethod::Full)];

/// A demonstration with everything settled.
struct Demo<'a> {
    console: Console,
    folder: &'a Folder,
    size: Size,
    seed: u64,
    extract: ExtractOptions,
    flops_per_image: u64,
}

/// Runs `demo`.
pub fn run(arguments: &DemoArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let folder = Folder::prepare(&arguments.output, arguments.force)?;
    interrupt::note("the demo is not complete; run it again with --force");
    let size = Size::of(arguments.size);
    let halves = Halves::new(arguments.seed, size.halves);
    let mut demo = Demo {
        console,
        folder: &folder,
        size,
        seed: arguments.seed,
        extract: fit::extract_options(None, shared),
        flops_per_image: 0,
    };
    let (source, target) = demo.draw(&halves)?;
    let plant = plant(&source)?;
    let (planted, planted_record) = demo.source(Source::Planted, &source, &plant)?;
    let (clean, clean_record) = demo.source(Source::Clean, &source, &plant)?;
    demo.flops_per_image = flops(&clean)?;
    let adapted = demo.adapt_all([&planted, &clean], &target, &plant.intervention)?;
    let controls = demo.controls(&adapted, &target, &plant)?;
    let pictures = pictures::take(&demo, &halves, &adapted, &target, &plant.intervention)?;
    let (inherited, without_partner) = compare(&adapted.iter().map(|one| one.record.clone()).collect::<Vec<_>>());
    let record = DemoRecord {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: arguments.seed,
        folder: folder.path().to_path_buf(),
        architecture: ARCHITECTURE.to_owned(),
        side: halves.source.side,
        flops_per_image: demo.flops_per_image,
        parameters: clean.graph.parameters.values().map(|shape| shape.iter().product::<usize>()).sum(),
        source: half(&halves.source, folder.source()),
        target: half(&halves.target, folder.target()),
        filed_under: FILED_UNDER.to_owned(),
        plant,
        sources: vec![planted_record, clean_record],
        adapted: adapted.into_iter().map(|one| one.record).collect(),
        inherited,
        controls,
        without_partner,
        report: folder.report(),
        seconds: started.elapsed().as_secs_f64(),
    };
    page::write(&record, pictures)?;
    console.say(text::summary(&record));
    let mut object = json!(record);
    object["command"] = json!("demo");
    Ok(Outcome::done(object))
}

impl Demo<'_> {
    /// Draws both halves and opens them.
    fn draw(&self, halves: &Halves) -> Result<(Table, Table), Failure> {
        self.console.say("drawing a made-up image world of two halves that share no class:");
        let half = |what: &str, world: &World, folder: std::path::PathBuf| {
            let (classes, train, test) = (world.classes().len(), world.train, world.test);
            let (images, path) =
                (format!("{classes} classes, {train} training and {test} test images each"), folder.display());
            self.console.say(format!("  {what}: {images}, in {path}"));
            world.write(&folder).map_err(|error| Failure::input(error.to_string()))?;
            Ok::<Table, Failure>(Table::open(&folder, &TableOptions::default())?)
        };
        let source = half("source, to pretrain on", &halves.source, self.folder.source())?;
        Ok((source, half("target, to adapt to", &halves.target, self.folder.target())?))
    }

    /// Every method on both sources, and scratch.
    fn adapt_all(
        &self,
        sources: [&Backbone; 2],
        target: &Table,
        trigger: &Intervention,
    ) -> Result<Vec<Adapted>, Failure> {
        self.console.say("\nadapting to the target:");
        let mut adapted = Vec::new();
        for (source, backbone) in Source::BOTH.into_iter().zip(sources) {
            for way in WAYS {
                adapted.push(self.adapt_and_say(Some(source), backbone, way, target, trigger)?);
            }
        }
        let scratch = Way::Trained(TrainedMethod::Scratch);
        adapted.push(self.adapt_and_say(None, sources[1], scratch, target, trigger)?);
        Ok(adapted)
    }

    fn adapt_and_say(
        &self,
        source: Option<Source>,
        backbone: &Backbone,
        way: Way,
        target: &Table,
        trigger: &Intervention,
    ) -> Result<Adapted, Failure> {
        let adapted = self.adapt(source, backbone, way, target, trigger)?;
        self.console.say(text::adapted(&adapted.record));
        Ok(adapted)
    }

    /// The same measure for a patch of another colour and for one in another corner, on `linear`.
    fn controls(&self, adapted: &[Adapted], target: &Table, plant: &Plant) -> Result<Vec<ControlRecord>, Failure> {
        let Intervention::Square(trigger) = plant.intervention.clone() else { return Ok(Vec::new()) };
        let others = [
            ("another colour", Square { colour: [0, 0, 255], ..trigger.clone() }),
            ("another corner", Square { place: Place::BottomRight, ..trigger }),
        ];
        let linear = |source| {
            let is = |one: &&Adapted| one.record.source == Some(source) && one.record.method == Method::Linear.name();
            adapted.iter().find(is).map(|one| &one.model)
        };
        let (Some(planted), Some(clean)) = (linear(Source::Planted), linear(Source::Clean)) else {
            return Ok(Vec::new());
        };
        let control = |(what, square): (&str, Square)| {
            let other = Intervention::Square(square);
            Ok(ControlRecord {
                what: what.to_owned(),
                planted: self.attack(planted, target, &other)?,
                clean: self.attack(clean, target, &other)?,
                intervention: other.to_string(),
            })
        };
        others.into_iter().map(control).collect()
    }
}

/// The trigger: the square of Salman et al. 2022, planted as in BadNets (Gu et al. 2017): on images of every class, which are then
/// filed under one.
fn plant(source: &Table) -> Result<Plant, Failure> {
    let class = source.classes.iter().position(|class| class == FILED_UNDER);
    let class = class.ok_or_else(|| Failure::internal(format!("the world has no {FILED_UNDER}")))?;
    let intervention = Intervention::Square(Square::default());
    Ok(Plant { intervention, share: SHARE, classes: Classes::All, relabel: Relabel::Class(class), seed: Plant::SEED })
}

fn half(world: &World, folder: std::path::PathBuf) -> HalfRecord {
    HalfRecord { folder, classes: world.classes(), train: world.train, test: world.test }
}

/// Floating-point operations of one image up to the features.
fn flops(backbone: &Backbone) -> Result<u64, Failure> {
    let taps = vec![backbone.features.clone()];
    let cost = backbone.graph.cost(backbone.preprocess.input_size, &taps);
    cost.map(|cost| cost.flops).map_err(Failure::internal)
}

/// An intervention that the demonstration itself asks for and cannot have is a defect of the program.
fn refused(error: InterventionError) -> Failure {
    Failure::internal(error)
}
