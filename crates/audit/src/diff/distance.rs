//! How far the weights of two networks lie apart, module by module (`spec/what-is-transferred.md` section 7).
//!
//! ```text
//! d_m = ||A_m - B_m||_2        d = sqrt(sum_m d_m^2)        relative: d_m / ||A_m||_2
//! ```
//!
//! Over all parameters; running statistics are none. The classifier counts only where both have one of the same shape.

use std::collections::BTreeSet;

use heirloom_engine::{Graph, Op, Weights};
use heirloom_transfer::fit::trained::Movement;

/// Why two networks have no distance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the two networks have no weights in common to compare: {key} is {what}")]
pub struct Apart {
    /// The first parameter at fault.
    pub key: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The distance of `second` from `first`, both of them weights of `graph`. Of `classifier`, the keys of the layer that makes the logits,
/// those of another shape are left out.
///
/// # Errors
/// A parameter that only one of the two networks has, or in another shape.
pub fn distance(graph: &Graph, first: &Weights, second: &Weights, classifier: &[String]) -> Result<Movement, Apart> {
    let running: BTreeSet<&String> = graph.nodes.iter().flat_map(|node| statistics(&node.op)).collect();
    let mut compared = BTreeSet::new();
    for key in graph.parameters.keys().filter(|key| !running.contains(key)) {
        let apart = |what| Err(Apart { key: key.clone(), what });
        let [left, right] = [first, second].map(|weights| weights.tensors.get(key).map(|tensor| &tensor.shape));
        match (left, right) {
            (Some(left), Some(right)) if left == right => {
                compared.insert(key.clone());
            }
            _ if classifier.contains(key) => {}
            (_, None) => return apart("not in the second"),
            (None, _) => return apart("not in the first"),
            (Some(_), Some(_)) => return apart("of another shape in the second"),
        }
    }
    let more = second.tensors.keys().find(|key| !graph.parameters.contains_key(*key) && !classifier.contains(key));
    if let Some(key) = more {
        return Err(Apart { key: key.clone(), what: "not in the first" });
    }
    Ok(Movement::between(graph, &compared, (first, second), ("", &[])))
}

fn statistics(op: &Op) -> Vec<&String> {
    match op {
        Op::BatchNorm { running_mean, running_variance, .. } => vec![running_mean, running_variance],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use heirloom_zoo::{Backbone, Initialization, Recipe};

    use super::*;

    fn network(seed: u64) -> Backbone {
        let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
        Backbone::from_scratch(&recipe, &Initialization::usual(seed)).unwrap()
    }

    fn of(first: &Backbone, second: &Backbone) -> Movement {
        distance(&first.graph, &first.weights, &second.weights, &first.classifier_parameters()).unwrap()
    }

    /// T8: differences [1, 2, 2] in one module and four ones in another.
    #[test]
    fn vector_t8() {
        let first = network(0);
        let mut second = first.clone();
        for (key, differences) in [("conv1.weight", &[1.0, 2.0, 2.0][..]), ("layer1.0.conv1.weight", &[1.0; 4])] {
            let (from, to) = (&first.weights.tensors[key].values, second.weights.tensors.get_mut(key).unwrap());
            for (at, difference) in differences.iter().enumerate() {
                to.values[at] = from[at] + difference;
            }
        }
        let found = of(&first, &second);
        let changes: Vec<f64> =
            found.modules.iter().map(|module| module.change).filter(|change| *change > 0.0).collect();
        assert!(
            (changes[0] - 3.0).abs() < 1e-5 && (changes[1] - 2.0).abs() < 1e-5 && changes.len() == 2,
            "{changes:?}"
        );
        assert!((found.all.change - 3.605_551_275_5).abs() < 1e-5);
    }

    /// P7.
    #[test]
    fn squares_add_up_and_the_triangle_holds() {
        let networks = [network(0), network(1), network(2)];
        let all = |first: usize, second: usize| of(&networks[first], &networks[second]);
        let found = all(0, 1);
        let squares: f64 = found.modules.iter().map(|module| module.change.powi(2)).sum();
        assert!((found.all.change.powi(2) - squares).abs() < 1e-6 * squares);
        assert!(all(0, 2).all.change <= found.all.change + all(1, 2).all.change);
        assert_eq!(all(1, 1).all.change, 0.0);
        assert!(found.all.change > 0.0 && found.all.change == all(1, 0).all.change);
    }

    #[test]
    fn statistics_are_no_weights_and_a_classifier_of_another_shape_is_left_out() {
        let first = network(0);
        let mut second = first.clone();
        let tensors = &mut second.weights.tensors;
        tensors.get_mut("bn1.running_mean").unwrap().values.fill(9.0);
        tensors.get_mut("linear.weight").unwrap().shape = vec![1, 640];
        assert_eq!(of(&first, &second).all.change, 0.0);
        second.weights.tensors.remove("conv1.weight");
        let apart = distance(&first.graph, &first.weights, &second.weights, &[]).unwrap_err();
        assert!(apart.to_string().contains("conv1.weight is not in the second"), "{apart}");
        let recipe = Recipe::usual("mine", "cifar_resnet32").unwrap();
        let deeper = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
        let apart =
            distance(&first.graph, &first.weights, &deeper.weights, &first.classifier_parameters()).unwrap_err();
        assert!(apart.to_string().contains("layer1.3") && apart.what == "not in the first", "{apart}");
    }
}
