//! Heads of several layers that read fewer: the layers that move the logits least are left out.
//!
//! With `z` the normalised columns of a layer and `W` its weights, what the layer says of a row is `(z - mean z) W`, and its mean `mean z W`
//! goes into the bias. A layer counts by the root of the mean square of what it says, over rows that the head was fitted on.

use serde::Serialize;

use crate::Features;
use crate::heads::{Affine, Head, HeadError, Input, Matrix, Rule, gather};

/// What a layer says in a head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerWeight {
    /// Name of the layer.
    pub layer: String,
    /// Columns that the head reads of it.
    pub columns: usize,
    /// Root of the mean square of what it adds to a logit, about its mean.
    pub moves: f64,
    /// Whether it stays.
    pub kept: bool,
}

impl Head {
    /// The head without all but the `keep` layers that move its logits most on `rows` of `features`, which must be rows it was fitted on; and
    /// what each layer says, in the order of the head. With no more layers than `keep`, the head stays as it is.
    ///
    /// # Errors
    /// A head that is no linear map, or features that it cannot read.
    pub fn with_fewer_layers(
        &self,
        features: &Features,
        rows: &[usize],
        keep: usize,
    ) -> Result<(Self, Vec<LayerWeight>), HeadError> {
        let Rule::Affine(affine) = &self.rule else {
            let fact = format!("a head of method '{}' weighs no layers", self.method().name());
            return Err(HeadError::Stored { fact });
        };
        let z = gather(features, &self.inputs, rows, &self.normalizer)?;
        let mut bias: Vec<f64> = affine.bias.iter().map(|value| f64::from(*value)).collect();
        let spoken = spoken(&z, &self.inputs, affine);
        let mut order: Vec<usize> = (0..spoken.len()).collect();
        order.sort_by(|a, b| spoken[*b].moves.total_cmp(&spoken[*a].moves));
        let kept: Vec<bool> =
            (0..spoken.len()).map(|layer| order.iter().take(keep.max(1)).any(|at| *at == layer)).collect();
        for (said, _) in spoken.iter().zip(&kept).filter(|(_, kept)| !**kept) {
            bias.iter_mut().zip(&said.mean).for_each(|(bias, mean)| *bias += mean);
        }
        let weights = self.inputs.iter().zip(&spoken).zip(&kept).map(|((input, said), kept)| LayerWeight {
            layer: input.tap.clone(),
            columns: input.count(),
            moves: said.moves,
            kept: *kept,
        });
        let weights: Vec<LayerWeight> = weights.collect();
        let columns: Vec<usize> =
            places(&self.inputs).zip(&kept).filter(|(_, kept)| **kept).flat_map(|(place, _)| place).collect();
        let of_columns = columns.iter().flat_map(|column| &affine.weights[column * affine.classes..][..affine.classes]);
        let rule = Affine {
            classes: affine.classes,
            weights: of_columns.copied().collect(),
            bias: bias.into_iter().map(|value| value as f32).collect(),
        };
        let inputs = self.inputs.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(input, _)| input.clone()).collect();
        let normalizer = self.normalizer.of_columns(&columns);
        let mut head = Self::new(self.method(), self.classes(), inputs, normalizer, Rule::Affine(rule));
        head.set_temperature(self.temperature());
        Ok((head, weights))
    }
}

/// What a layer adds to the logits.
struct Spoken {
    mean: Vec<f64>,
    moves: f64,
}

/// The columns of each input among those of all.
fn places(inputs: &[Input]) -> impl Iterator<Item = std::ops::Range<usize>> {
    inputs.iter().scan(0, |first, input| {
        let place = *first..*first + input.count();
        *first = place.end;
        Some(place)
    })
}

fn spoken(z: &Matrix, inputs: &[Input], affine: &Affine) -> Vec<Spoken> {
    let of_layer = |place: std::ops::Range<usize>| {
        let (mut sums, mut squares) = (vec![0.0; affine.classes], 0.0);
        for row in 0..z.rows {
            let mut said = vec![0.0; affine.classes];
            for (value, weights) in z.row(row)[place.clone()]
                .iter()
                .zip(affine.weights[place.start * affine.classes..].chunks(affine.classes))
            {
                said.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += f64::from(*value) * f64::from(*weight));
            }
            squares += said.iter().map(|value| value * value).sum::<f64>();
            sums.iter_mut().zip(&said).for_each(|(sum, value)| *sum += value);
        }
        let count = z.rows.max(1) as f64;
        let mean: Vec<f64> = sums.into_iter().map(|sum| sum / count).collect();
        let about = squares / count - mean.iter().map(|value| value * value).sum::<f64>();
        Spoken { mean, moves: (about.max(0.0) / affine.classes.max(1) as f64).sqrt() }
    };
    places(inputs).map(of_layer).collect()
}
