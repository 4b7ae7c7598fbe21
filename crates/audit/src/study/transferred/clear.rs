//! How clear the test images of a target are, by a model that saw none of them: a linear head on the frozen features of a large network,
//! fitted on the training images.

use heirloom_transfer::compare::name_of;
use heirloom_transfer::predictor::{PredictOptions, Predictor};

use super::{Study, StudyError};
use crate::diff::entropy;

impl Study<'_> {
    /// The name in the cache; `None` without a referee.
    pub fn clear_name(&self, target: usize) -> Result<Option<String>, StudyError> {
        let Some(referee) = &self.networks.referee else { return Ok(None) };
        let (weights, target) = (&referee.weights_digest, &self.target(target)?.digest);
        let version = env!("CARGO_PKG_VERSION");
        let prepared = format!("{:?}", referee.preprocess);
        let key = ("what-transfers clear", version, self.numerics(), weights, prepared, target, self.options.seed);
        Ok(Some(name_of(&key)?))
    }

    /// Uncertainty of every test image, 0 to 1.
    pub fn clear(&self, target: usize) -> Result<Option<Vec<f64>>, StudyError> {
        let (Some(name), Some(referee)) = (self.clear_name(target)?, &self.networks.referee) else { return Ok(None) };
        self.kept(&name, || {
            let set = self.target(target)?;
            self.say(&format!("how clear the images of {} are", set.name));
            let fitted = self.fitted(referee, &set.table, self.options.seed)?;
            let options = PredictOptions { extract: self.options.extract.clone(), ..PredictOptions::default() };
            let model = Predictor::new(fitted.artifact(referee, Vec::new()), options)?;
            let [_, test] = set.split();
            let (images, labels) = self.images(&set.table, &test, referee)?;
            let rows: Vec<usize> = (0..labels.len()).collect();
            let extracted = model.features(&images, &rows, self.watch.cancel)?;
            let head = &model.artifact().head;
            let refuse = |reason: String| StudyError::Data { set: set.name.clone(), reason };
            let probabilities =
                head.probabilities(&extracted.features, &rows).map_err(|error| refuse(error.to_string()))?;
            Ok(probabilities.chunks(head.classes().max(1)).map(entropy).collect())
        })
        .map(Some)
    }
}
