//! Co-tuning (You et al. 2020; `spec/regularisers-and-adaptation.md` section A5): before training, how far every class is each class of the
//! source, from what the source's classifier says of the training images.
//!
//! ```text
//! training images -> frozen features -> classifier of the source -> q
//! direct    R[t] = mean of q over class t
//! reverse   head from q to classes (penalty and temperature by cross-validation), asked about each source class alone: p(t | s)
//!           R[t, s] proportional to p(t | s) mean(q[s])
//! ```
//!
//! The paper's head from `q` has no intercept; since the entries of `q` sum to one, an intercept is the same as one more summand in every
//! coefficient, which here carries no penalty.

use heirloom_data::SplitInput;
use heirloom_engine::{Op, Shape, Tensor};
use heirloom_training::regularizer::co_tuning::Relationship;
use heirloom_training::trainer::{CoTuned, Regularizer, SOURCE_CLASSIFIER, TrainingError};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::super::{FOLDS, FitError};
use super::TrainedMethod;
use super::head::of_network;
use super::job::Job;
use crate::extract::{Extraction, Network};
use crate::heads::{Method, Settings, Training, fit, probabilities};
use crate::{Block, Features, Pooling};

/// How classes of the source and of the target are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationshipKind {
    /// By a head that tells the classes from the source's probabilities, turned round.
    #[default]
    Reverse,
    /// By the mean of the source's probabilities over each class.
    Direct,
}

/// The classifier of the source with what it is trained towards.
#[derive(Debug, Clone)]
pub(super) struct SourceClassifier {
    /// Its parameters, under names of their own.
    pub parameters: [(String, Tensor); 2],
    features: String,
    classes: usize,
    relationship: Relationship,
}

impl SourceClassifier {
    pub fn regularizer(&self) -> Regularizer {
        let Self { features, classes, relationship, .. } = self.clone();
        Regularizer::CoTuning(Box::new(CoTuned { features, classes, relationship }))
    }
}

impl Job<'_> {
    /// The source's classifier, where the method keeps it.
    pub(super) fn source_classifier(&self, pretrained: &Backbone) -> Result<Option<SourceClassifier>, FitError> {
        if self.recipe.method != TrainedMethod::CoTuning {
            return Ok(None);
        }
        self.stage("asking the source's classifier about the training images");
        let network = pretrained.at_input_size([self.recipe.image_size; 2])?;
        let parameters = parameters(&network)?;
        let requests = [(network.features.clone(), Pooling::MEAN)];
        let mut extraction = Extraction::new(Network::from(&network), self.table, &self.parts.train, &requests);
        (extraction.options, extraction.cancel) = (self.options.extract.clone(), self.watch.cancel);
        let extracted = extraction.run()?;
        let source = parameters[1].values.len();
        let head = of_network(&network, &extracted.features, source)?;
        let all: Vec<usize> = (0..extracted.rows.len()).collect();
        let said = probabilities(&head.logits(&extracted.features, &all)?, source, 1.0);
        let label = |row: &usize| self.table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
        let labels: Vec<usize> = extracted.rows.iter().map(label).collect();
        let relationship = self.relationship(said, source, &labels)?;
        let [weight, bias] = SOURCE_CLASSIFIER.map(str::to_owned);
        let [of_weight, of_bias] = parameters;
        Ok(Some(SourceClassifier {
            parameters: [(weight, of_weight), (bias, of_bias)],
            features: network.features.clone(),
            classes: self.classes(),
            relationship,
        }))
    }

    fn relationship(&self, said: Vec<f32>, source: usize, labels: &[usize]) -> Result<Relationship, FitError> {
        let found = match self.recipe.relationship.unwrap_or_default() {
            RelationshipKind::Direct => Relationship::direct(&said, source, labels, self.classes()),
            RelationshipKind::Reverse => {
                let given = self.turned_round(&said, source, labels)?;
                Relationship::reverse(&given, &said, source, self.classes())
            }
        };
        Ok(found.map_err(TrainingError::from)?)
    }

    /// How probable each class is where the source is sure of one of its own, `[source, class]`.
    fn turned_round(&self, said: &[f32], source: usize, labels: &[usize]) -> Result<Vec<f32>, FitError> {
        let features = |values: Vec<f32>| {
            let (tap, shape) = ("source".to_owned(), Shape::Vector { channels: source });
            let block = Block { tap, shape, pooling: Pooling::MEAN, width: source, values };
            Features { rows: block.values.len() / source.max(1), blocks: vec![block] }
        };
        let (own, rows) = (features(said.to_vec()), (0..labels.len()).collect::<Vec<usize>>());
        let input = SplitInput { labels, groups: None, keys: None };
        let folds = heirloom_data::folds(input, FOLDS.min(labels.len()), self.options.seed)?;
        let classes = self.classes();
        let training = Training { features: &own, labels, rows: &rows, folds: &folds.fold_of, classes };
        let fitted = fit(Method::Linear, &training, &Settings::default())?;
        let sure = |at: usize| if at / source == at % source { 1.0 } else { 0.0 };
        let each = features((0..source * source).map(sure).collect());
        Ok(fitted.head.probabilities(&each, &(0..source).collect::<Vec<usize>>())?)
    }
}

/// Weight and bias of a network's classifier, which must be linear in its features.
fn parameters(network: &Backbone) -> Result<[Tensor; 2], FitError> {
    let refuse = || FitError::Recipe {
        setting: "--method",
        value: TrainedMethod::CoTuning.to_string(),
        reason: format!("{} has no linear classifier of its source that could be kept", network.name),
    };
    let graph = &network.graph;
    let node = network.logits.as_ref().and_then(|logits| graph.nodes.get(graph.find(logits)?)).ok_or_else(refuse)?;
    let Op::Linear { weight, bias: Some(bias), .. } = &node.op else { return Err(refuse()) };
    let mut reads = node.inputs.first().copied();
    // A vector made flat is the same vector.
    while let Some(flat) = reads.filter(|id| Some(*id) != graph.find(&network.features)) {
        let node = graph.nodes.get(flat).filter(|node| matches!(node.op, Op::Flatten)).ok_or_else(refuse)?;
        reads = node.inputs.first().copied();
    }
    let tensor = |key: &String| network.weights.tensors.get(key).cloned().ok_or_else(refuse);
    Ok([tensor(weight)?, tensor(bias)?])
}
