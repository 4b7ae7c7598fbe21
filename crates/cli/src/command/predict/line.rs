//! One prediction as it is written, whatever the format.

use serde::Serialize;

/// What the model says about one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the model that says it, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Where the image is.
    pub image: String,
    /// The most probable class.
    pub class: String,
    /// Its calibrated probability.
    pub probability: f32,
    /// Whether the image is further from the model's own images than 95 % of those are from each other; `None` where the model
    /// was fitted on too few to tell.
    pub unfamiliar: Option<bool>,
    /// The most probable classes, best first, `class` included.
    pub top: Vec<Ranked>,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The class.
    pub class: String,
    /// Its calibrated probability.
    pub probability: f32,
}

/// What the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Classes listed for an image.
    pub top: usize,
    /// Whether a column names the task.
    pub tasks: bool,
}

/// Names of the flat columns: the first of the top classes is `class` and `probability`, the others carry their rank.
pub fn columns(Layout { top, tasks }: Layout) -> Vec<String> {
    let mut names: Vec<String> = ["image", "task", "class", "probability", "unfamiliar"].map(String::from).to_vec();
    names.retain(|name| tasks || name != "task");
    names.extend((2..=top).flat_map(|rank| [format!("class_{rank}"), format!("probability_{rank}")]));
    names
}
