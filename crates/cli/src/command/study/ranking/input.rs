//! Networks and data sets, opened.

use std::path::{Path, PathBuf};

use heirloom_audit::study::{RankedNetwork, Set};
use heirloom_data::{Split, Table, TableOptions};
use heirloom_zoo::Backbone;
use serde_json::Value;

use crate::arguments::StudyRankingArguments;
use crate::command::limit::limited;
use crate::command::rank::LeftOut;
use crate::command::rank::candidates;
use crate::failure::Failure;

/// Classes of ImageNet, without and with a background class; a description without a classifier is of a network cut short.
const IMAGENET: [u64; 3] = [0, 1000, 1001];

/// What the study is run on.
pub struct Input {
    pub networks: Vec<RankedNetwork>,
    pub sets: Vec<Set>,
    /// What was named and could not be opened.
    pub left_out: Vec<LeftOut>,
}

impl Input {
    /// Everything that was typed.
    pub fn open(arguments: &StudyRankingArguments) -> Result<Self, Failure> {
        let sets = arguments.data.iter().map(|path| set(path, arguments)).collect::<Result<Vec<Set>, _>>()?;
        if let Some((at, set)) =
            sets.iter().enumerate().find(|(at, set)| sets[..*at].iter().any(|one| one.name == set.name))
        {
            let fact = format!("{} is the second data set named '{}'", arguments.data[at].display(), set.name);
            return Err(Failure::input(fact).hint("give each data set once, in a folder of its own name"));
        }
        let (backbones, left_out) = candidates::open(&arguments.backbone, arguments.backbones.as_deref())?;
        let folders = folders(arguments);
        let networks = backbones.into_iter().map(|backbone| network(backbone, &folders)).collect();
        Ok(Self { networks, sets, left_out })
    }

    /// Places of sets by their names.
    pub fn places(&self, names: &[String]) -> Result<Vec<usize>, Failure> {
        let known = || self.sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ");
        let place = |name: &String| {
            self.sets.iter().position(|set| set.name == *name).ok_or_else(|| {
                let fact = format!("no data set is named '{name}'");
                Failure::input(fact)
                    .hint(format!("--fine-tuned takes names of the data sets that were given: {}", known()))
            })
        };
        names.iter().map(place).collect()
    }
}

/// A data set by the name of its folder or file, at most so many rows of each split.
fn set(path: &Path, arguments: &StudyRankingArguments) -> Result<Set, Failure> {
    let mut table = Table::open(path, &TableOptions::default())?;
    table.rows.retain(|row| row.label.is_some());
    let is_test = |split: Option<Split>| split == Some(Split::Test);
    if table.rows.iter().all(|row| !is_test(row.split)) || table.rows.iter().all(|row| is_test(row.split)) {
        let fact = format!("{} has not both training rows and test rows", path.display());
        return Err(Failure::input(fact)
            .hint("the truth is an accuracy on test rows: give folders `train` and `test`, or a column `split`"));
    }
    let name = path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Set::new(&name, "", limited(table, Some(u64::from(arguments.images)), arguments.run.seed))?)
}

/// Folders in which descriptions of networks may lie.
fn folders(arguments: &StudyRankingArguments) -> Vec<PathBuf> {
    let beside = arguments.backbone.iter().filter_map(|name| Path::new(name).parent().map(Path::to_owned));
    let usual = std::env::var_os("HEIRLOOM_DATA").map(|folder| PathBuf::from(folder).join("weights"));
    arguments.backbones.clone().into_iter().chain(beside).chain(usual).collect()
}

/// A network with what its description `NAME.json` states of it.
fn network(backbone: Backbone, folders: &[PathBuf]) -> RankedNetwork {
    let text = folders.iter().find_map(|folder| std::fs::read(folder.join(format!("{}.json", backbone.name))).ok());
    let stated: Value = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    RankedNetwork { imagenet: imagenet(&stated), source_images: stated["source_images"].as_f64(), backbone }
}

/// `imagenet_top1`, or `claimed_top1` where the classes are those of ImageNet.
fn imagenet(stated: &Value) -> Option<f64> {
    let of_imagenet = stated["num_classes"].as_u64().is_some_and(|classes| IMAGENET.contains(&classes));
    let claimed = stated["claimed_top1"].as_f64().filter(|_| of_imagenet);
    stated["imagenet_top1"].as_f64().or(claimed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_accuracy_on_another_source_is_not_one_on_imagenet() {
        assert_eq!(imagenet(&json!({"claimed_top1": 72.2, "num_classes": 1000})), Some(72.2));
        assert_eq!(imagenet(&json!({"claimed_top1": 93.6, "num_classes": 10})), None);
        assert_eq!(imagenet(&json!({"imagenet_top1": 61.0, "num_classes": 10})), Some(61.0));
        assert_eq!(imagenet(&json!({"claimed_top1": 72.2})), None);
        assert_eq!(imagenet(&Value::Null), None);
    }
}
