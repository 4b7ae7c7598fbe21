//! The regularisers at work: what each reads of the network and adds to its gradients.

use heirloom_engine::{Graph, Isa, Pixels, Plan, PlanOptions, Precision, Weights, Workspace};
use rayon::prelude::*;

use super::co_tuned::CoTuned;
use super::error::TrainingError;
use super::source::BatchTargets;
use crate::optimizer::Gradients;
use crate::regularizer::{BssSettings, FeatureMap, L2Sp, bss, delta};

/// A regulariser of a run (`spec/regularisers-and-adaptation.md` part A).
#[derive(Debug)]
pub enum Regularizer {
    /// Distance to the source's weights.
    L2Sp(L2Sp),
    /// Distance to the source's feature maps.
    Delta(Box<Delta>),
    /// The source's classifier, kept beside the new one.
    CoTuning(Box<CoTuned>),
    /// The smallest singular values of the features.
    Bss {
        /// Name of the node with the features.
        features: String,
        /// Settings.
        settings: BssSettings,
    },
}

/// DELTA with its frozen source network.
#[derive(Debug)]
pub struct Delta {
    taps: Vec<String>,
    /// Strength.
    alpha: f64,
    /// Weights of the channels of each tap, where they are not all 1.
    attention: Option<Vec<Vec<f64>>>,
    plan: Plan,
}

impl Delta {
    /// Images that one task runs through the source network.
    const BLOCK: usize = 4;

    /// The source network `graph` with its `weights`, held fixed, and the taps at which feature maps are compared.
    ///
    /// # Errors
    /// An unknown tap or weights of another network.
    pub fn new(
        graph: &Graph,
        weights: &Weights,
        input_size: [usize; 2],
        taps: Vec<String>,
        alpha: f64,
        attention: Option<Vec<Vec<f64>>>,
    ) -> Result<Self, TrainingError> {
        let options = PlanOptions { input_size, taps: taps.clone(), isa: Isa::detect(), precision: Precision::F32 };
        Ok(Self { plan: Plan::compile(graph, weights, &options)?, taps, alpha, attention })
    }

    /// Feature maps of the source for a batch, by tap.
    fn source(&self, pixels: Pixels<'_>, images: usize) -> Result<Vec<Vec<f32>>, TrainingError> {
        let starts: Vec<usize> = (0..images).step_by(Self::BLOCK).collect();
        let run = |&start: &usize| -> Result<Vec<Vec<f32>>, TrainingError> {
            let count = Self::BLOCK.min(images - start);
            let mut workspace = Workspace::default();
            self.plan.run(part(pixels, images, start, count), count, &mut workspace)?;
            Ok((0..self.taps.len()).map(|tap| workspace.tap(tap).unwrap_or_default().to_vec()).collect())
        };
        let blocks = starts.par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
        let joined = |tap: usize| blocks.iter().flat_map(|block| block[tap].iter().copied()).collect();
        Ok((0..self.taps.len()).map(joined).collect())
    }
}

/// Images `start..start + count` of a batch of `images`.
fn part(pixels: Pixels<'_>, images: usize, start: usize, count: usize) -> Pixels<'_> {
    match pixels {
        Pixels::Bytes(all) => {
            let length = all.len() / images.max(1);
            Pixels::Bytes(&all[start * length..(start + count) * length])
        }
        Pixels::Normalized(all) => {
            let length = all.len() / images.max(1);
            Pixels::Normalized(&all[start * length..(start + count) * length])
        }
    }
}

/// What a regulariser found in a batch: its value, and a gradient for each node it reads.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub value: f64,
    pub gradients: Vec<Vec<f32>>,
    /// Gradients of parameters of its own.
    pub parameters: Gradients,
}

impl Regularizer {
    /// Names of the nodes whose values it reads.
    pub(super) fn nodes(&self) -> Vec<String> {
        match self {
            Self::L2Sp(_) => Vec::new(),
            Self::Delta(delta) => delta.taps.clone(),
            Self::CoTuning(settings) => vec![settings.features.clone()],
            Self::Bss { features, .. } => vec![features.clone()],
        }
    }

    /// The penalty on activations: `values` with the channels of each node in the order of [`Self::nodes`].
    pub(super) fn on_activations(
        &self,
        pixels: Pixels<'_>,
        images: usize,
        values: &[(&[f32], usize)],
        targets: &BatchTargets,
        weights: &Weights,
    ) -> Result<Found, TrainingError> {
        let mut found = Found::default();
        match self {
            Self::L2Sp(_) => {}
            Self::CoTuning(settings) => {
                let features = values.first().map_or(&[][..], |value| value.0);
                found = settings.penalty(features, images, targets, weights)?;
            }
            Self::Delta(settings) => {
                let source = settings.source(pixels, images)?;
                for (tap, (&(values, channels), source)) in values.iter().zip(&source).enumerate() {
                    let positions = values.len() / (images * channels).max(1);
                    let attention = settings.attention.as_ref().and_then(|all| all.get(tap)).map(Vec::as_slice);
                    let map = FeatureMap { values, images, positions, channels };
                    let penalty = delta::penalty(map, source, attention, settings.alpha)?;
                    found.value += penalty.value;
                    found.gradients.push(penalty.gradient);
                }
            }
            Self::Bss { settings, .. } => {
                for &(values, _) in values {
                    let penalty = bss::penalty(values, images, values.len() / images.max(1), *settings)?;
                    found.value += penalty.value;
                    found.gradients.push(penalty.gradient);
                }
            }
        }
        Ok(found)
    }

    /// The penalty on weights, whose gradient it adds.
    pub(super) fn on_weights(&self, weights: &Weights, gradients: &mut Gradients) -> Result<f64, TrainingError> {
        match self {
            Self::L2Sp(anchored) => {
                anchored.add_gradient(weights, gradients)?;
                Ok(anchored.penalty(weights)?)
            }
            _ => Ok(0.0),
        }
    }
}
