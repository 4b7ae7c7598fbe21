//! Classes that training images never show in a group: no weight and no draw makes up for images that are not there.

use std::collections::BTreeSet;

use heirloom_audit::GroupColumn;
use serde::Serialize;

/// Most cells that are named.
const NAMED: usize = 6;

/// A class and a group that judged images have, and no training image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingCell {
    /// The class.
    pub class: String,
    /// The value of the column.
    pub group: String,
}

/// The cells of judged images that no training image is of, by class and then group.
pub fn missing(classes: &[String], column: &GroupColumn, judged: &[usize], train: [&[usize]; 2]) -> Vec<MissingCell> {
    let cells = |labels: &[usize], groups: &[usize]| -> BTreeSet<(usize, usize)> {
        labels.iter().copied().zip(groups.iter().copied()).collect()
    };
    let [labels, groups] = train;
    let (shown, known) = (cells(judged, &column.of_image), cells(labels, groups));
    let named = |(class, group): &(usize, usize)| {
        Some(MissingCell { class: classes.get(*class)?.clone(), group: column.values.get(*group)?.clone() })
    };
    shown.difference(&known).filter_map(named).collect()
}

/// What they mean for remedies, in a sentence; `None` where there is none.
pub fn in_words(cells: &[MissingCell], column: &str) -> Option<String> {
    let name = |cell: &MissingCell| format!("'{}' with {column} = {}", cell.class, cell.group);
    let names: Vec<String> = cells.iter().take(NAMED).map(name).collect();
    let more = cells.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        format!(
            "no training image is of {}{more}: counting groups alike cannot make up for that; add such images",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_without_a_training_image_are_named() {
        let column = GroupColumn {
            column: "scene".to_owned(),
            values: vec!["land".to_owned(), "water".to_owned()],
            of_image: vec![0, 1, 0, 1],
        };
        let classes = ["dog", "person"].map(str::to_owned);
        let of = |train: [&[usize]; 2]| missing(&classes, &column, &[0, 0, 1, 1], train);
        let found = of([&[0, 1], &[0, 1]]);
        assert_eq!(
            in_words(&found, "scene").as_deref(),
            Some(
                "no training image is of 'dog' with scene = water, 'person' with scene = land: counting groups alike cannot make up for \
                 that; add such images"
            )
        );
        assert_eq!(in_words(&of([&[0, 0, 1, 1], &[0, 1, 0, 1]]), "scene"), None);
    }
}
