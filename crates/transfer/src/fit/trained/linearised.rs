//! `linearised`: the network's first-order expansion at the pretrained weights and a fitted head, fitted exactly (see
//! [`crate::linearised`]). Training rows are expanded and fitted; validation rows, a fifth of them, choose the penalty and the temperature.
//!
//! ```text
//! linear head on frozen features -> derivatives of all logits by all weights -> kernel -> path of penalties -> lowest validation log loss
//!       -> direction -> a network that computes value and derivative -> measured as any trained network
//! ```

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom_data::augment::Augmentation;
use heirloom_data::batches::{Batch, Loader};
use heirloom_engine::Weights;
use heirloom_zoo::{Backbone, HeadStart, NewHead, replace_head};

use super::super::FitError;
use super::super::record::Candidate;
use super::super::select::paired_error;
use super::job::{Job, Made};
use super::movement::Movement;
use super::settings::trainable;
use super::{TrainedFit, TrainedOptions, Work};
use crate::extract::Progress;
use crate::heads::{PROBABILITY_FLOOR, fit_temperature, half_decades, probabilities};
use crate::linearised::gram::Gram;
use crate::linearised::kernel::{Centred, Fitted};
use crate::linearised::size::Size;
use crate::linearised::{Jacobian, Stopped, network::moved};

/// Objective tolerance, in nats per row.
const TOLERANCE: f64 = 1e-8;
/// Images of a batch of pixels.
const BATCH: usize = 64;

/// Relative penalties, strong to weak.
fn penalties() -> Vec<f64> {
    half_decades(2, -10)
}

/// Pixels and classes of images.
#[derive(Default)]
struct Images {
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

/// What one penalty says of the validation rows.
struct Judged {
    /// Log loss of each row, at the temperature that suits these rows.
    losses: Vec<f64>,
    right: usize,
}

impl Job<'_> {
    /// Expands, fits and measures.
    pub(super) fn run_linearised(mut self, pretrained: &Backbone) -> Result<TrainedFit, FitError> {
        let size = self.size(pretrained)?;
        self.stage("reading the images");
        let mut network = self.network(pretrained)?;
        self.linear_probe(&mut network)?;
        let moving = self.moving(&network)?;
        let (train, validation) = (self.pixels(&network, true)?, self.pixels(&network, false)?);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.options.extract.threads);
        let pool = pool.build().map_err(FitError::threads)?;
        let (made, candidates) = pool.install(|| self.fitted(&network, &moving, &train, &validation))?;
        let chosen = candidates.iter().find(|candidate| candidate.chosen);
        let text = chosen.map_or_else(String::new, |chosen| {
            format!(
                "{} by {} validation rows (log loss {:.3})",
                chosen.setting,
                validation.labels.len(),
                chosen.log_loss
            )
        });
        let mut fitted = self.finish(made, None)?;
        let record = &mut fitted.fit.record;
        record.choice = format!(
            "{text}; {} px, {} parameters, {} rows of derivatives",
            self.recipe.image_size,
            size.parameters,
            size.rows()
        );
        record.run.settings = self.linearised_settings(pretrained, &size, &candidates);
        record.candidates = candidates;
        // One more pass forward and backward over the training rows finds the direction.
        let pass = size.network_operations / (size.blocks * size.images * (1 + 2 * size.classes)).max(1) as f64;
        let network_operations = size.network_operations + 3.0 * pass * train.labels.len() as f64;
        fitted.work = Work { network: network_operations, products: size.kernel_operations };
        Ok(fitted)
    }

    /// What the fit takes; refused where that is too much, before anything is read.
    fn size(&self, pretrained: &Backbone) -> Result<Size, FitError> {
        let refuse = |error: heirloom_zoo::ZooError| FitError::Recipe {
            setting: "--image-size",
            value: self.recipe.image_size.to_string(),
            reason: error.to_string(),
        };
        let resized = pretrained.at_input_size([self.recipe.image_size; 2]).map_err(refuse)?;
        let head = NewHead { classes: self.classes(), start: HeadStart::Zero, seed: self.options.seed };
        let network = replace_head(&resized, &head)?;
        let moving = self.moving(&network)?;
        let parameters = Jacobian::new(&network, self.classes(), &moving).columns();
        let images = self.parts.train.len() + self.parts.validation.len();
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let count = (images, self.classes(), parameters);
        let size = Size::of(&network.graph, network.preprocess.input_size, &logits, count)?;
        if size.fits() { Ok(size) } else { Err(FitError::TooLarge { size }) }
    }

    /// Keys of the parameters that move with a penalty. The head's bias is not among them: it is free, as in every linear head.
    fn moving(&self, network: &Backbone) -> Result<BTreeSet<String>, FitError> {
        let TrainedOptions { freeze, train_from, train_only, .. } = self.trained;
        let mut moving = trainable(&self.recipe, network, freeze, train_from.as_deref(), train_only)?;
        let head = network.classifier_parameters();
        if let Some(key) = head.iter().find(|key| !moving.contains(*key)) {
            let reason = "linearised fits the head anew and needs it".to_owned();
            return Err(FitError::Recipe { setting: "--freeze", value: key.clone(), reason });
        }
        head.get(1).map(|bias| moving.remove(bias));
        Ok(moving)
    }

    /// The training or the validation images as they are judged, without random changes.
    fn pixels(&self, network: &Backbone, train: bool) -> Result<Images, FitError> {
        let rows = if train { &self.parts.train } else { &self.parts.validation };
        let plain = Augmentation::none(network.preprocess.clone());
        let decoded = self.reading().decode(rows, &plain)?;
        let rows = decoded.rows();
        let loader = Loader::new(decoded, plain, self.loader_options())?;
        let (mut images, mut batch) = (Images::default(), Batch::default());
        let mut batches = loader.epoch(0, &rows, BATCH)?;
        while batches.next_into(&mut batch)? {
            images.pixels.extend_from_slice(&batch.pixels);
            images.labels.extend_from_slice(&batch.labels);
        }
        Ok(images)
    }

    /// The fitted network, and the penalties it was chosen from.
    fn fitted(
        &self,
        network: &Backbone,
        moving: &BTreeSet<String>,
        train: &Images,
        validation: &Images,
    ) -> Result<(Made, Vec<Candidate>), FitError> {
        let jacobian = Jacobian::new(network, self.classes(), moving);
        let pixels = [&train.pixels[..], &validation.pixels].concat();
        let images = train.labels.len() + validation.labels.len();
        self.stage("computing derivatives (counted as images, once for each block of parameters)");
        let kernel = self.kernel(&jacobian, &pixels, images)?;
        let offsets = jacobian.logits(&pixels)?;
        self.stage("fitting by penalty");
        let centred = Centred::new(&kernel, self.classes(), train.labels.len());
        let path = centred.path(&offsets, &train.labels, &penalties(), TOLERANCE);
        let judged: Vec<Judged> = path.iter().map(|fitted| self.said(fitted, &validation.labels)).collect();
        let (chosen, candidates) = choose(&path, &judged);
        let Some(chosen) = path.get(chosen) else { return Err(crate::heads::HeadError::NoRows.into()) };
        let direction = jacobian.transposed_times(&train.pixels, &centred.coefficients(chosen))?;
        let shift = centred.bias(chosen, &kernel);
        let change = Weights {
            tensors: direction
                .iter()
                .filter_map(|(key, values)| {
                    let shape = network.weights.tensors.get(key)?.shape.clone();
                    Some((key.clone(), heirloom_engine::Tensor::new(shape, values.clone())?))
                })
                .collect(),
        };
        let movement = Some(Movement::by(&network.graph, moving, &network.weights, &change));
        let linear = moved(network, &direction, &shift)?.ok_or_else(|| FitError::Classifier {
            backbone: network.name.clone(),
            keys: network.classifier_parameters(),
        })?;
        let linear = Backbone { name: format!("{}, {}", network.name, self.trained.method), ..linear };
        let seconds = self.started.elapsed().as_secs_f64();
        let made = Made {
            network: linear,
            head: None,
            best: None,
            epochs: Vec::new(),
            movement,
            timed_out: false,
            checkpoint: None,
            seconds,
        };
        Ok((made, candidates))
    }

    fn kernel(&self, jacobian: &Jacobian<'_>, pixels: &[u8], images: usize) -> Result<Gram, FitError> {
        let (done, total) = (AtomicUsize::new(0), images * jacobian.blocks(images));
        let go_on = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(report) = self.watch.progress {
                report(&Progress { done, total, from_store: 0, skipped: 0, images_per_second: 0.0 });
            }
            !self.watch.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
        };
        jacobian.kernel(pixels, images, &go_on).map_err(|stopped| match stopped {
            Stopped::Engine(error) => error.into(),
            Stopped::Cancelled => FitError::Stopped { done: done.load(Ordering::Relaxed).min(total), total },
        })
    }

    fn said(&self, fitted: &Fitted, labels: &[usize]) -> Judged {
        let classes = self.classes();
        let rows = probabilities(&fitted.held, classes, fit_temperature(&fitted.held, classes, labels).value);
        let loss = |(row, label): (&[f32], &usize)| -f64::from(row[*label]).max(PROBABILITY_FLOOR).ln();
        let is_right = |(row, label): &(&[f32], &usize)| super::super::scores::most_probable(row) == **label;
        Judged {
            losses: rows.chunks(classes).zip(labels).map(loss).collect(),
            right: fitted.held.chunks(classes).zip(labels).filter(is_right).count(),
        }
    }

    fn linearised_settings(&self, pretrained: &Backbone, size: &Size, candidates: &[Candidate]) -> serde_json::Value {
        serde_json::json!({
            "method": self.trained.method,
            "image_size": self.recipe.image_size,
            "penalties": penalties(),
            "setting": candidates.iter().find(|candidate| candidate.chosen).map(|candidate| &candidate.setting),
            "pretrained_digest": pretrained.weights_digest,
            "parameters": size.parameters,
            "rows_of_derivatives": size.rows(),
            "freeze": self.trained.freeze,
            "train_from": self.trained.train_from,
            "train_only": self.trained.train_only,
        })
    }
}

/// The place of the penalty with the lowest validation log loss, the strongest of equals, and the table.
fn choose(path: &[Fitted], judged: &[Judged]) -> (usize, Vec<Candidate>) {
    let mean = |one: &Judged| one.losses.iter().sum::<f64>() / one.losses.len().max(1) as f64;
    let best = (0..judged.len()).fold(0, |best, at| if mean(&judged[at]) < mean(&judged[best]) { at } else { best });
    let reference = judged.get(best).map_or(&[][..], |one| &one.losses);
    let line = |(at, (fitted, one)): (usize, (&Fitted, &Judged))| Candidate {
        method: "linearised".to_owned(),
        setting: format!("penalty {}", two_digits(fitted.penalty)),
        log_loss: mean(one),
        standard_error: paired_error(&one.losses, reference),
        accuracy: one.right as f64 / one.losses.len().max(1) as f64,
        chosen: at == best,
    };
    (best, path.iter().zip(judged).enumerate().map(line).collect())
}

/// Two digits, as a reader wants them.
fn two_digits(penalty: f64) -> String {
    let digits = format!("{penalty:.1e}");
    digits.parse::<f64>().map_or(digits, |rounded| rounded.to_string())
}
