//! How far training moved the weights, module by module: is what was learned a readout of features that were there, or new features?
//!
//! ```text
//! change = ||w - w0||        relative = ||w - w0|| / ||w0||        Euclidean norms over the trained parameters of a module
//! ```
//!
//! `w0` is where training began: the pretrained weights, random ones for `scratch`, and the head as it stood before the first step.
//! Running statistics are no parameters and are left out.

use std::collections::BTreeSet;

use heirloom_engine::{Graph, Weights};
use heirloom_zoo::parameter_groups;
use serde::{Deserialize, Serialize};

/// How far the parameters of one module moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModuleMovement {
    /// Name of the module: a block of the network, or a layer outside of blocks.
    pub module: String,
    /// Its trained parameters, single numbers.
    pub parameters: usize,
    /// Norm of what they were.
    pub norm: f64,
    /// Norm of their change.
    pub change: f64,
    /// The change as a share of the norm; `None` where all began at zero.
    pub relative: Option<f64>,
}

/// How far the trained parameters moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Movement {
    /// All of them together.
    pub all: ModuleMovement,
    /// By module, from the input to the output.
    pub modules: Vec<ModuleMovement>,
}

/// Sums of squares over some parameters.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    parameters: usize,
    norm: f64,
    change: f64,
}

impl Sums {
    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters + other.parameters,
            norm: self.norm + other.norm,
            change: self.change + other.change,
        }
    }

    fn named(self, module: &str) -> ModuleMovement {
        let (norm, change) = (self.norm.sqrt(), self.change.sqrt());
        let relative = (norm > 0.0).then(|| change / norm);
        ModuleMovement { module: module.to_owned(), parameters: self.parameters, norm, change, relative }
    }
}

impl Movement {
    /// The movement of the parameters `trained` from `before` to `after`; those that no module of `graph` has are of the module `beside`.
    /// Modules of which nothing was trained are absent.
    #[must_use]
    pub fn between(
        graph: &Graph,
        trained: &BTreeSet<String>,
        (before, after): (&Weights, &Weights),
        beside: (&str, &[&str]),
    ) -> Self {
        let sums = |key: &str| {
            let values = |weights| values(weights, key);
            moved(values(before), values(after).iter().zip(values(before)).map(|(after, before)| after - before))
        };
        Self::of(graph, trained, beside, sums)
    }

    /// The movement by `change`, the parameters' differences from `before`.
    #[must_use]
    pub fn by(graph: &Graph, trained: &BTreeSet<String>, before: &Weights, change: &Weights) -> Self {
        Self::of(graph, trained, ("", &[]), |key| moved(values(before, key), values(change, key).iter().copied()))
    }

    fn of(graph: &Graph, trained: &BTreeSet<String>, beside: (&str, &[&str]), sums: impl Fn(&str) -> Sums) -> Self {
        let groups = parameter_groups(graph).into_iter().map(|group| {
            let keys = group.parameters.into_iter().filter(|key| trained.contains(key));
            (group.name, keys.fold(Sums::default(), |all, key| all.add(sums(&key))))
        });
        let beside = (beside.0.to_owned(), beside.1.iter().fold(Sums::default(), |all, key| all.add(sums(key))));
        // A classifier that nothing reads stays at zero; it took no part.
        let took_part = |(_, sums): &(String, Sums)| sums.parameters > 0 && (sums.norm > 0.0 || sums.change > 0.0);
        let groups: Vec<(String, Sums)> = groups.chain([beside]).filter(took_part).collect();
        let all = groups.iter().fold(Sums::default(), |all, (_, sums)| all.add(*sums));
        Self { all: all.named("all"), modules: groups.iter().map(|(name, sums)| sums.named(name)).collect() }
    }
}

fn values<'w>(weights: &'w Weights, key: &str) -> &'w [f32] {
    weights.tensors.get(key).map_or(&[], |tensor| tensor.values.as_slice())
}

fn moved(before: &[f32], change: impl Iterator<Item = f32>) -> Sums {
    let square = |value: f32| f64::from(value) * f64::from(value);
    Sums {
        parameters: before.len(),
        norm: before.iter().map(|&value| square(value)).sum(),
        change: change.map(square).sum(),
    }
}

#[cfg(test)]
mod tests {
    use heirloom_zoo::{Backbone, Initialization, Recipe};

    use super::*;

    #[test]
    fn norms_are_those_of_the_trained_parameters_of_each_module() {
        let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
        let network = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
        let mut after = network.weights.clone();
        let key = "layer2.1.conv1.weight";
        let tensor = after.tensors.get_mut(key).unwrap();
        tensor.values[0] += 3.0;
        tensor.values[1] -= 4.0;
        let square = |key: &str| network.weights.tensors[key].values.iter().map(|v| f64::from(v * v)).sum::<f64>();
        let trained: BTreeSet<String> = [key.to_owned(), "conv1.weight".to_owned()].into();
        let movement = Movement::between(&network.graph, &trained, (&network.weights, &after), ("", &[]));
        let names: Vec<&str> = movement.modules.iter().map(|module| module.module.as_str()).collect();
        assert_eq!(names, ["conv1", "layer2.1"]);
        assert_eq!((movement.modules[0].change, movement.modules[0].relative), (0.0, Some(0.0)));
        let block = &movement.modules[1];
        assert_eq!(block.parameters, network.weights.tensors[key].values.len());
        assert!((block.change - 5.0).abs() < 1e-5 && (block.norm - square(key).sqrt()).abs() < 1e-4, "{block:?}");
        assert!((block.relative.unwrap() - block.change / block.norm).abs() < 1e-12);
        let all = (square(key) + square("conv1.weight")).sqrt();
        assert!((movement.all.norm - all).abs() < 1e-4 && (movement.all.change - 5.0).abs() < 1e-5);
    }

    #[test]
    fn what_began_at_zero_has_no_relative_change_and_what_nothing_reads_is_absent() {
        let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
        let mut network = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
        let trained: BTreeSet<String> = network.classifier_parameters().into_iter().collect();
        for key in &trained {
            network.weights.tensors.get_mut(key).unwrap().values.fill(0.0);
        }
        let none = Movement::between(&network.graph, &trained, (&network.weights, &network.weights), ("", &[]));
        assert!(none.modules.is_empty());
        let mut after = network.weights.clone();
        after.tensors.get_mut("linear.bias").unwrap().values[0] = 2.0;
        let moved = Movement::between(&network.graph, &trained, (&network.weights, &after), ("", &[]));
        assert_eq!((moved.modules[0].change, moved.modules[0].relative), (2.0, None));
    }
}
