//! What is compared: a backbone and the ways to adapt it.

use heirloom_zoo::Backbone;

use super::Adaptation;
use crate::extract::Request;
use crate::fit::trained::RecipeOptions;
use crate::heads::{Method, Settings};

/// A backbone, the ways to adapt it, and their settings.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The pretrained network.
    pub backbone: &'a Backbone,
    /// Ways to adapt, each once.
    pub methods: Vec<Adaptation>,
    /// Pooling targets of the methods that read all taps.
    pub targets: Vec<usize>,
    /// Settings of the heads; the penultimate tap and the pooling targets are put in from the backbone and from above.
    pub settings: Settings,
    /// Settings of the methods that train.
    pub recipe: RecipeOptions,
    /// How many of the draws, from the first, the methods are fitted on; `None` for all.
    pub draws: Option<usize>,
}

impl<'a> Entry<'a> {
    /// `methods` at the default settings.
    #[must_use]
    pub fn new(backbone: &'a Backbone, methods: Vec<Adaptation>, targets: &[usize]) -> Self {
        let (settings, recipe) = (Settings::default(), RecipeOptions::default());
        Self { backbone, methods, targets: targets.to_vec(), settings, recipe, draws: None }
    }

    /// Draws that the methods are fitted on, of `all`.
    pub(super) fn draws_of(&self, all: usize) -> usize {
        self.draws.map_or(all, |draws| draws.clamp(1, all))
    }

    /// The heads on frozen features.
    pub(super) fn frozen(&self) -> Vec<Method> {
        self.methods.iter().flat_map(|method| method.heads()).collect()
    }

    /// The settings of the heads on features of the backbone.
    pub(super) fn heads(&self) -> Settings {
        let mut settings = self.settings.clone();
        settings.penultimate = self.backbone.features.clone();
        settings.head2toe.targets = self.targets.clone();
        settings.all.targets = self.targets.clone();
        settings
    }

    /// What `methods` read.
    pub(super) fn requests(&self, methods: &[Method]) -> Vec<Request> {
        crate::fit::requests(self.backbone, methods, &self.targets, &self.settings)
    }

    /// Settings of a method, as one string.
    pub(super) fn described(&self, method: Adaptation) -> String {
        match method {
            Adaptation::Frozen(_) | Adaptation::Auto(_) => described(&self.heads(), &method.heads()),
            Adaptation::Trained(_) => format!("{:?} {:?}", self.recipe, self.targets),
        }
    }
}

/// Settings of heads, as one string.
pub(super) fn described(settings: &Settings, heads: &[Method]) -> String {
    heads.iter().map(|method| settings.describe(*method)).collect::<Vec<_>>().join("; ")
}
