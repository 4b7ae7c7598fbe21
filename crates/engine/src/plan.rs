//! The plan: a graph compiled for one input size and one set of taps, ready to run over blocks of images.

use crate::{EngineError, Graph, Isa, Shape, Weights, reference, taps};

/// What to compile for.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Input of the network, `[height, width]` in pixels.
    pub input_size: [usize; 2],
    /// Names of the nodes or modules to read; nothing after the last of them runs.
    pub taps: Vec<String>,
    /// Which kernels to use.
    pub isa: Isa,
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
    graph: Graph,
    weights: Weights,
    options: PlanOptions,
    taps: Vec<Tap>,
}

/// The activations of one running block of images; reused from call to call.
#[derive(Debug, Default)]
pub struct Workspace {
    taps: Vec<Vec<f32>>,
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
        let taps = options.taps.iter().zip(nodes).map(|(name, id)| Tap { name: name.clone(), shape: shapes[id] });
        let taps = taps.collect();
        Ok(Self { graph: graph.clone(), weights: weights.clone(), options: options.clone(), taps })
    }

    /// The taps in the order asked for.
    #[must_use]
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// Runs `images` images on the calling thread. The bits of a row depend neither on `images` nor on the row's place.
    ///
    /// # Errors
    /// When `pixels` does not hold `images` images of the compiled size.
    pub fn run(&self, pixels: Pixels<'_>, images: usize, workspace: &mut Workspace) -> Result<(), EngineError> {
        let (size, taps) = (self.options.input_size, &self.options.taps);
        workspace.taps = reference::run(&self.graph, &self.weights, size, taps, pixels, images)?;
        Ok(())
    }
}
