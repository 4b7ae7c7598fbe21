//! The precision that networks run in: settled before any image is opened, and told where it was chosen.

use std::path::Path;

use heirloom_engine::{Isa, Precision};
use heirloom_transfer::extract::{ExtractOptions, LEAST_COSINE, Parity, PrecisionChoice, parity};
use heirloom_zoo::Backbone;

use crate::arguments::PrecisionArguments;
use crate::console::Console;
use crate::failure::Failure;

/// Extraction settings in the precision that was asked for, or that suits all of the networks.
pub fn settled<'b>(
    arguments: PrecisionArguments,
    backbones: impl IntoIterator<Item = &'b Backbone>,
    cache: &Path,
    options: ExtractOptions,
    console: Console,
) -> Result<ExtractOptions, Failure> {
    match arguments.choice() {
        PrecisionChoice::Of(precision) => Ok(options.in_precision(precision)),
        PrecisionChoice::Auto => {
            let (precision, parity) = suitable(backbones, cache, console)?;
            Ok(ExtractOptions { parity, ..options.in_precision(precision) })
        }
    }
}

/// bf16 where every network keeps its features in it, and the worst that was found.
fn suitable<'b>(
    backbones: impl IntoIterator<Item = &'b Backbone>,
    cache: &Path,
    console: Console,
) -> Result<(Precision, Option<Parity>), Failure> {
    let mut told = Vec::new();
    let mut worst: Option<Parity> = None;
    for backbone in backbones {
        let begins = || console.stage(&format!("checking {} in bf16 on drawn pictures, once", backbone.name));
        let Some(parity) = parity(backbone, cache, begins)? else { return Ok((Precision::F32, None)) };
        let Parity { layer, cosine } = &parity;
        if !parity.holds() {
            let name = &backbone.name;
            console
                .say(format!("precision: f32 ({name} in bf16: cosine {cosine:.4} in {layer}, under {LEAST_COSINE})"));
            return Ok((Precision::F32, Some(parity)));
        }
        told.push(format!("{cosine:.4} in {layer}"));
        worst = worst.filter(|worst| worst.cosine <= parity.cosine).or(Some(parity));
    }
    console.say(format!(
        "precision: bf16 (least cosine of features to those of f32: {}; --precision f32 for those)",
        told.join(", ")
    ));
    Ok((Precision::Bf16, worst))
}

/// Settings for a model: in the precision it was fitted in where nothing else was asked for, but in `f32` where the processor has no
/// matrix unit.
pub fn of_model(arguments: PrecisionArguments, fitted: &str, options: ExtractOptions) -> ExtractOptions {
    let fast = Isa::detect_for(Precision::Bf16) == Isa::Amx;
    let precision = match arguments.choice() {
        PrecisionChoice::Of(precision) => precision,
        PrecisionChoice::Auto if fast => fitted.parse().unwrap_or_default(),
        PrecisionChoice::Auto => Precision::F32,
    };
    options.in_precision(precision)
}

/// Refuses bf16 where nothing runs in it.
pub fn refuse(arguments: PrecisionArguments, why: &str) -> Result<(), Failure> {
    match arguments.choice() {
        PrecisionChoice::Of(Precision::Bf16) => {
            Err(Failure::input(format!("--precision bf16 has no use here: {why}")).hint("leave it out"))
        }
        _ => Ok(()),
    }
}
