//! The valley that a module lies in, as a figure.

use heirloom_audit::diff::ValleyPoint;
use heirloom_report::{Block, MapSide, labelled_map};

/// Accuracy with the module at distances from where training began (across) and with noise on it (down). `None` without points.
pub fn figure(points: &[ValleyPoint], caption: String) -> Option<Block> {
    let distinct = |of: fn(&ValleyPoint) -> f64| {
        let mut values: Vec<f64> = points.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let (shares, sigmas) = (distinct(|point| point.share), distinct(|point| point.sigma));
    let at = |sigma: f64, share: f64| {
        points.iter().find(|point| point.share == share && point.sigma == sigma).map(|point| point.accuracy)
    };
    let length = |share: &f64| {
        let found = points.iter().find(|point| point.share == *share);
        found.map_or_else(String::new, |point| format!("{:.2}", point.length))
    };
    let rows = MapSide {
        title: "standard deviation of the noise".to_owned(),
        names: sigmas.iter().map(|sigma| format!("{sigma:.1e}")).collect(),
    };
    let columns =
        MapSide { title: "distance from where training began".to_owned(), names: shares.iter().map(length).collect() };
    let values: Vec<Option<f64>> =
        sigmas.iter().flat_map(|sigma| shares.iter().map(|share| at(*sigma, *share))).collect();
    labelled_map(&rows, &columns, &values).map(|svg| Block::Figure { svg, caption })
}
