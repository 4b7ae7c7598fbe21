//! From the values of layers to the columns that a head reads, and back: pooling, selection, scaling. With `x` the selected columns of one
//! layer, `y` what they are scaled to and `dy` its gradient,
//!
//! ```text
//! divided by their norm:   y = x / |x|               dx = (dy - y (y . dy)) / |x|,  0 where x = 0
//! column by column:        y = (x - mean) factor     dx = dy factor
//! ```

use heirloom_engine::{EngineError, Graph, Shape};

use crate::heads::{Head, Input, Normalizer};
use crate::pooling::spread_into;
use crate::{PoolingError, Windows, pool_into};

/// The columns of one layer.
#[derive(Debug, Clone)]
struct Part {
    shape: Shape,
    windows: Windows,
    input: Input,
}

/// All columns that a head reads, layer after layer.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    parts: Vec<Part>,
    scaling: Normalizer,
}

/// The scaled columns of one image, and the norms that its layers had.
#[derive(Debug)]
pub(crate) struct Read {
    pub scaled: Vec<f32>,
    norms: Vec<f64>,
}

impl Columns {
    /// The columns that `head` reads of `graph` for images of `input_size`.
    pub fn of_head(head: &Head, graph: &Graph, input_size: [usize; 2]) -> Result<Self, EngineError> {
        let taps: Vec<String> = head.inputs.iter().map(|input| input.tap.clone()).collect();
        let shapes = graph.tap_shapes(input_size, &taps)?;
        let parts = head.inputs.iter().cloned().zip(shapes).collect();
        Ok(Self::new(parts, head.normalizer.clone()))
    }

    /// Columns of layers of given shapes.
    pub fn new(inputs: Vec<(Input, Shape)>, scaling: Normalizer) -> Self {
        let part = |(input, shape): (Input, Shape)| Part { shape, windows: Windows::new(shape, input.pooling), input };
        Self { parts: inputs.into_iter().map(part).collect(), scaling }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inputs().map(Input::count).sum()
    }

    /// Layer by layer.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.parts.iter().map(|part| &part.input)
    }

    /// The columns of one image; `values` holds each layer's values of all images.
    pub fn read(&self, values: &[&[f32]], image: usize) -> Result<Read, PoolingError> {
        let mut read = Read { scaled: Vec::with_capacity(self.count()), norms: Vec::with_capacity(self.parts.len()) };
        let mut pooled = Vec::new();
        for (part, values) in self.parts.iter().zip(values) {
            pooled.clear();
            pooled.resize(part.input.width, 0.0);
            let length = part.shape.len();
            let own = values.get(image * length..(image + 1) * length).unwrap_or_default();
            pool_into(part.shape, own, &[part.windows], &mut [&mut pooled])?;
            let start = read.scaled.len();
            match &part.input.columns {
                None => read.scaled.extend_from_slice(&pooled),
                Some(columns) => read.scaled.extend(columns.iter().map(|&column| pooled[column as usize])),
            }
            let own = &mut read.scaled[start..];
            let norm = own.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            self.scaling.apply(own, start);
            read.norms.push(norm);
        }
        Ok(read)
    }

    /// Gradients of each layer's values of one image from `gradient`, that of its scaled columns.
    pub fn spread(&self, read: &Read, gradient: &[f32]) -> Result<Vec<Vec<f32>>, PoolingError> {
        let mut start = 0;
        let mut layers = Vec::with_capacity(self.parts.len());
        for (part, &norm) in self.parts.iter().zip(&read.norms) {
            let range = start..start + part.input.count();
            let dx = self.unscaled(&read.scaled[range.clone()], &gradient[range.clone()], norm, start);
            start = range.end;
            let mut pooled = vec![0.0; part.input.width];
            match &part.input.columns {
                None => pooled.copy_from_slice(&dx),
                Some(columns) => columns.iter().zip(dx).for_each(|(&column, dx)| pooled[column as usize] = dx),
            }
            let mut layer = vec![0.0; part.shape.len()];
            spread_into(part.shape, part.windows, &pooled, &mut layer)?;
            layers.push(layer);
        }
        Ok(layers)
    }

    /// `dx` from `y` and `dy` of the columns of one layer, the first of which is column `first` of the head.
    fn unscaled(&self, y: &[f32], dy: &[f32], norm: f64, first: usize) -> Vec<f32> {
        match &self.scaling {
            Normalizer::None => dy.to_vec(),
            Normalizer::PerFeature { factor, .. } => dy.iter().zip(&factor[first..]).map(|(dy, f)| dy * f).collect(),
            Normalizer::UnitVector => {
                let along: f64 = y.iter().zip(dy).map(|(&y, &dy)| f64::from(y) * f64::from(dy)).sum();
                let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                y.iter().zip(dy).map(|(&y, &dy)| ((f64::from(dy) - f64::from(y) * along) * factor) as f32).collect()
            }
        }
    }
}
