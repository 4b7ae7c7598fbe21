//! Checkpoint keys: how each library spells the parameters of a module, and how a description may rename them.

use std::collections::BTreeMap;

/// Whose module names and parameter spelling a checkpoint uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// torchvision modules, `.weight` and `.bias`. ResNets spell the same in timm.
    Torchvision,
    /// timm modules, `.weight` and `.bias`.
    Timm,
    /// TensorFlow-Slim scopes, `/weights` and `/biases`.
    Slim,
    /// MXNet Gluon names, `_weight`, `_gamma` and `_beta`.
    Gluon,
}

/// The role of a parameter in its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Weight,
    DepthwiseWeight,
    Bias,
    NormWeight,
    NormBias,
    RunningMean,
    RunningVariance,
}

/// From a module and a role to the key in the file.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub layout: Layout,
    /// Put before every key, such as `module.`.
    pub prefix: String,
    /// From the layout's own key to the file's, where they differ.
    pub rename: BTreeMap<String, String>,
}

impl Keys {
    /// Key of a module's parameter.
    pub fn parameter(&self, module: &str, role: Role) -> String {
        let key = match self.layout {
            Layout::Torchvision | Layout::Timm => format!("{module}.{}", torch_suffix(role)),
            Layout::Slim => format!("MobilenetV1/{}/{}", module.replace('.', "/"), slim_suffix(role)),
            Layout::Gluon => format!("mobilenetv20_features_{}_{}", module.replace('.', "_"), gluon_suffix(role)),
        };
        self.plain(&key)
    }

    /// A parameter that belongs to no module, such as `cls_token`.
    pub fn plain(&self, key: &str) -> String {
        match self.rename.get(key) {
            Some(own) => own.clone(),
            None => format!("{}{key}", self.prefix),
        }
    }
}

fn torch_suffix(role: Role) -> &'static str {
    match role {
        Role::Weight | Role::DepthwiseWeight | Role::NormWeight => "weight",
        Role::Bias | Role::NormBias => "bias",
        Role::RunningMean => "running_mean",
        Role::RunningVariance => "running_var",
    }
}

fn slim_suffix(role: Role) -> &'static str {
    match role {
        Role::Weight => "weights",
        Role::DepthwiseWeight => "depthwise_weights",
        Role::Bias => "biases",
        Role::NormWeight => "gamma",
        Role::NormBias => "beta",
        Role::RunningMean => "moving_mean",
        Role::RunningVariance => "moving_variance",
    }
}

fn gluon_suffix(role: Role) -> &'static str {
    match role {
        Role::Weight | Role::DepthwiseWeight => "weight",
        Role::Bias => "bias",
        Role::NormWeight => "gamma",
        Role::NormBias => "beta",
        Role::RunningMean => "running_mean",
        Role::RunningVariance => "running_var",
    }
}
