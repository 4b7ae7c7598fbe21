//! The plan: a graph compiled for one input size and one set of taps, ready to run over blocks of images.

mod fuse;
mod memory;
mod product;
mod run;
mod schedule;
mod stages;
mod step;
mod storage;
mod work;

use rayon::prelude::*;
use schedule::Schedule;
use step::Step;

use crate::kernels::{AlignedBuffer, Scratch};
use crate::{EngineError, Graph, Isa, NodeId, Precision, Shape, Weights, taps};

/// What to compile for.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Input of the network, `[height, width]` in pixels.
    pub input_size: [usize; 2],
    /// Names of the nodes or modules to read; nothing after the last of them runs.
    pub taps: Vec<String>,
    /// Which kernels to use.
    pub isa: Isa,
    /// Precision of the products.
    pub precision: Precision,
}

/// A batch of images, NHWC.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a> {
    /// Raw pixels, 0 to 255; the graph normalises them.
    Bytes(&'a [u8]),
    /// Pixels that are already normalised; the graph's normalisation node passes them through.
    Normalized(&'a [f32]),
}

/// Name and shape of a tap.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// The name it was asked for by.
    pub name: String,
    /// Shape for one image.
    pub shape: Shape,
}

/// A compiled graph with its packed weights. Immutable: any number of threads may run it, each with its own [`Workspace`].
#[derive(Debug)]
pub struct Plan {
    isa: Isa,
    /// Values of one input image.
    input_length: usize,
    taps: Vec<Tap>,
    /// For each tap whether it is kept as halves.
    tap_halves: Vec<bool>,
    steps: Vec<Step>,
    /// Values for one image that each buffer holds.
    slots: Vec<usize>,
}

/// The activations of one running block of images; reused from call to call.
#[derive(Debug, Default)]
pub struct Workspace {
    slots: Vec<AlignedBuffer>,
    scratch: Scratch,
    taps: Vec<Vec<f32>>,
    /// A tap that was kept as halves.
    widened: AlignedBuffer,
}

impl Workspace {
    /// Values of tap `index` after [`Plan::run`]: `[images, shape.len()]`.
    #[must_use]
    pub fn tap(&self, index: usize) -> Option<&[f32]> {
        self.taps.get(index).map(Vec::as_slice)
    }
}

impl Plan {
    /// Compiles `graph`: infers shapes, drops what no tap needs, fuses, packs the weights and plans the memory.
    ///
    /// # Errors
    /// An unknown tap, a parameter that is missing or has another shape, or operators whose shapes do not fit.
    pub fn compile(graph: &Graph, weights: &Weights, options: &PlanOptions) -> Result<Self, EngineError> {
        let shapes = graph.shapes(options.input_size)?;
        weights.check(graph)?;
        let nodes = taps::resolve(graph, &options.taps)?;
        let rounded = storage::rounded(graph, &shapes, options.precision);
        let halves: Vec<bool> = rounded.iter().map(|rounded| *rounded && options.isa.has_tiles()).collect();
        let Schedule { steps, memory } = schedule::schedule(graph, &shapes, &nodes, &halves);
        // Packing weights takes most of it, a step at a time on every thread.
        let built: Vec<Result<Step, EngineError>> = steps
            .into_par_iter()
            .map(|slotted| Step::build(graph, weights, (&shapes, &rounded), slotted, options))
            .collect();
        let steps = built.into_iter().collect::<Result<_, _>>()?;
        let taps = options.taps.iter().zip(&nodes).map(|(name, &id)| Tap { name: name.clone(), shape: shapes[id] });
        let taps = taps.collect();
        Ok(Self {
            isa: options.isa,
            input_length: shapes.first().map_or(0, |shape| shape.len()),
            taps,
            tap_halves: nodes.iter().map(|&id| halves[id]).collect(),
            steps,
            slots: memory.slots,
        })
    }

    /// The taps in the order asked for.
    #[must_use]
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// The steps in the order in which they run: the nodes that each runs, the first of which names it, and the rest fused behind it.
    pub fn steps(&self) -> impl Iterator<Item = impl Iterator<Item = NodeId> + '_> + '_ {
        self.steps.iter().map(|step| step.slotted.group.nodes())
    }

    /// For each step the bytes that a block of `images` images reads and writes: inputs, added values, output and weights, each once.
    #[must_use]
    pub fn step_bytes(&self, images: usize) -> Vec<u64> {
        self.steps.iter().map(|step| step.bytes(images)).collect()
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.steps.iter().map(Step::weight_bytes).sum()
    }

    /// Peak bytes of one [`Workspace`] that runs blocks of `images` images through [`Plan::run_each`].
    #[must_use]
    pub fn workspace_bytes(&self, images: usize) -> usize {
        let widened = self.taps.iter().zip(&self.tap_halves).filter(|(_, halves)| **halves);
        let widened = widened.map(|(tap, _)| tap.shape.len()).max().unwrap_or(0);
        4 * images * (self.slots.iter().sum::<usize>() + widened)
    }
}
