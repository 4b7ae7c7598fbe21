//! Settings narrowed to what was chosen, to fit the same head on other rows without choosing anew.

use crate::heads::{Fitted, LastLayer, Setting, Settings, Shrinkage, Solver};

/// `settings` with each list of penalties reduced to the value that `fitted` took. What remains to be chosen is
/// among a handful, at no cost.
pub(super) fn narrowed(settings: &Settings, fitted: &Fitted) -> Settings {
    let mut narrow = settings.clone();
    let number = |name: &str| match fitted.choice.taken()?.settings.get(name)? {
        Setting::Number(number) => Some(*number),
        Setting::Text(_) => None,
    };
    let keep = |list: &mut Vec<f64>, name: &str| {
        if let Some(taken) = number(name) {
            *list = vec![taken];
        }
    };
    keep(&mut narrow.linear.penalties, "penalty");
    keep(&mut narrow.ridge.penalties, "penalty");
    keep(&mut narrow.svm.penalties, "penalty");
    if let Some(share) = number("shrinkage") {
        let estimated = fitted.choice.taken().is_some_and(|taken| taken.settings.contains_key("estimator"));
        narrow.lda.shrinkages = vec![if estimated { Shrinkage::LedoitWolf } else { Shrinkage::Share(share) }];
    }
    keep(&mut narrow.cache_model.weights, "weight");
    keep(&mut narrow.cache_model.sharpnesses, "sharpness");
    keep(&mut narrow.best_layer.penalties, "penalty");
    if let Some(Setting::Text(layer)) = fitted.choice.taken().and_then(|taken| taken.settings.get("layer")) {
        narrow.best_layer.layers = vec![layer.clone()];
    }
    keep(&mut narrow.all.shares, "penalty_share");
    keep(&mut narrow.all.penalties, "penalty");
    let head2toe = &mut narrow.head2toe;
    let alone = fitted.choice.taken().is_some_and(|taken| taken.settings.contains_key("layers"));
    head2toe.last_layer = if alone { LastLayer::Alone } else { LastLayer::Never };
    keep(&mut head2toe.last_layer_penalties, "penalty");
    keep(&mut head2toe.fractions, "fraction");
    if let Some(target) = number("pooling_target") {
        head2toe.targets = vec![target as usize];
        narrow.all.targets = vec![target as usize];
        narrow.best_layer.targets = vec![target as usize];
    }
    keep(&mut head2toe.score_penalties, "score_penalty");
    if let Solver::Exact { group_penalties, penalties, .. } = &mut head2toe.solver {
        keep(group_penalties, "group_penalty");
        keep(penalties, "penalty");
    }
    narrow
}
