//! Episodes, drawn.

use heirloom_data::augment::Draws;

use super::{EpisodeError, EpisodeOptions};

/// Rows of an episode, each with its class from 0 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Labelled rows.
    pub support: Vec<(usize, usize)>,
    /// Rows whose labels are hidden; their classes are not even drawn along.
    pub unlabelled: Vec<usize>,
    /// Rows to judge on.
    pub queries: Vec<(usize, usize)>,
}

/// Rows of the classes that have enough.
#[derive(Debug)]
pub(super) struct Pool {
    classes: Vec<Vec<usize>>,
}

impl Pool {
    pub fn new(labels: &[Option<usize>], options: &EpisodeOptions) -> Result<Self, EpisodeError> {
        let count = labels.iter().flatten().max().map_or(0, |last| last + 1);
        let mut classes = vec![Vec::new(); count];
        for (row, label) in labels.iter().enumerate() {
            if let Some(label) = label {
                classes[*label].push(row);
            }
        }
        let rows = options.shots + options.unlabelled + options.queries;
        classes.retain(|class| class.len() >= rows);
        if classes.len() < options.ways {
            return Err(EpisodeError::Classes { found: classes.len(), rows, ways: options.ways });
        }
        Ok(Self { classes })
    }

    /// The episode of a number: no row is in it twice.
    pub fn draw(&self, number: usize, options: &EpisodeOptions) -> Episode {
        let mut draws = Draws::of_batch(options.seed, 0, number);
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        draws.shuffle(&mut order);
        let mut episode = Episode { support: Vec::new(), unlabelled: Vec::new(), queries: Vec::new() };
        for (class, from) in order.into_iter().take(options.ways).enumerate() {
            let mut rows = self.classes[from].clone();
            draws.shuffle(&mut rows);
            let (support, rest) = rows.split_at(options.shots);
            let (unlabelled, rest) = rest.split_at(options.unlabelled);
            episode.support.extend(support.iter().map(|row| (*row, class)));
            episode.unlabelled.extend_from_slice(unlabelled);
            episode.queries.extend(rest.iter().take(options.queries).map(|row| (*row, class)));
        }
        // In the order of classes they would tell them.
        draws.shuffle(&mut episode.unlabelled);
        episode
    }
}
