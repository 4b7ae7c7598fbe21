//! The loop on a tiny network: it learns, it goes on from any step with the same bits, and it says when it cannot.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ops::ControlFlow;

use heirloom_engine::{Activation, Graph, Node, Op, Padding, Tensor, Weights};

use super::*;
use crate::checkpoint::Checkpoint;
use crate::early_stopping::{Goal, StoppingSettings};
use crate::ema::AverageSettings;
use crate::loss::CrossEntropy;
use crate::optimizer::OptimizerSettings;
use crate::optimizer::groups::no_decay;
use crate::random::generator;
use crate::schedule::Schedule;

const SIDE: usize = 6;
const CLASSES: usize = 2;

fn graph() -> Graph {
    let convolution = Op::Convolution {
        weight: "conv.weight".into(),
        bias: None,
        channels: 8,
        kernel: [3, 3],
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    let norm = Op::BatchNorm {
        weight: "bn.weight".into(),
        bias: "bn.bias".into(),
        running_mean: "bn.running_mean".into(),
        running_variance: "bn.running_var".into(),
        epsilon: 1e-5,
    };
    let linear = Op::Linear { weight: "fc.weight".into(), bias: Some("fc.bias".into()), channels: CLASSES };
    let ops = [
        ("input", Op::Input { channels: 3 }),
        ("normalize", Op::Normalize { mean: vec![0.5; 3], std: vec![0.25; 3] }),
        ("conv", convolution),
        ("bn", norm),
        ("act", Op::Activate { function: Activation::Relu }),
        ("pool", Op::GlobalAveragePool),
        ("features", Op::Flatten),
        ("fc", linear),
    ];
    let node = |(id, (name, op)): (usize, (&str, Op))| Node {
        name: name.into(),
        op,
        inputs: id.checked_sub(1).into_iter().collect(),
    };
    let shapes = [
        ("conv.weight", vec![8, 3, 3, 3]),
        ("bn.weight", vec![8]),
        ("bn.bias", vec![8]),
        ("bn.running_mean", vec![8]),
        ("bn.running_var", vec![8]),
        ("fc.weight", vec![CLASSES, 8]),
        ("fc.bias", vec![CLASSES]),
    ];
    Graph {
        nodes: ops.into_iter().enumerate().map(node).collect(),
        parameters: shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect(),
        outputs: vec![7],
        ..Graph::default()
    }
}

fn weights(graph: &Graph) -> Weights {
    let tensor = |(name, shape): (&String, &Vec<usize>)| {
        let mut draws = generator(3, name, &[]);
        let value = |_| match name.as_str() {
            "bn.weight" | "bn.running_var" => 1.0,
            "bn.bias" | "bn.running_mean" => 0.0,
            _ => (0.3 * draws.normal()) as f32,
        };
        let values = (0..shape.iter().product::<usize>()).map(value).collect();
        (name.clone(), Tensor::new(shape.clone(), values).unwrap())
    };
    Weights { tensors: graph.parameters.iter().map(tensor).collect() }
}

fn settings() -> TrainerSettings {
    let trainable = ["conv.weight", "bn.weight", "bn.bias", "fc.weight", "fc.bias"];
    TrainerSettings {
        input_size: [SIDE; 2],
        trainable: trainable.map(str::to_owned).into(),
        batch_statistics: ["bn".to_owned()].into(),
        statistics_momentum: 0.1,
        epochs: 4,
        batch_size: 8,
        drop_last: false,
        learning_rate: 0.1,
        schedule: Schedule::one_cycle(),
        optimizer: OptimizerSettings::nesterov(0.9).with_weight_decay(1e-4),
        loss: CrossEntropy { label_smoothing: 0.05, ..CrossEntropy::default() },
        clip_norm: Some(5.0),
        average: Some(AverageSettings { decay: 0.9, warm_up: true }),
        stopping: Some(StoppingSettings { patience: None, minimum_improvement: 0.0, goal: Goal::Lowest }),
        recompute: false,
        precision: heirloom_engine::Precision::F32,
        adversary: None,
        seed: 5,
    }
}

/// Images whose class is whether red or green is stronger on the left.
struct Stripes {
    rows: usize,
    epoch: u64,
    next: usize,
    batch_size: usize,
}

impl Stripes {
    fn new(rows: usize) -> Self {
        Self { rows, epoch: 0, next: 0, batch_size: 1 }
    }

    fn image(row: usize) -> Vec<u8> {
        let mut draws = generator(7, "image", &[row as u64]);
        let channel = |value: usize| value % 3 == row % CLASSES && value / 3 % SIDE < SIDE / 2;
        let value = |at: usize| if channel(at) { 150.0 } else { 100.0 } + 40.0 * draws.uniform();
        (0..SIDE * SIDE * 3).map(value).map(|x| x as u8).collect()
    }
}

impl Source for Stripes {
    fn rows(&self) -> usize {
        self.rows
    }

    fn start(&mut self, epoch: u64, first_batch: usize, batch_size: usize) -> Result<(), Foreign> {
        (self.epoch, self.next, self.batch_size) = (epoch, first_batch * batch_size, batch_size);
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<TrainingBatch>, Foreign> {
        let order = crate::random::permutation(5, self.epoch, self.rows);
        let rows = &order[self.next.min(self.rows)..(self.next + self.batch_size).min(self.rows)];
        self.next += rows.len();
        let pixels = BatchPixels::Bytes(rows.iter().flat_map(|&row| Self::image(row)).collect());
        let targets = BatchTargets::Labels(rows.iter().map(|row| row % CLASSES).collect());
        Ok((!rows.is_empty()).then_some(TrainingBatch { pixels, targets, images: rows.len() }))
    }
}

/// Breaks off after a number of steps, judges epochs by a number that depends on the weights, and keeps the last state.
#[derive(Default)]
struct Breaking {
    after: Option<usize>,
    saved: Option<Checkpoint>,
    reports: Vec<EpochReport>,
}

impl Watcher for Breaking {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        match &mut self.after {
            Some(0) | None => ControlFlow::Continue(()),
            Some(left) => {
                *left -= 1;
                if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        }
    }

    fn validate(&mut self, epoch: u64, weights: &Weights) -> Result<Option<HeldOut>, Foreign> {
        let loss = f64::from(weights.tensors["fc.bias"].values[0]) + if epoch == 2 { -1.0 } else { 0.0 };
        Ok(Some(HeldOut { loss, accuracy: 0.5 }))
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.reports.push(*report);
    }

    fn save(&mut self, state: &mut dyn FnMut() -> Checkpoint) -> Result<(), Foreign> {
        self.saved = Some(state());
        Ok(())
    }
}

fn trainer(settings: TrainerSettings) -> Result<Trainer, TrainingError> {
    let graph = graph();
    let weights = weights(&graph);
    let groups = no_decay(&weights);
    Trainer::new(&graph, weights, "fc", groups, None, settings)
}

#[test]
fn it_learns_and_keeps_the_best_epoch() {
    let (mut trainer, mut watcher) = (trainer(settings()).unwrap(), Breaking::default());
    let ended = trainer.train(&mut Stripes::new(60), &mut watcher).unwrap();
    assert_eq!(ended, Ended::Complete);
    let (first, last) = (&watcher.reports[0], &watcher.reports[3]);
    assert!(last.accuracy > 0.9 && last.loss < first.loss, "{first:?} {last:?}");
    assert_eq!(trainer.best().map(|best| best.0), Some(2));
    assert_eq!((last.images, watcher.reports.len()), (60, 4));
}

#[test]
fn it_goes_on_from_any_step_with_the_same_bits() {
    let (mut unbroken, mut watcher) = (trainer(settings()).unwrap(), Breaking::default());
    unbroken.train(&mut Stripes::new(60), &mut watcher).unwrap();
    let expected = unbroken.checkpoint();
    for after in [1, 7, 8, 11, 23, 31] {
        let mut breaking = Breaking { after: Some(after), ..Breaking::default() };
        let ended = trainer(settings()).unwrap().train(&mut Stripes::new(60), &mut breaking).unwrap();
        // A break at the end of an epoch comes too late to be one: the next step would be another epoch's.
        let at_end = after % 8 == 0;
        assert_eq!(ended, if at_end { Ended::Complete } else { Ended::Interrupted }, "{after}");
        let mut resumed = trainer(settings()).unwrap();
        resumed.restore(breaking.saved.unwrap()).unwrap();
        let mut rest = Breaking::default();
        resumed.train(&mut Stripes::new(60), &mut rest).unwrap();
        assert_eq!(resumed.checkpoint(), expected, "after {after} steps");
        let same = |report: &EpochReport| (report.epoch, report.loss.to_bits(), report.accuracy.to_bits());
        if let Some(last) = rest.reports.last() {
            assert_eq!(same(last), same(&watcher.reports[3]));
        }
    }
}

/// Loss of a batch as it is and after the adversary, with the pixels of both.
fn attacked(adversary: Adversary, precision: heirloom_engine::Precision) -> ([f64; 2], [Vec<f32>; 2]) {
    let mut trainer = trainer(TrainerSettings { precision, ..settings() }).unwrap();
    trainer.train(&mut Stripes::new(60), &mut Unwatched).unwrap();
    trainer = self::trainer(TrainerSettings { precision, adversary: Some(adversary), ..settings() })
        .map(|mut fresh| {
            fresh.weights = trainer.weights.clone();
            fresh
        })
        .unwrap();
    let mut source = Stripes::new(16);
    source.start(0, 0, 16).unwrap();
    let batch = source.next_batch().unwrap().unwrap();
    let position = crate::divergence::Position { epoch: 0, step: 0, learning_rate: 0.1 };
    let changed = trainer.changed(&batch, adversary, position).unwrap();
    let plain = trainer.scale.normalised(&batch.pixels);
    let mut loss =
        |pixels: &[f32]| trainer.loss(heirloom_engine::Pixels::Normalized(pixels), &batch, position).unwrap().0.mean;
    ([loss(&plain), loss(&changed)], [plain, changed])
}

#[test]
fn an_adversary_raises_the_loss_within_its_bounds() {
    for precision in [heirloom_engine::Precision::F32, heirloom_engine::Precision::Bf16] {
        for adversary in [Adversary::one_step(0.05), Adversary { epsilon: 0.05, steps: 10 }] {
            let ([before, after], [plain, changed]) = attacked(adversary, precision);
            assert!(after > before + 0.05, "{adversary:?} {precision:?}: {before} {after}");
            // Normalised with mean 1/2 and deviation 1/4, white is 2 and black -2.
            for (plain, changed) in plain.iter().zip(&changed) {
                assert!((plain - changed).abs() <= 0.2 + 1e-5 && changed.abs() <= 2.0, "{plain} {changed}");
            }
        }
    }
}

#[test]
fn training_against_an_adversary_learns_and_goes_on_with_the_same_bits() {
    let settings = || TrainerSettings { adversary: Some(Adversary::one_step(0.02)), ..settings() };
    let (mut unbroken, mut watcher) = (trainer(settings()).unwrap(), Breaking::default());
    unbroken.train(&mut Stripes::new(60), &mut watcher).unwrap();
    assert!(watcher.reports[3].accuracy > 0.8, "{:?}", watcher.reports[3]);
    let mut breaking = Breaking { after: Some(11), ..Breaking::default() };
    trainer(settings()).unwrap().train(&mut Stripes::new(60), &mut breaking).unwrap();
    let mut resumed = trainer(settings()).unwrap();
    resumed.restore(breaking.saved.unwrap()).unwrap();
    resumed.train(&mut Stripes::new(60), &mut Breaking::default()).unwrap();
    assert_eq!(resumed.checkpoint(), unbroken.checkpoint());
}

#[test]
fn labels_that_are_all_right_train_as_labels_do() {
    struct Certain(Stripes);
    impl Source for Certain {
        fn rows(&self) -> usize {
            self.0.rows()
        }
        fn start(&mut self, epoch: u64, first_batch: usize, batch_size: usize) -> Result<(), Foreign> {
            self.0.start(epoch, first_batch, batch_size)
        }
        fn next_batch(&mut self) -> Result<Option<TrainingBatch>, Foreign> {
            let given = |batch: TrainingBatch| {
                let BatchTargets::Labels(labels) = batch.targets else { panic!("labels") };
                let trusted = labels.iter().map(|label| *label == 0).collect();
                let targets = BatchTargets::Given { labels, corruption: [1.0, 0.0, 0.0, 1.0].into(), trusted };
                TrainingBatch { targets, ..batch }
            };
            Ok(self.0.next_batch()?.map(given))
        }
    }
    let settings = || TrainerSettings { loss: CrossEntropy::default(), ..settings() };
    let (mut plain, mut certain) = (trainer(settings()).unwrap(), trainer(settings()).unwrap());
    plain.train(&mut Stripes::new(60), &mut Unwatched).unwrap();
    certain.train(&mut Certain(Stripes::new(60)), &mut Unwatched).unwrap();
    for (name, tensor) in &plain.weights.tensors {
        let other = &certain.weights.tensors[name];
        let near = tensor.values.iter().zip(&other.values).all(|(one, other)| (one - other).abs() < 1e-4);
        assert!(near, "{name}");
    }
}

#[test]
fn divergence_is_named_with_its_step() {
    let mut settings = settings();
    (settings.learning_rate, settings.clip_norm, settings.schedule) = (1e30, None, Schedule::Constant);
    let error = trainer(settings).unwrap().train(&mut Stripes::new(60), &mut Unwatched).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, TrainingError::Divergence(_)) && message.contains("step"), "{message}");
}

#[test]
fn settings_without_meaning_are_refused() {
    let refused = |change: &dyn Fn(&mut TrainerSettings)| {
        let mut settings = settings();
        change(&mut settings);
        trainer(settings).unwrap_err().to_string()
    };
    assert!(refused(&|s| s.epochs = 0).contains("epochs"));
    assert!(refused(&|s| s.batch_size = 1).contains("batch"));
    assert!(refused(&|s| s.learning_rate = f64::NAN).contains("learning rate"));
    assert!(refused(&|s| s.adversary = Some(Adversary::one_step(0.0))).contains("adversarial"));
    assert!(refused(&|s| s.adversary = Some(Adversary { epsilon: 0.1, steps: 0 })).contains("adversarial"));
    assert!(refused(&|s| s.trainable.clear()).contains("trained"));
    assert!(refused(&|s| s.batch_statistics = ["conv".to_owned()].into()).contains("conv"));
    assert!(refused(&|s| s.trainable = ["fc.wait".to_owned()].into()).contains("fc.wait"));
}

#[test]
fn batches_of_an_epoch() {
    let mut settings = settings();
    assert_eq!((settings.batches(60), settings.batches(64), settings.batches(3)), (8, 8, 1));
    settings.drop_last = true;
    assert_eq!((settings.batches(60), settings.batches(3)), (7, 1));
}
