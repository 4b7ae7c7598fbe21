//! Batch-norm statistics of a network whose weights were put together from others, measured again on images.
//!
//! ```text
//! running = mean over batches of the batch's mean, and of its unbiased variance     (Izmailov et al. 2018, arXiv 1803.05407, section 3.2)
//! ```
//!
//! Between two networks the statistics of neither fit: without this a line between them seems to cross a barrier where there is none.

use std::collections::BTreeSet;

use heirloom_engine::{
    EngineError, Graph, Isa, Op, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState, Weights,
};

use crate::PreparedImages;

/// Images of a batch.
const BATCH: usize = 128;

/// A network compiled to measure its statistics on images; no label is read.
#[derive(Debug)]
pub struct Statistics<'a> {
    plan: TrainingPlan,
    state: TrainingState,
    images: &'a PreparedImages,
}

impl<'a> Statistics<'a> {
    /// Compiles `graph` up to its outputs `until`. `None` where it has no batch norms.
    ///
    /// # Errors
    /// A network that does not fit together, or an unknown output.
    pub fn new(
        graph: &Graph,
        until: Vec<String>,
        images: &'a PreparedImages,
        isa: Isa,
    ) -> Result<Option<Self>, EngineError> {
        let norms = graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. }));
        let batch_statistics: BTreeSet<String> = norms.map(|node| node.name.clone()).collect();
        if batch_statistics.is_empty() || images.table_rows().len() < 2 {
            return Ok(None);
        }
        let options = TrainingOptions {
            input_size: images.preprocess().input_size,
            outputs: until,
            trainable: BTreeSet::new(),
            batch_statistics,
            input_gradient: false,
            recompute: false,
            precision: Precision::F32,
            isa,
        };
        let plan = TrainingPlan::compile(graph, &options)?;
        Ok(Some(Self { plan, state: TrainingState::default(), images }))
    }

    /// Images that the statistics are measured on.
    #[must_use]
    pub fn images(&self) -> usize {
        self.images.table_rows().len()
    }

    /// Measures the statistics anew and writes them into `weights`.
    ///
    /// # Errors
    /// An operator that cannot be run, a statistic that is missing.
    pub fn measure(&mut self, weights: &mut Weights) -> Result<(), EngineError> {
        self.state.forget_packed();
        let images: Vec<usize> = (0..self.images()).collect();
        // A last batch of one image has no variance.
        let batches = images.chunks(BATCH).filter(|batch| batch.len() > 1);
        for (done, batch) in batches.enumerate() {
            let pixels: Vec<u8> = batch.iter().flat_map(|image| self.images.pixels(*image)).copied().collect();
            self.plan.forward(weights, Pixels::Bytes(&pixels), batch.len(), &mut self.state)?;
            self.plan.update_statistics(&self.state, 1.0 / (done + 1) as f32, weights)?;
        }
        Ok(())
    }
}
