//! EasyTL (Wang, Chen, Yu, Huang, Yang 2019, arXiv 1904.01376): easy transfer learning without a model to train and without a
//! setting to tune. Class means of the aligned source, distances of the target rows to them, and the programme that gives every
//! class its share.

use serde::{Deserialize, Serialize};

use super::{
    Adaptation, AdaptationError, Adapted, Alignment, Coverage, Distance, Preprocessing, Samples, assign, cheapest,
};

/// Settings of EasyTL; the default is the method as released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EasyTl {
    /// Preprocessing and alignment.
    pub adaptation: Adaptation,
    /// Distance to a class.
    pub distance: Distance,
    /// How many target rows each class has to get.
    pub coverage: Coverage,
}

impl Default for EasyTl {
    fn default() -> Self {
        let adaptation = Adaptation { preprocessing: Preprocessing::EASYTL, alignment: Alignment::CORAL };
        Self { adaptation, distance: Distance::Euclidean, coverage: Coverage::AtLeast(1) }
    }
}

/// What EasyTL says of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct EasyTlResult {
    /// Class of each target row.
    pub labels: Vec<usize>,
    /// Class whose mean is nearest to each target row: the labels without any coverage.
    pub nearest: Vec<usize>,
    /// Distances `[target rows, classes]`, row-major.
    pub distances: Vec<f64>,
    /// Target rows of each class.
    pub counts: Vec<usize>,
    /// Rows that the coverage took from their nearest class.
    pub moved: usize,
}

impl EasyTl {
    /// Labels an unlabelled target.
    ///
    /// ```
    /// use heirloom_transfer::adaptation::{EasyTl, Samples};
    /// let source = Samples::new(4, 2, vec![5., 1., 6., 1., 1., 5., 1., 6.])?;
    /// let target = Samples::new(3, 2, vec![9., 2., 2., 8., 1., 9.])?;
    /// let result = EasyTl::default().label(&source, &[0, 0, 1, 1], &target, 2)?;
    /// assert_eq!(result.labels, [0, 1, 1]);
    /// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
    /// ```
    ///
    /// # Errors
    /// Domains that do not fit together, a class without a source row, fewer target rows than the coverage asks for.
    pub fn label(
        &self,
        source: &Samples,
        labels: &[usize],
        target: &Samples,
        classes: usize,
    ) -> Result<EasyTlResult, AdaptationError> {
        self.label_adapted(&self.adaptation.apply(source, target)?, labels, classes)
    }

    /// Labels a target whose domains have been brought together.
    ///
    /// # Errors
    /// As [`EasyTl::label`].
    pub fn label_adapted(
        &self,
        domains: &Adapted,
        labels: &[usize],
        classes: usize,
    ) -> Result<EasyTlResult, AdaptationError> {
        let distances = self.distance.to_classes(&domains.target, &domains.source, labels, classes)?;
        let least = self.coverage.minimum(domains.target.rows(), classes)?;
        let assignment = assign(&distances, &least)?;
        let mut counts = vec![0; classes];
        assignment.labels.iter().for_each(|&label| counts[label] += 1);
        let nearest = cheapest(&distances, classes);
        Ok(EasyTlResult { labels: assignment.labels, nearest, distances, counts, moved: assignment.moved })
    }
}
