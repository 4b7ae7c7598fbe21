//! Verdicts on sequences of values.

use super::*;

const HIGHEST: StoppingSettings =
    StoppingSettings { patience: Some(2), minimum_improvement: 0.01, goal: Goal::Highest };

fn verdicts(settings: StoppingSettings, values: &[f64]) -> Vec<Verdict> {
    let mut stopping = EarlyStopping::new(settings).unwrap();
    values.iter().zip(0..).map(|(&value, epoch)| stopping.record(epoch, value)).collect()
}

#[test]
fn patience_counts_epochs_without_improvement() {
    use Verdict::{Best, Stop, Worse};
    let worse = Worse { epochs_left: 1 };
    let stop = Stop { best_epoch: 3 };
    assert_eq!(verdicts(HIGHEST, &[0.5, 0.6, 0.609, 0.62, 0.5, 0.61]), [Best, Best, worse, Best, worse, stop]);
    let lowest = StoppingSettings { goal: Goal::Lowest, minimum_improvement: 0.0, ..HIGHEST };
    assert_eq!(verdicts(lowest, &[0.5, 0.5, 0.4, 0.4, 0.5]), [Best, worse, Best, worse, Stop { best_epoch: 2 }]);
}

#[test]
fn without_patience_training_never_ends() {
    let settings = StoppingSettings { patience: None, ..HIGHEST };
    let verdicts = verdicts(settings, &[0.9; 1000]);
    assert!(verdicts[1..].iter().all(|verdict| *verdict == Verdict::Worse { epochs_left: u64::MAX }));
}

#[test]
fn what_is_no_number_is_never_best() {
    let nan = f64::NAN;
    let expected = [
        Verdict::Worse { epochs_left: 1 },
        Verdict::Best,
        Verdict::Worse { epochs_left: 1 },
        Verdict::Stop { best_epoch: 1 },
    ];
    assert_eq!(verdicts(HIGHEST, &[nan, 0.1, nan, nan]), expected);
    assert_eq!(verdicts(HIGHEST, &[nan; 3])[2], Verdict::Worse { epochs_left: 0 });
}

#[test]
fn a_restart_changes_no_verdict() {
    let values = [0.1 + 0.2, 0.3, 1.0 / 3.0, 0.33, 0.34, 0.2, 0.1];
    for cut in 0..values.len() {
        let mut stopping = EarlyStopping::new(HIGHEST).unwrap();
        let mut found = Vec::new();
        for (epoch, &value) in values.iter().enumerate() {
            if epoch == cut {
                let json = serde_json::to_string(&stopping.state()).unwrap();
                stopping = EarlyStopping::restore(HIGHEST, serde_json::from_str(&json).unwrap()).unwrap();
            }
            found.push(stopping.record(epoch as u64, value));
        }
        assert_eq!(found, verdicts(HIGHEST, &values), "cut before epoch {cut}");
        assert_eq!(stopping.best().unwrap().value(), 1.0 / 3.0);
    }
}

#[test]
fn meaningless_settings_are_refused() {
    let refused = |settings| EarlyStopping::new(settings).unwrap_err().to_string();
    let expected = "early stopping: patience is 0, it must be 1 or more epochs";
    assert_eq!(refused(StoppingSettings { patience: Some(0), ..HIGHEST }), expected);
    for minimum_improvement in [-0.1, f64::NAN, f64::INFINITY] {
        let error = refused(StoppingSettings { minimum_improvement, ..HIGHEST });
        assert!(error.contains("minimum improvement"), "{error}");
    }
}
