//! Sweeps over losses whose best rate is known.

use super::*;

fn sweep(settings: FinderSettings, loss: impl Fn(f64) -> f64) -> Finder {
    let mut finder = Finder::new(settings).unwrap();
    while let Some(rate) = finder.next_rate() {
        finder.record(loss(rate));
    }
    finder
}

const SHARP: FinderSettings = FinderSettings { lowest: 1e-4, highest: 1.0, steps: 41, smoothing: 0.0, divergence: 4.0 };

#[test]
fn rates_grow_by_a_constant_factor() {
    let finder = sweep(SHARP, |_| 1.0);
    let rates: Vec<f64> = finder.trials().iter().map(|trial| trial.rate).collect();
    assert_eq!((rates.len(), rates[0]), (41, 1e-4));
    assert!((rates[40] - 1.0).abs() < 1e-12);
    assert!(rates.windows(2).all(|pair| (pair[1] / pair[0] - 10.0_f64.powf(0.1)).abs() < 1e-9));
}

#[test]
fn the_steepest_descent_is_found() {
    // A logistic fall centred on 10^-2.
    let finder = sweep(SHARP, |rate| 2.0 + 1.0 / (1.0 + (rate / 1e-2).powi(2)));
    let found = finder.suggest().unwrap();
    assert!((found.rate / 1e-2 - 1.0).abs() < 1e-9, "{}", found.rate);
    assert!((found.cautious / 0.1 - 1.0).abs() < 1e-9, "{}", found.cautious);
    assert_eq!(found.trials.len(), 41);
}

/// Gradient descent on a quadratic diverges at rates above 2 / curvature: the suggestion is below, the sweep ends beyond.
#[test]
fn a_descent_stops_when_it_diverges() {
    let (curvature, mut weight) = (4.0, 10.0_f64);
    let settings = FinderSettings { lowest: 1e-5, highest: 100.0, ..FinderSettings::default() };
    let mut finder = Finder::new(settings).unwrap();
    while let Some(rate) = finder.next_rate() {
        finder.record(curvature * weight * weight / 2.0 + 1.0);
        weight -= rate * curvature * weight;
    }
    let found = finder.suggest().unwrap();
    assert!((1e-3..0.5).contains(&found.rate), "{}", found.rate);
    let last = found.trials.last().unwrap();
    assert!((0.5..50.0).contains(&last.rate), "{last:?}");
    assert!(finder.trials().len() < 100);
    // Recording after the end changes nothing.
    let before = finder.clone();
    finder.record(1.0);
    assert_eq!(finder, before);
}

#[test]
fn smoothing_is_corrected_for_its_start() {
    let finder = sweep(FinderSettings { smoothing: 0.9, ..SHARP }, |_| 3.0);
    assert!(finder.trials().iter().all(|trial| (trial.smoothed - 3.0).abs() < 1e-12));
}

#[test]
fn a_loss_without_a_fall_gives_no_suggestion() {
    let error = sweep(SHARP, |rate| 1.0 + rate).suggest().unwrap_err();
    assert!(matches!(error, FinderError::NoDescent { lowest: 1e-4, .. }), "{error}");
    let error = sweep(SHARP, |rate| if rate < 1.5e-4 { 1.0 } else { f64::NAN }).suggest().unwrap_err();
    assert!(matches!(error, FinderError::TooShort { steps: 2, .. }), "{error}");
    let error = sweep(SHARP, |_| f64::INFINITY).suggest().unwrap_err();
    assert_eq!(error, FinderError::TooShort { steps: 0, rate: 1e-4 });
}

#[test]
fn meaningless_settings_are_refused() {
    for bad in [
        FinderSettings { lowest: 0.0, ..SHARP },
        FinderSettings { lowest: f64::NAN, ..SHARP },
        FinderSettings { highest: 1e-4, ..SHARP },
        FinderSettings { highest: f64::INFINITY, ..SHARP },
        FinderSettings { steps: 4, ..SHARP },
        FinderSettings { smoothing: 1.0, ..SHARP },
        FinderSettings { divergence: 1.0, ..SHARP },
    ] {
        assert!(matches!(Finder::new(bad), Err(FinderError::Setting { .. })), "{bad:?}");
    }
}
