//! A network whose own classifier is the head, and what names what a model computes.

use heirloom_engine::Shape;
use heirloom_zoo::Backbone;

use super::{Artifact, ArtifactError, DataRecord, RunRecord};
use crate::Pooling;
use crate::heads::{Head, Input, Method, Rule};

impl Artifact {
    /// A network that was trained with its classifier, as a model: the classifier, `x W + b` on the penultimate vector, is its head.
    /// `seed` is what its training was drawn from.
    ///
    /// # Errors
    /// A network without a classifier of that form, or without a name for each class.
    pub fn of_classifier(network: &Backbone, seed: u64) -> Result<Self, ArtifactError> {
        let refuse = || ArtifactError::Classifier { name: network.name.clone() };
        let keys = <[String; 2]>::try_from(network.classifier_parameters()).map_err(|_| refuse())?;
        let [weight, bias] = keys.map(|key| network.weights.tensors.get(&key).map(|tensor| tensor.values.clone()));
        let (weight, bias, classes) = (weight.ok_or_else(refuse)?, bias.ok_or_else(refuse)?, network.classes.len());
        let width = weight.len() / classes.max(1);
        if classes == 0 || bias.len() != classes || weight.len() != width * classes {
            return Err(refuse());
        }
        let turned = (0..width).flat_map(|column| (0..classes).map(move |class| class * width + column));
        let rule = Rule::affine(classes, turned.map(|at| weight[at]).collect(), bias);
        let input = Input { tap: network.features.clone(), pooling: Pooling::MEAN, width, columns: None };
        let head = Head::plain(Method::Linear, classes, input, rule);
        let run = RunRecord::new(Vec::new(), serde_json::Value::Null, seed, DataRecord::default());
        Ok(Self::new(network, head, network.classes.clone(), run))
    }
}

impl Artifact {
    /// A network used as it is: its own logits are the head's, whatever makes them. Classes without names are called by their numbers,
    /// from 0 on.
    ///
    /// # Errors
    /// A network without logits, or whose logits are no vector.
    pub fn of_logits(network: &Backbone) -> Result<Self, ArtifactError> {
        let refuse = || ArtifactError::Classifier { name: network.name.clone() };
        let logits = network.logits.clone().ok_or_else(refuse)?;
        let shapes = network.graph.tap_shapes(network.preprocess.input_size, std::slice::from_ref(&logits));
        let Some(Shape::Vector { channels: classes }) = shapes.ok().and_then(|shapes| shapes.first().copied()) else {
            return Err(refuse());
        };
        let named = network.classes.len() == classes;
        let names = if named { network.classes.clone() } else { (0..classes).map(|class| class.to_string()).collect() };
        let same = (0..classes * classes).map(|at| f32::from(u8::from(at / classes == at % classes))).collect();
        let input = Input { tap: logits, pooling: Pooling::MEAN, width: classes, columns: None };
        let head = Head::plain(Method::Linear, classes, input, Rule::affine(classes, same, vec![0.0; classes]));
        let run = RunRecord::new(Vec::new(), serde_json::Value::Null, 0, DataRecord::default());
        Ok(Self::new(network, head, names, run))
    }

    /// Digest of what a model computes, its network and its head, whatever run made them: as 64 hexadecimal digits.
    ///
    /// # Errors
    /// An artifact that has no form as a file.
    pub fn digest(&self) -> Result<String, ArtifactError> {
        let run = RunRecord::new(Vec::new(), serde_json::Value::Null, 0, DataRecord::default());
        let bare = Self { run, accuracy: None, unfamiliar: None, ..self.clone() };
        Ok(blake3::hash(&bare.to_bytes()?).to_hex().to_string())
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Isa;
    use heirloom_zoo::{HeadStart, Initialization, NewHead, Recipe, replace_head};

    use super::*;
    use crate::gradient::Differentiable;

    #[test]
    fn the_head_answers_as_the_classifier_does() {
        for architecture in ["cifar_resnet20", "cifar_fixup_resnet20"] {
            let recipe = Recipe::usual("mine", architecture).unwrap();
            let network = Backbone::from_scratch(&recipe, &Initialization::usual(1)).unwrap();
            let mut network =
                replace_head(&network, &NewHead { classes: 3, start: HeadStart::Uniform, seed: 2 }).unwrap();
            network.classes = ["a", "b", "c"].map(String::from).to_vec();
            let model = Artifact::of_classifier(&network, 0).unwrap();
            let mut model = Differentiable::new(&model, Isa::Portable).unwrap();
            let pixels: Vec<f32> = (0..model.image_length()).map(|at| (at * 7 % 256) as f32 / 255.0).collect();
            let own = model.logits(&pixels, 1).unwrap();
            let options = heirloom_engine::PlanOptions {
                input_size: network.preprocess.input_size,
                taps: vec!["logits".into()],
                isa: Isa::Portable,
                precision: heirloom_engine::Precision::F32,
            };
            let plan = heirloom_engine::Plan::compile(&network.graph, &network.weights, &options).unwrap();
            let bytes: Vec<u8> = pixels.iter().map(|value| (value * 255.0).round() as u8).collect();
            let (mut workspace, mut logits) = (heirloom_engine::Workspace::default(), Vec::new());
            let pixels = heirloom_engine::Pixels::Bytes(&bytes);
            plan.run_each(pixels, 1, &mut workspace, |_, values| logits = values.to_vec()).unwrap();
            let scale = own.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            for (own, classifier) in own.iter().zip(&logits) {
                assert!((own - classifier).abs() < 1e-4 * scale, "{architecture}: {own} {classifier}");
            }
        }
    }

    #[test]
    fn a_network_used_as_it_is_answers_by_its_own_logits() {
        let recipe = Recipe { classes: Some(4), ..Recipe::usual("mine", "squeezenet1_1").unwrap() };
        let network = Backbone::from_scratch(&recipe, &Initialization::usual(1)).unwrap();
        assert!(Artifact::of_classifier(&network, 0).is_err(), "its classifier ends in a mean");
        let model = Artifact::of_logits(&network).unwrap();
        assert_eq!(model.classes, ["0", "1", "2", "3"]);
        let read = &model.head.columns()[0];
        assert_eq!((read.tap.as_str(), read.width, model.head.classes()), ("logits", 4, 4));
        let (weights, bias) = model.head.on_raw_features().unwrap();
        assert!(bias.iter().all(|value| *value == 0.0) && weights.iter().sum::<f32>() == 4.0 && weights[5] == 1.0);
    }

    #[test]
    fn the_digest_is_that_of_what_is_computed() {
        let model = crate::artifact::tests::artifact();
        let mut later = model.clone();
        later.run.seed += 1;
        assert_eq!(model.digest().unwrap(), later.digest().unwrap());
        later.classes.reverse();
        assert_ne!(model.digest().unwrap(), later.digest().unwrap());
    }

    #[test]
    fn a_network_that_does_not_know_its_classes_is_refused() {
        let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
        let network = Backbone::from_scratch(&recipe, &Initialization::usual(1)).unwrap();
        let refused = Artifact::of_classifier(&network, 0).unwrap_err().to_string();
        assert!(refused.contains("mine"), "{refused}");
    }
}
