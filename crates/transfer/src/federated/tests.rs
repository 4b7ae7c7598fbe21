//! Shards beside all rows in one place.

use heirloom_training::random::generator;
use proptest::prelude::*;

use super::*;

/// Three classes in three of four columns; the last column and the classes differ from shard to shard.
fn shards(seed: u64, sizes: &[usize]) -> Vec<(Samples, Vec<usize>)> {
    let mut random = generator(seed, "shards", &[]);
    let mut shard = |(number, rows): (usize, &usize)| {
        let labels: Vec<usize> = (0..*rows).map(|row| if row % 4 == 3 { number % 3 } else { row % 3 }).collect();
        let mut values = Vec::new();
        for label in &labels {
            for column in 0..4 {
                let own = if column == 3 { number as f64 } else { 2.0 * f64::from(u8::from(column == *label)) };
                values.push(own + 0.4 * random.normal());
            }
        }
        (Samples::new(*rows, 4, values).unwrap(), labels)
    };
    sizes.iter().enumerate().map(&mut shard).collect()
}

fn pooled(shards: &[(Samples, Vec<usize>)]) -> (Samples, Vec<usize>) {
    let values: Vec<f64> = shards.iter().flat_map(|(samples, _)| samples.values().to_vec()).collect();
    let labels: Vec<usize> = shards.iter().flat_map(|(_, labels)| labels.clone()).collect();
    (Samples::new(labels.len(), 4, values).unwrap(), labels)
}

fn views(shards: &[(Samples, Vec<usize>)]) -> Vec<Shard<'_>> {
    shards.iter().map(|(samples, labels)| Shard { samples, labels }).collect()
}

fn right(head: &LinearHead, (samples, labels): &(Samples, Vec<usize>)) -> f64 {
    let found = head.label(samples).unwrap();
    found.iter().zip(labels).filter(|(found, label)| found == label).count() as f64 / labels.len() as f64
}

fn summed(shards: &[(Samples, Vec<usize>)]) -> ShardStatistics {
    let mut all = views(shards).into_iter().map(|shard| ShardStatistics::of(&shard, 3).unwrap());
    let first = all.next().unwrap();
    all.fold(first, |mut sum, shard| {
        sum.add(&shard).unwrap();
        sum
    })
}

fn close(one: &LinearHead, other: &LinearHead, tolerance: f64) -> bool {
    let numbers = |head: &LinearHead| [head.weights.clone(), head.bias.clone()].concat();
    numbers(one).iter().zip(numbers(other)).all(|(one, other)| (one - other).abs() < tolerance)
}

/// The head from sums solves the normal equations of centred rows and centred one-hot labels, by plain loops.
#[test]
fn the_head_from_sums_is_ridge_regression() {
    let shards = shards(1, &[20, 31, 12]);
    let (samples, labels) = pooled(&shards);
    let (head, n) = (summed(&shards).solve(0.01).unwrap(), samples.rows() as f64);
    let centred = samples.centred();
    let penalty = 0.01 * centred.values().iter().map(|value| value * value).sum::<f64>();
    for class in 0..3 {
        let share = labels.iter().filter(|label| **label == class).count() as f64 / n;
        let residual = |row: usize| {
            let fitted: f64 = (0..4).map(|column| centred.row(row)[column] * head.weights[column * 3 + class]).sum();
            f64::from(u8::from(labels[row] == class)) - share - fitted
        };
        for column in 0..4 {
            let slope: f64 = (0..samples.rows()).map(|row| centred.row(row)[column] * residual(row)).sum();
            assert!((slope - penalty * head.weights[column * 3 + class]).abs() < 1e-9, "{class} {column}");
        }
    }
    assert!(right(&head, &(samples, labels)) > 0.9);
}

/// One local step on every shard is one step on all rows; without a shard of its own nothing changes.
#[test]
fn one_local_step_is_gradient_descent_on_all_rows() {
    let shards = shards(2, &[24, 40, 9]);
    let together = [pooled(&shards)];
    let options = AveragingOptions { local: 1, rounds: 40, ..AveragingOptions::default() };
    let (apart, whole) =
        (average(&views(&shards), 3, &options).unwrap(), average(&views(&together), 3, &options).unwrap());
    assert!(close(&apart.head, &whole.head, 1e-12));
    let more = average(&views(&shards), 3, &AveragingOptions { local: 10, ..options }).unwrap();
    assert!(!close(&more.head, &whole.head, 1e-3), "more local steps are something else");
    assert!(right(&more.head, &together[0]) > 0.9, "and learn");
    assert!(more.changes[39] < more.changes[0] / 10.0, "{:?}", more.changes);
    assert_eq!((more.sent, more.changes.len()), (Sent { numbers: 16, rounds: 40 }, 40));
}

#[test]
fn what_does_not_fit_is_refused() {
    let all = shards(3, &[12, 12]);
    let narrow = (Samples::new(2, 1, vec![0.0, 1.0]).unwrap(), vec![0, 1]);
    let strange = (all[0].0.clone(), vec![7; 12]);
    let options = AveragingOptions::default();
    assert!(matches!(average(&[], 3, &options), Err(AdaptationError::Length { .. })));
    assert!(matches!(
        average(&views(&[all[0].clone(), narrow.clone()]), 3, &options),
        Err(AdaptationError::Columns { .. })
    ));
    assert!(matches!(average(&views(&[strange]), 3, &options), Err(AdaptationError::LabelOutside { label: 7, .. })));
    let wild = AveragingOptions { rate: f64::NAN, ..options };
    assert!(matches!(average(&views(&all), 3, &wild), Err(AdaptationError::Setting { setting: "rate", .. })));
    let mut sums = summed(&all);
    assert!(matches!(sums.solve(0.0), Err(AdaptationError::Setting { setting: "penalty", .. })));
    let other = ShardStatistics::of(&Shard { samples: &narrow.0, labels: &narrow.1 }, 3).unwrap();
    assert!(matches!(sums.add(&other), Err(AdaptationError::Columns { .. })));
    let classes = ShardStatistics::of(&Shard { samples: &all[0].0, labels: &all[0].1 }, 4).unwrap();
    assert!(matches!(sums.add(&classes), Err(AdaptationError::Length { .. })));
    assert!(matches!(sums.solve(1.0).unwrap().label(&narrow.0), Err(AdaptationError::Columns { .. })));
    assert_eq!((sums.rows(), sums.sent().numbers), (24, 10 + 12 + 4 + 3));
}

proptest! {
    /// Summed statistics of any shards give the head of all rows together.
    #[test]
    fn shards_give_the_head_of_all_rows(seed in 0..500_u64, sizes in prop::collection::vec(1..30_usize, 1..6), power in -6.0..1.0_f64) {
        let shards = shards(seed, &[&sizes[..], &[12]].concat());
        let penalty = 10.0_f64.powf(power);
        let (apart, whole) = (summed(&shards).solve(penalty).unwrap(), summed(&[pooled(&shards)]).solve(penalty).unwrap());
        prop_assert!(close(&apart, &whole, 1e-10));
    }
}
