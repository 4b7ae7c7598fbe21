//! A backbone used as it is: its own classes, or those that a map makes of them.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_report::counted;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::predictor::Prediction;
use heirloom_zoo::Backbone;

use crate::failure::Failure;

/// Least probability that is divided by.
const LEAST: f32 = 1e-30;

/// What becomes of a network's classes: several may make up one, and those that are not named are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMap {
    /// Names of the classes that are told.
    pub classes: Vec<String>,
    /// For each class of the network, the one it belongs to.
    of_source: Vec<Option<usize>>,
}

/// The backbone as a model.
pub fn model(backbone: &Backbone) -> Result<Artifact, Failure> {
    Artifact::of_logits(backbone).map_err(|_| {
        let fact = format!("{} has no classifier of its own", backbone.name);
        Failure::input(fact).hint("fit a head on labelled images first: heirloom fit DATA --backbone ...")
    })
}

impl ClassMap {
    /// Reads a table of two columns, `source` (a class of the network, by name or by number from 0) and `class`.
    pub fn read(path: &Path, sources: &[String]) -> Result<Self, Failure> {
        let refuse = |line: u64, what: String| Failure::input(format!("{}, line {line}: {what}", path.display()));
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|error| {
            Failure::input(format!("{}: {error}", path.display()))
                .hint("give a CSV table with the columns source and class")
        })?;
        let headings = reader.headers().map_err(|error| refuse(1, error.to_string()))?.clone();
        let column = |name: &str| headings.iter().position(|heading| heading == name);
        let (Some(source), Some(class)) = (column("source"), column("class")) else {
            let fact = format!("its columns are {}", headings.iter().collect::<Vec<&str>>().join(", "));
            return Err(refuse(1, fact).hint("the columns have to be called source and class"));
        };
        let places: BTreeMap<&str, usize> = sources.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let mut map = Self { classes: Vec::new(), of_source: vec![None; sources.len()] };
        for record in reader.records() {
            let record = record.map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
            let line = record.position().map_or(0, csv::Position::line);
            let (named, target) = (record.get(source).unwrap_or_default(), record.get(class).unwrap_or_default());
            let number = || named.parse::<usize>().ok().filter(|number| *number < sources.len());
            let place = places.get(named).copied().or_else(number).ok_or_else(|| {
                let known = format!("it has {}, by name or by number from 0", counted(sources.len(), "class"));
                refuse(line, format!("the network has no class '{named}'")).hint(known)
            })?;
            if target.is_empty() {
                return Err(refuse(line, format!("no class is named for '{named}'")));
            }
            let at = map.classes.iter().position(|known| known == target).unwrap_or_else(|| {
                map.classes.push(target.to_owned());
                map.classes.len() - 1
            });
            if map.of_source[place].replace(at).is_some_and(|other| other != at) {
                return Err(refuse(line, format!("class '{named}' of the network is named for two classes")));
            }
        }
        if map.classes.len() < 2 {
            return Err(Failure::input(format!("{}: fewer than two classes are named", path.display())));
        }
        Ok(map)
    }

    /// What a prediction says of the classes of the map: the sum of the probabilities of what makes up each, as shares of all that the
    /// map names. Also whether the network's own answer is not among that.
    pub fn apply(&self, prediction: Prediction, top: usize) -> (Prediction, bool) {
        let outside = self.of_source.get(prediction.class).is_none_or(Option::is_none);
        let mut sums = vec![0.0_f32; self.classes.len()];
        for (probability, class) in prediction.probabilities.iter().zip(&self.of_source) {
            if let Some(class) = class {
                sums[*class] += probability;
            }
        }
        let all: f32 = sums.iter().sum::<f32>().max(LEAST);
        sums.iter_mut().for_each(|sum| *sum /= all);
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|left, right| sums[*right].total_cmp(&sums[*left]).then(left.cmp(right)));
        let ranked: Vec<(usize, f32)> = order.into_iter().take(top).map(|class| (class, sums[class])).collect();
        let (class, probability) = ranked.first().copied().unwrap_or_default();
        (Prediction { class, probability, top: ranked, probabilities: sums, ..prediction }, outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<String> {
        ["tabby", "Siamese", "beagle", "car"].map(String::from).to_vec()
    }

    fn read(text: &str) -> Result<ClassMap, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.csv");
        std::fs::write(&path, text).unwrap();
        ClassMap::read(&path, &sources())
    }

    #[test]
    fn probabilities_of_what_makes_up_a_class_are_summed() {
        let map = read("class,source\ncat,tabby\ncat, 1\ndog,beagle\n").unwrap();
        assert_eq!(map.classes, ["cat", "dog"]);
        let prediction = Prediction {
            row: 0,
            locator: "a.jpg".into(),
            class: 3,
            probability: 0.5,
            top: Vec::new(),
            probabilities: vec![0.1, 0.2, 0.2, 0.5],
            unfamiliarity: None,
            unfamiliar: None,
        };
        let (found, outside) = map.apply(prediction, 1);
        assert!(outside && found.class == 0 && found.top.len() == 1, "{found:?}");
        assert!((found.probability - 0.6).abs() < 1e-6 && (found.probabilities[1] - 0.4).abs() < 1e-6);
    }

    #[test]
    fn a_map_that_cannot_be_meant_is_refused_with_its_line() {
        for (text, part) in [
            ("source,class\nlion,cat\ncar,car\n", "line 2: the network has no class 'lion'"),
            ("source,class\n4,cat\ncar,car\n", "no class '4'"),
            ("source,class\ntabby,cat\ntabby,dog\n", "line 3: class 'tabby' of the network is named for two classes"),
            ("source,class\ntabby,cat\n", "fewer than two classes"),
            ("source,class\ntabby,\n", "no class is named for 'tabby'"),
            ("from,to\ntabby,cat\n", "its columns are from, to"),
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
