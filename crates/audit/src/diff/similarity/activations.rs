//! Values of many taps of a network for a batch of images, as Gram matrices: as many taps in one pass as memory allows.

use heirloom_engine::{EngineError, Isa, Pixels, Plan, PlanOptions, Precision, Workspace};
use heirloom_transfer::extract::Network;
use rayon::prelude::*;

use super::gram::Gram;
use crate::PreparedImages;

/// Images that go through the network together on one thread.
const BLOCK: usize = 4;

/// A network compiled for taps, with the images it is shown.
#[derive(Debug)]
pub struct Activations<'a> {
    images: &'a PreparedImages,
    /// One plan for every run of taps whose values fit into memory together, in the order of the taps.
    plans: Vec<Plan>,
}

/// What one thread keeps from block to block.
#[derive(Debug, Default)]
struct Bench {
    pixels: Vec<u8>,
    workspace: Workspace,
}

impl<'a> Activations<'a> {
    /// Compiles a network for `taps`; values of `batch` images take at most `memory` bytes at a time, or those of one tap.
    ///
    /// # Errors
    /// An unknown tap, or a network that does not fit together.
    pub fn new(
        network: &Network<'_>,
        taps: &[String],
        images: &'a PreparedImages,
        batch: usize,
        memory: u64,
        isa: Isa,
    ) -> Result<Self, EngineError> {
        let input_size = network.preprocess.input_size;
        let shapes = network.graph.tap_shapes(input_size, taps)?;
        let mut runs = Vec::<(Vec<String>, u64)>::new();
        for (tap, shape) in taps.iter().zip(shapes) {
            let bytes = 4 * (shape.len() * batch) as u64;
            match runs.last_mut().filter(|(_, taken)| taken + bytes <= memory) {
                Some((run, taken)) => {
                    run.push(tap.clone());
                    *taken += bytes;
                }
                None => runs.push((vec![tap.clone()], bytes)),
            }
        }
        let compile = |taps| {
            Plan::compile(
                network.graph,
                network.weights,
                &PlanOptions { input_size, taps, isa, precision: Precision::F32 },
            )
        };
        let plans = runs.into_iter().map(|(taps, _)| compile(taps)).collect::<Result<_, _>>()?;
        Ok(Self { images, plans })
    }

    /// The Gram matrix of every tap over some images.
    ///
    /// # Errors
    /// An operator that cannot be run.
    pub fn grams(&self, images: &[usize]) -> Result<Vec<Gram>, EngineError> {
        let mut grams = Vec::new();
        for plan in &self.plans {
            let values = self.values(plan, images)?;
            grams.par_extend(values.par_iter().map(|values| Gram::of(values, images.len())));
        }
        Ok(grams)
    }

    /// Values of a plan's taps, `[images, shape.len()]` each.
    fn values(&self, plan: &Plan, images: &[usize]) -> Result<Vec<Vec<f32>>, EngineError> {
        let widths: Vec<usize> = plan.taps().iter().map(|tap| tap.shape.len()).collect();
        let mut values: Vec<Vec<f32>> = widths.iter().map(|width| vec![0.0; width * images.len()]).collect();
        let mut blocks: Vec<(&[usize], Vec<&mut [f32]>)> =
            images.chunks(BLOCK).map(|images| (images, Vec::new())).collect();
        for (values, width) in values.iter_mut().zip(&widths) {
            let parts = values.chunks_mut((width * BLOCK).max(1));
            blocks.iter_mut().zip(parts).for_each(|((_, block), part)| block.push(part));
        }
        let run = |bench: &mut Bench, (images, mut parts): (&[usize], Vec<&mut [f32]>)| {
            bench.pixels.clear();
            images.iter().for_each(|image| bench.pixels.extend_from_slice(self.images.pixels(*image)));
            plan.run_each(Pixels::Bytes(&bench.pixels), images.len(), &mut bench.workspace, |tap, values| {
                let part = &mut parts[tap];
                part.copy_from_slice(&values[..part.len()]);
            })
        };
        blocks.into_par_iter().map_init(Bench::default, run).collect::<Result<(), _>>()?;
        Ok(values)
    }
}
