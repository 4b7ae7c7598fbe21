//! Adaptation from one domain of a table to another: what the target's labels may touch, and what its features do.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use heirloom_data::{FeatureTable, TableOptions};
use heirloom_transfer::adaptation::{Adaptation, Alignment, ColumnScaling, Coverage, Preprocessing, RowScaling};
use heirloom_transfer::fit::{AdaptedOptions, Fit, FitError, FitOptions, Protocol, Watch, fit_adapted_table};
use heirloom_transfer::heads::{Method, Settings};

const ROWS: usize = 60;

fn noise(at: usize) -> f64 {
    ((at.wrapping_mul(2_654_435_761) >> 9) % 1000) as f64 / 1000.0 - 0.5
}

/// Three classes in four columns; the target is the same cloud, shifted by more than the classes are apart and stretched.
fn table(target_label: impl Fn(usize) -> String) -> FeatureTable {
    let mut text = "label,domain,a,b,c,d\n".to_owned();
    for row in 0..2 * ROWS {
        let (class, far) = (row % 3, row >= ROWS);
        let label = if far { target_label(row - ROWS) } else { format!("class {class}") };
        write!(text, "{label},{}", if far { "night" } else { "day" }).unwrap();
        for column in 0..4 {
            let centre = f64::from(u8::from(column == class)) * 2.0;
            let value = centre + noise(row * 4 + column);
            let value = if far { 3.0 * value + 7.0 * (column as f64 - 1.0) } else { value };
            write!(text, ",{value}").unwrap();
        }
        text.push('\n');
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("domains.csv");
    std::fs::write(&path, text).unwrap();
    FeatureTable::open(&path, &TableOptions { keep_unlabelled: true, ..TableOptions::default() }).unwrap()
}

fn truth(row: usize) -> String {
    format!("class {}", row % 3)
}

fn options(method: Option<Method>) -> FitOptions {
    FitOptions {
        methods: method.into_iter().collect(),
        rows: None,
        targets: vec![1],
        settings: Settings::default(),
        seed: 0,
        extract: heirloom_transfer::extract::ExtractOptions::default(),
    }
}

fn adapted(alignment: Alignment, easytl: Option<Coverage>) -> AdaptedOptions {
    let preprocessing = Preprocessing { rows: RowScaling::None, columns: ColumnScaling::DomainZScore };
    AdaptedOptions {
        column: "domain".into(),
        sources: vec!["day".into()],
        target: "night".into(),
        adaptation: Adaptation { preprocessing, alignment },
        easytl,
        safe: false,
    }
}

fn fit(table: &FeatureTable, method: Option<Method>, adapted: &AdaptedOptions) -> Fit {
    fit_adapted_table(table, &options(method), adapted, Watch::default()).unwrap()
}

/// Class given to each judged row, by row.
fn answers(fit: &Fit) -> Vec<(usize, usize, f64)> {
    let mut answers: Vec<_> = fit.record.evaluated.iter().map(|row| (row.row, row.predicted, row.confidence)).collect();
    answers.sort_by_key(|answer| answer.0);
    answers
}

fn ways() -> Vec<(Option<Method>, AdaptedOptions)> {
    let mut ways = vec![
        (None, adapted(Alignment::CORAL, Some(Coverage::AtLeast(1)))),
        (None, adapted(Alignment::Raw, Some(Coverage::None))),
        (None, adapted(Alignment::CORAL, Some(Coverage::Proportions(vec![0.5, 0.25, 0.25])))),
    ];
    for method in [Method::Ridge, Method::Linear, Method::Ncm, Method::Knn, Method::Lda, Method::Svm] {
        ways.push((Some(method), adapted(Alignment::CORAL, None)));
    }
    ways
}

/// The labels of the target change the final figure and nothing else, for every method.
#[test]
fn target_labels_touch_nothing_but_the_final_figure() {
    let (right, turned) = (table(truth), table(|row| truth(row + row / 20)));
    for (method, adapted) in ways() {
        let (one, other) = (fit(&right, method, &adapted), fit(&turned, method, &adapted));
        assert_eq!(one.head, other.head, "{method:?}");
        assert_eq!(one.preparation, other.preparation);
        assert_eq!(one.features, other.features);
        assert_eq!(answers(&one), answers(&other), "{method:?}");
        assert_eq!((&one.record.choice, &one.record.candidates), (&other.record.choice, &other.record.candidates));
        let (mut a, mut b) = (one.record.adaptation.unwrap(), other.record.adaptation.unwrap());
        assert_ne!(a.without_target, b.without_target);
        (a.without_target, b.without_target) = (b.without_target, b.without_target);
        assert_eq!(a, b);
        assert_ne!(one.record.scores.accuracy, other.record.scores.accuracy, "the figure does change");
    }
}

#[test]
fn a_shifted_domain_is_recognised_after_adaptation_and_not_before() {
    let table = table(truth);
    for (method, adapted) in
        ways().into_iter().filter(|(_, adapted)| !matches!(adapted.easytl, Some(Coverage::Proportions(_))))
    {
        let fit = fit(&table, method, &adapted);
        let adaptation = fit.record.adaptation.as_ref().unwrap();
        assert!(fit.record.scores.accuracy.value > 0.95, "{method:?}: {:?}", fit.record.scores.accuracy);
        assert!(adaptation.without_target.value < 0.7, "{method:?}: {:?}", adaptation.without_target);
        assert_eq!((fit.record.protocol, fit.record.scores.accuracy.n), (Protocol::TargetDomain, ROWS));
        assert_eq!((adaptation.source_rows, adaptation.target_rows), (ROWS, ROWS));
        assert!(adaptation.transductive);
        // The head with its preparation says of single target rows what the record says, where nothing was moved.
        let features = heirloom_transfer::Features::of_table(&table, &(0..2 * ROWS).collect::<Vec<_>>());
        let prepared = fit.preparation.as_ref().unwrap().apply(&features).unwrap();
        let rows: Vec<usize> = (ROWS..2 * ROWS).collect();
        let probabilities = fit.head.probabilities(&prepared, &rows).unwrap();
        assert_eq!(adaptation.moved, 0);
        for (answer, row) in answers(&fit).iter().zip(probabilities.chunks(3)) {
            assert_eq!(f64::from(row[answer.1]), answer.2);
        }
    }
}

#[test]
fn proportions_are_kept_and_rows_without_a_label_take_part() {
    let some = table(|row| if row % 2 == 0 { truth(row) } else { String::new() });
    let shares = Coverage::Proportions(vec![0.5, 0.25, 0.25]);
    let found = fit(&some, None, &adapted(Alignment::CORAL, Some(shares)));
    let adaptation = found.record.adaptation.as_ref().unwrap();
    assert_eq!((adaptation.target_counts.as_slice(), adaptation.target_rows), (&[30, 15, 15][..], 60));
    assert_eq!((found.record.scores.accuracy.n, adaptation.moved), (30, 10));
    let none = fit(&table(|_| String::new()), None, &adapted(Alignment::CORAL, Some(Coverage::AtLeast(1))));
    assert_eq!(none.record.scores.accuracy.n, 0);
    assert_eq!(none.record.adaptation.unwrap().target_counts.iter().sum::<usize>(), 60);
}

#[test]
fn what_uses_nothing_of_the_target_says_so() {
    let mut plain = adapted(Alignment::Raw, Some(Coverage::None));
    plain.adaptation.preprocessing.columns = ColumnScaling::SourceZScore;
    let adaptation = fit(&table(truth), None, &plain).record.adaptation.unwrap();
    assert!(!adaptation.transductive && adaptation.target_used_for.is_empty());
}

#[test]
fn domains_that_are_not_there_are_named() {
    let table = table(truth);
    let refusal = |change: &dyn Fn(&mut AdaptedOptions)| {
        let mut adapted = adapted(Alignment::CORAL, Some(Coverage::AtLeast(1)));
        change(&mut adapted);
        fit_adapted_table(&table, &options(None), &adapted, Watch::default()).unwrap_err()
    };
    let message = refusal(&|adapted| adapted.target = "dusk".into()).to_string();
    assert_eq!(message, "no row has domain = `dusk` (found day, night)");
    let message = refusal(&|adapted| adapted.column = "place".into()).to_string();
    assert_eq!(message, "no column `place` names the domains (columns: domain)");
    assert!(matches!(refusal(&|adapted| adapted.target = "day".into()), FitError::SameDomain { .. }));
    let message = refusal(&|adapted| adapted.easytl = Some(Coverage::AtLeast(21))).to_string();
    assert!(message.contains("asks for 63 target rows; there are 60"), "{message}");
}
