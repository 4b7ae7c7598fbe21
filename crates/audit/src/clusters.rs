//! Images of a class that look alike to the model and that it gets wrong more often than the rest of the class: where no column says
//! what images share, clusters of their features within the class do. Clusters are made on one part of the images and judged on the
//! other (as in Sohoni et al. 2020, "No Subclass Left Behind", which clusters the same features).

use heirloom_data::augment::Draws;
use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{ExtractOptions, Extraction};
use serde::{Deserialize, Serialize};

use crate::halves::in_turn;
use crate::level::WeightedPair;
use crate::{AuditError, Difference, Level, Subject};

/// Clusters of a class.
const CLUSTERS: usize = 3;
/// Fewest images of a class that is clustered, and of a cluster or its rest that is judged.
const FEWEST_OF_CLASS: usize = 40;
const FEWEST: usize = 8;
/// Rounds of k-means, at most.
const ROUNDS: usize = 50;
/// Pictures kept of a cluster and of the rest of its class.
const EXAMPLES: usize = 8;

/// A cluster of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The class.
    pub class: usize,
    /// Judged images of the cluster, and those of them that are answered wrong.
    pub inside: [usize; 2],
    /// The same of the rest of the class.
    pub outside: [usize; 2],
    /// Share of wrong answers in the cluster less that in the rest.
    pub excess: Difference,
    /// The answer given most often to its wrong ones.
    pub taken_for: Option<usize>,
    /// Judged images nearest to the middle of the cluster.
    pub examples: Vec<usize>,
    /// Judged images of the rest of the class.
    pub others: Vec<usize>,
}

/// Clusters within classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterMeasures {
    /// Every judged cluster, the largest excess first.
    pub clusters: Vec<ClusterRecord>,
    /// Classes with too few images to be clustered.
    pub small: Vec<usize>,
    /// What the intervals are adjusted for.
    pub level: Level,
}

/// Clusters the penultimate features of every class of enough images.
///
/// # Errors
/// Features that cannot be had, or the flag to stop.
pub fn clusters(subject: &Subject<'_>, options: &ExtractOptions) -> Result<ClusterMeasures, AuditError> {
    let features = features(subject, options)?;
    let (mut found, mut small) = (Vec::new(), Vec::new());
    for class in 0..subject.classes().len() {
        let images: Vec<usize> = (0..subject.labels.len()).filter(|image| subject.labels[*image] == class).collect();
        if images.len() < FEWEST_OF_CLASS {
            small.push(class);
            continue;
        }
        found.extend(of_class(subject, &features, class, &images));
    }
    let level = Level::of(found.len());
    let mut clusters: Vec<ClusterRecord> = found.into_iter().map(|one| one.record(subject, level)).collect();
    clusters.sort_by(|a, b| b.excess.value.total_cmp(&a.excess.value));
    Ok(ClusterMeasures { clusters, small, level })
}

/// The penultimate features of all images, each of length 1: `[images, width]`.
fn features(subject: &Subject<'_>, options: &ExtractOptions) -> Result<Vec<Vec<f64>>, AuditError> {
    let artifact = subject.model.artifact();
    let network = artifact.network().map_err(heirloom_transfer::predictor::PredictError::from)?;
    let tap = artifact.network.as_ref().map(|network| network.backbone.features.clone()).unwrap_or_default();
    let rows: Vec<usize> = (0..subject.labels.len()).collect();
    let requests = [(tap, Pooling::MEAN)];
    let shown = |more: usize| subject.watch().shown.iter().for_each(|shown| shown(more));
    let images = crate::ChangedImages { images: subject.images, change: &|_, _| {}, shown: &shown };
    let mut extraction = Extraction::new(network, &images, &rows, &requests);
    (extraction.options, extraction.cancel) = (options.clone(), subject.watch().cancel);
    let extracted = extraction.run()?;
    let blocks = extracted.features.blocks.iter().flat_map(|block| block.values.chunks(block.width.max(1)));
    Ok(blocks.map(unit).collect())
}

fn unit(values: &[f32]) -> Vec<f64> {
    let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(1e-12);
    values.iter().map(|value| f64::from(*value) / norm).collect()
}

/// A cluster with its judged images.
struct Found {
    class: usize,
    /// Judged images, the nearest to the middle first.
    inside: Vec<usize>,
    outside: Vec<usize>,
}

/// Clusters of one class that are large enough to be judged.
fn of_class(subject: &Subject<'_>, features: &[Vec<f64>], class: usize, images: &[usize]) -> Vec<Found> {
    let order = in_turn(&vec![0; images.len()], subject.seed ^ class as u64);
    let (made, judged) = order.split_at(images.len() / 2);
    let row = |at: &usize| features[images[*at]].as_slice();
    let made: Vec<&[f64]> = made.iter().map(row).collect();
    let centres = k_means(&made, CLUSTERS, subject.seed ^ (class as u64) << 20);
    let mut members: Vec<Vec<(f64, usize)>> = vec![Vec::new(); centres.len()];
    for at in judged {
        let (cluster, distance) = nearest(&centres, row(at));
        members[cluster].push((distance, images[*at]));
    }
    let found = members.iter().enumerate().map(|(cluster, inside)| {
        let mut inside = inside.clone();
        inside.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let outside = members.iter().enumerate().filter(|(other, _)| *other != cluster);
        let mut outside: Vec<usize> = outside.flat_map(|(_, members)| members.iter().map(|one| one.1)).collect();
        outside.sort_unstable();
        Found { class, inside: inside.into_iter().map(|one| one.1).collect(), outside }
    });
    found.filter(|one| one.inside.len() >= FEWEST && one.outside.len() >= FEWEST).collect()
}

impl Found {
    fn record(self, subject: &Subject<'_>, level: Level) -> ClusterRecord {
        let wrong = |images: &[usize]| [images.iter().filter(|image| !subject.is_right(**image)).count(), images.len()];
        let (inside, outside) = (wrong(&self.inside), wrong(&self.outside));
        let excess = level.weighted_difference(&[WeightedPair { weight: 1.0, first: inside, second: outside }]);
        let mut counts = vec![0_usize; subject.classes().len()];
        let answers = self.inside.iter().filter(|image| !subject.is_right(**image)).map(|image| subject.clean[*image]);
        answers.for_each(|answer| counts[answer] += 1);
        let most = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count).filter(|(_, count)| **count > 0);
        ClusterRecord {
            class: self.class,
            inside: [inside[1], inside[0]],
            outside: [outside[1], outside[0]],
            excess,
            taken_for: most.map(|(answer, _)| answer),
            examples: self.inside.into_iter().take(EXAMPLES).collect(),
            others: self.outside.into_iter().take(EXAMPLES).collect(),
        }
    }
}

/// Middles of `count` clusters by k-means (Lloyd) from k-means++ (Arthur and Vassilvitskii 2007); fewer where rows coincide.
pub(crate) fn k_means(rows: &[&[f64]], count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut draws = Draws::of_batch(seed, 2, 0);
    let Some(first) = rows.get(draws.below(rows.len())) else { return Vec::new() };
    let mut centres = vec![first.to_vec()];
    while centres.len() < count {
        let distances: Vec<f64> = rows.iter().map(|row| nearest(&centres, row).1).collect();
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = draws.unit() * total;
        let drawn = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        centres.push(rows[drawn.unwrap_or(rows.len() - 1)].to_vec());
    }
    let mut assigned = vec![usize::MAX; rows.len()];
    for _ in 0..ROUNDS {
        let now: Vec<usize> = rows.iter().map(|row| nearest(&centres, row).0).collect();
        if now == assigned {
            break;
        }
        assigned = now;
        for (cluster, centre) in centres.iter_mut().enumerate() {
            let members: Vec<&&[f64]> =
                rows.iter().zip(&assigned).filter(|(_, one)| **one == cluster).map(|(row, _)| row).collect();
            if members.is_empty() {
                continue;
            }
            for (place, value) in centre.iter_mut().enumerate() {
                *value = members.iter().map(|row| row[place]).sum::<f64>() / members.len() as f64;
            }
        }
    }
    centres
}

/// The nearest centre, the first of equals, and its squared distance.
fn nearest(centres: &[Vec<f64>], row: &[f64]) -> (usize, f64) {
    let distance = |centre: &[f64]| centre.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let distances = centres.iter().map(|centre| distance(centre)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests {
    use heirloom_data::augment::Key;

    use super::*;

    #[test]
    fn clouds_that_lie_apart_are_found() {
        let middles = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
        let mut draws = Draws::of_image(Key { seed: 3, epoch: 0, row: 0 });
        let rows: Vec<Vec<f64>> =
            (0..90).map(|at: usize| middles[at % 3].iter().map(|middle| middle + draws.normal()).collect()).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        for seed in 0..5 {
            let centres = k_means(&rows, 3, seed);
            assert_eq!(centres, k_means(&rows, 3, seed));
            for middle in middles {
                assert!(nearest(&centres, &middle).1 < 0.5, "{centres:?}");
            }
        }
    }

    #[test]
    fn rows_that_coincide_make_fewer_clusters() {
        assert_eq!(k_means(&[&[1.0], &[1.0]], 3, 0), [vec![1.0]]);
        assert_eq!(k_means(&[], 3, 0), Vec::<Vec<f64>>::new());
    }
}
