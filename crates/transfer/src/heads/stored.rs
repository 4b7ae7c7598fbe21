//! The stored form of a head: named tensors and one JSON value, exact in both directions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::affine::Affine;
use super::cache_model::Cache;
use super::dense::Matrix;
use super::knn::{Neighbours, Weighting};
use super::normalization::{Normalization, Normalizer};
use super::{Head, HeadError, Input, Method, Rule};

/// A tensor of the stored form.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredTensor {
    /// Single-precision numbers.
    F32 {
        /// Sizes, slowest first.
        shape: Vec<usize>,
        /// Values, row-major.
        values: Vec<f32>,
    },
    /// Labels or column indices.
    U32 {
        /// Sizes, slowest first.
        shape: Vec<usize>,
        /// Values, row-major.
        values: Vec<u32>,
    },
}

/// A head as it is written: tensors by name and one JSON value that describes them.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredHead {
    /// `weights`, `bias` (affine), `rows`, `labels` (neighbours), all four and `similarity` (weight and sharpness) of a cache, `mean`,
    /// `factor` (per-feature normalisation) and
    /// `columns.<i>` (the selected columns of input `i`, absent where all are read).
    pub tensors: BTreeMap<String, StoredTensor>,
    /// Method, classes, inputs, normalisation, rule and temperature.
    pub description: serde_json::Value,
}

/// The JSON part. Column lists are tensors, so `inputs` hold none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    classes: usize,
    inputs: Vec<Input>,
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours: Option<usize>,
    normalization: Normalization,
    /// Bits of the temperature, so that it survives any JSON reader.
    temperature_bits: String,
    temperature: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weighting: Option<String>,
}

fn broken(fact: impl Into<String>) -> HeadError {
    HeadError::Stored { fact: fact.into() }
}

impl Head {
    /// The stored form.
    ///
    /// # Errors
    /// Only if the JSON writer fails.
    pub fn to_stored(&self) -> Result<StoredHead, HeadError> {
        let mut tensors = BTreeMap::new();
        let columns = super::input::width(&self.inputs);
        let (mut neighbours, mut weighting) = (None, None);
        match &self.rule {
            Rule::Affine(rule) => {
                insert_f32(&mut tensors, "weights", vec![columns, self.classes], &rule.weights);
                insert_f32(&mut tensors, "bias", vec![self.classes], &rule.bias);
            }
            Rule::Cache(rule) => {
                insert_f32(&mut tensors, "weights", vec![columns, self.classes], &rule.prototypes.weights);
                insert_f32(&mut tensors, "bias", vec![self.classes], &rule.prototypes.bias);
                insert_f32(&mut tensors, "rows", vec![rule.rows.rows, columns], &rule.rows.values);
                insert_u32(&mut tensors, "labels", &rule.labels);
                insert_f32(&mut tensors, "similarity", vec![2], &[rule.weight, rule.sharpness]);
            }
            Rule::Neighbours(rule) => {
                insert_f32(&mut tensors, "rows", vec![rule.rows.rows, columns], &rule.rows.values);
                insert_u32(&mut tensors, "labels", &rule.labels);
                (neighbours, weighting) = (Some(rule.neighbours), Some(rule.weighting.name().to_string()));
            }
        }
        if let Normalizer::PerFeature { mean, factor } = &self.normalizer {
            insert_f32(&mut tensors, "mean", vec![columns], mean);
            insert_f32(&mut tensors, "factor", vec![columns], factor);
        }
        for (index, input) in self.inputs.iter().enumerate() {
            if let Some(columns) = &input.columns {
                insert_u32(&mut tensors, &format!("columns.{index}"), columns);
            }
        }
        let description = Description {
            classes: self.classes,
            inputs: self.inputs.iter().map(|input| Input { columns: None, ..input.clone() }).collect(),
            method: self.method,
            neighbours,
            normalization: self.normalizer.kind(),
            temperature_bits: format!("{:016x}", self.temperature.to_bits()),
            temperature: self.temperature,
            weighting,
        };
        let description = serde_json::to_value(description).map_err(|error| broken(error.to_string()))?;
        Ok(StoredHead { tensors, description })
    }

    /// Reads a stored head; it predicts exactly as the one that was stored.
    ///
    /// # Errors
    /// [`HeadError::Stored`] names the tensor or field that is missing, has another shape or is out of range.
    pub fn from_stored(stored: &StoredHead) -> Result<Self, HeadError> {
        let description: Description =
            serde_json::from_value(stored.description.clone()).map_err(|error| broken(error.to_string()))?;
        let inputs = read_inputs(stored, description.inputs)?;
        let (columns, classes) = (super::input::width(&inputs), description.classes);
        let normalizer = match description.normalization {
            Normalization::UnitVector => Normalizer::UnitVector,
            Normalization::None => Normalizer::None,
            Normalization::PerFeature => Normalizer::PerFeature {
                mean: read_f32(stored, "mean", &[columns])?,
                factor: read_f32(stored, "factor", &[columns])?,
            },
        };
        let rule = match (description.neighbours, description.weighting) {
            (Some(neighbours), Some(weighting)) => read_neighbours(stored, columns, classes, neighbours, &weighting)?,
            (None, None) if description.method == Method::CacheModel => read_cache(stored, columns, classes)?,
            (None, None) => Rule::Affine(read_affine(stored, columns, classes)?),
            _ => return Err(broken("`neighbours` and `weighting` must stand together")),
        };
        let bits = u64::from_str_radix(&description.temperature_bits, 16)
            .map_err(|_| broken(format!("temperature_bits is `{}`", description.temperature_bits)))?;
        let temperature = f64::from_bits(bits);
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(broken(format!("the temperature is {temperature}")));
        }
        Ok(Self { method: description.method, classes, inputs, normalizer, rule, temperature })
    }
}

fn read_affine(stored: &StoredHead, columns: usize, classes: usize) -> Result<Affine, HeadError> {
    let weights = read_f32(stored, "weights", &[columns, classes])?;
    Ok(Affine { classes, weights, bias: read_f32(stored, "bias", &[classes])? })
}

/// Labels of stored rows, each below the number of classes.
fn read_labels(stored: &StoredHead, classes: usize) -> Result<Vec<u32>, HeadError> {
    let labels = read_u32(stored, "labels")?;
    match labels.iter().find(|&&label| label as usize >= classes) {
        Some(label) => Err(broken(format!("`labels` holds {label}; there are {classes} classes"))),
        None => Ok(labels),
    }
}

fn read_cache(stored: &StoredHead, columns: usize, classes: usize) -> Result<Rule, HeadError> {
    let labels = read_labels(stored, classes)?;
    let values = read_f32(stored, "rows", &[labels.len(), columns])?;
    let similarity = read_f32(stored, "similarity", &[2])?;
    if similarity.iter().any(|value| *value < 0.0) {
        return Err(broken(format!("`similarity` holds {similarity:?}; weight and sharpness are from 0 on")));
    }
    let rows = Matrix { rows: labels.len(), columns, values };
    let prototypes = read_affine(stored, columns, classes)?;
    Ok(Rule::Cache(Cache { prototypes, rows, labels, weight: similarity[0], sharpness: similarity[1] }))
}

fn read_neighbours(
    stored: &StoredHead,
    columns: usize,
    classes: usize,
    neighbours: usize,
    weighting: &str,
) -> Result<Rule, HeadError> {
    let labels = read_labels(stored, classes)?;
    if neighbours == 0 || neighbours > labels.len() {
        return Err(broken(format!("{neighbours} neighbours of {} rows", labels.len())));
    }
    let values = read_f32(stored, "rows", &[labels.len(), columns])?;
    let weighting = Weighting::from_name(weighting).ok_or_else(|| broken(format!("weighting `{weighting}`")))?;
    let rows = Matrix { rows: labels.len(), columns, values };
    Ok(Rule::Neighbours(Neighbours { rows, labels, neighbours, weighting }))
}

fn read_inputs(stored: &StoredHead, inputs: Vec<Input>) -> Result<Vec<Input>, HeadError> {
    let mut out = Vec::with_capacity(inputs.len());
    for (index, mut input) in inputs.into_iter().enumerate() {
        let name = format!("columns.{index}");
        if stored.tensors.contains_key(&name) {
            let columns = read_u32(stored, &name)?;
            let ascending = columns.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || columns.last().is_some_and(|&last| last as usize >= input.width) {
                return Err(broken(format!("`{name}` must rise and stay below {}", input.width)));
            }
            input.columns = Some(columns);
        }
        out.push(input);
    }
    Ok(out)
}

fn insert_f32(tensors: &mut BTreeMap<String, StoredTensor>, name: &str, shape: Vec<usize>, values: &[f32]) {
    tensors.insert(name.to_string(), StoredTensor::F32 { shape, values: values.to_vec() });
}

fn insert_u32(tensors: &mut BTreeMap<String, StoredTensor>, name: &str, values: &[u32]) {
    tensors.insert(name.to_string(), StoredTensor::U32 { shape: vec![values.len()], values: values.to_vec() });
}

fn read_f32(stored: &StoredHead, name: &str, expected: &[usize]) -> Result<Vec<f32>, HeadError> {
    match stored.tensors.get(name) {
        Some(StoredTensor::F32 { shape, values }) if shape == expected => {
            let size: usize = shape.iter().product();
            if values.len() != size || values.iter().any(|value| !value.is_finite()) {
                return Err(broken(format!("`{name}` needs {size} finite values")));
            }
            Ok(values.clone())
        }
        Some(StoredTensor::F32 { shape, .. }) => Err(broken(format!("`{name}` has shape {shape:?}, not {expected:?}"))),
        Some(StoredTensor::U32 { .. }) => Err(broken(format!("`{name}` holds integers, not numbers"))),
        None => Err(broken(format!("there is no tensor `{name}`"))),
    }
}

fn read_u32(stored: &StoredHead, name: &str) -> Result<Vec<u32>, HeadError> {
    match stored.tensors.get(name) {
        Some(StoredTensor::U32 { values, shape }) if shape[..] == [values.len()] => Ok(values.clone()),
        Some(_) => Err(broken(format!("`{name}` is not a list of integers"))),
        None => Err(broken(format!("there is no tensor `{name}`"))),
    }
}
