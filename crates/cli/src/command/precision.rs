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
    let precision = match arguments.choice() {
        PrecisionChoice::Of(precision) => precision,
        PrecisionChoice::Auto => suitable(backbones, cache, console)?,
    };
    Ok(options.in_precision(precision))
}

/// bf16 where every network keeps its features in it.
fn suitable<'b>(
    backbones: impl IntoIterator<Item = &'b Backbone>,
    cache: &Path,
    console: Console,
) -> Result<Precision, Failure> {
    let mut told = Vec::new();
    for backbone in backbones {
        let begins = || console.stage(&format!("checking {} in bf16 on drawn pictures, once", backbone.name));
        let Some(parity) = parity(backbone, cache, begins)? else { return Ok(Precision::F32) };
        let Parity { layer, cosine } = &parity;
        if !parity.holds() {
            let name = &backbone.name;
            console
                .say(format!("precision: f32 ({name} in bf16: cosine {cosine:.4} in {layer}, under {LEAST_COSINE})"));
            return Ok(Precision::F32);
        }
        told.push(format!("{cosine:.4} in {layer}"));
    }
    console.say(format!(
        "precision: bf16 (least cosine of features to those of f32: {}; --precision f32 for those)",
        told.join(", ")
    ));
    Ok(Precision::Bf16)
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
            Err(Failure::input(format!("--precision bf16 is for networks; {why}")).hint("leave it out"))
        }
        _ => Ok(()),
    }
}
