//! The study on made-up domains.

use heirloom_training::random::generator;
use heirloom_transfer::adaptation::RowScaling;
use heirloom_transfer::adaptation::Samples;

use super::*;

/// Three classes around corners, turned and moved by `away`.
fn domain(name: &str, away: f64, rows: usize) -> Domain {
    let mut random = generator(2, name, &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let place = |label: &usize| {
        let angle = *label as f64 * std::f64::consts::TAU / 3.0 + 0.3 * away;
        [3.0 * angle.cos() + away, 3.0 * angle.sin() + away, 1.0]
    };
    let values: Vec<f64> = labels.iter().flat_map(place).collect();
    let values = values.into_iter().map(|value| value + 0.4 * random.normal()).collect();
    Domain { name: name.to_owned(), samples: Samples::new(rows, 3, values).unwrap(), labels }
}

fn domains() -> Vec<Domain> {
    vec![domain("near", 0.0, 60), domain("moved", 1.0, 48), domain("far", 2.0, 45)]
}

fn options() -> GeneralisedOptions {
    let training = GeneralisationOptions { draws: 2, steps: 60, batch: 12, rows: RowScaling::None, seed: 3 };
    GeneralisedOptions { training, seeds: 2 }
}

fn found(domains: &[Domain]) -> GeneralisedStudy {
    generalisation(domains, 3, &options(), Watch::default()).unwrap()
}

#[test]
fn every_domain_in_every_way_beside_the_controls() {
    let study = found(&domains());
    assert_eq!((study.unseen.len(), study.several.len(), study.seeds, study.draws), (3, 3, 2, 2));
    assert!(study.selection.contains("never read"));
    for target in &study.unseen {
        assert_eq!(target.methods.len(), 4);
        let control = &target.methods[0];
        assert_eq!((control.method, control.gain.value), (GeneralisationMethod::Erm, 0.0));
        for method in &target.methods {
            assert!((method.accuracy.value - control.accuracy.value - method.gain.value).abs() < 1e-12);
            assert!((0.5..=1.0).contains(&method.validation), "{method:?}");
        }
    }
    for target in &study.several {
        // Pooled, weighed in two ways, the nearest; two single sources, two left out.
        assert_eq!((target.sources.len(), target.combinations.len()), (2, 8));
        for way in &target.combinations {
            assert!((way.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && way.gain.low <= way.gain.high);
        }
        // Of two sources, one alone is what is left without the other.
        assert_eq!(target.combinations[4].accuracy, target.combinations[7].accuracy);
    }
    for (at, average) in study.unseen_averages.iter().enumerate() {
        let mean = study.unseen.iter().map(|target| target.methods[at].accuracy.value).sum::<f64>() / 3.0;
        assert!((average.accuracy - mean).abs() < 1e-12 && average.gain.low <= average.gain.value);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| found(&domains())), study);
}

/// Property 17: whatever the domain left out holds, rows and labels, the same is learned and chosen for it.
#[test]
fn the_domain_left_out_changes_nothing_that_is_learned() {
    let own = domains();
    let mut other = own.clone();
    other[1] = domain("elsewhere", 7.0, 90);
    other[1].labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    let (own, other) = (found(&own), found(&other));
    for (own, other) in own.unseen[1].methods.iter().zip(&other.unseen[1].methods) {
        assert_eq!(own.validation, other.validation, "{:?}", own.method);
    }
    assert!(
        own.unseen[0].methods[0].validation != other.unseen[0].methods[0].validation,
        "elsewhere it does take part"
    );
}

/// Labels of a target change no label that it is given, and no weight of a source.
#[test]
fn labels_of_the_target_change_nothing_but_the_verdict() {
    let own = domains();
    let mut other = own.clone();
    other[2].labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    let (first, second) = (found(&own), found(&other));
    for (first, second) in first.several[2].combinations.iter().zip(&second.several[2].combinations) {
        assert_eq!(first.weights, second.weights);
        assert!(first.accuracy.value > 0.6 && second.accuracy.value < 0.4, "{first:?} {second:?}");
    }
}

#[test]
fn two_domains_are_refused_and_a_stop_is_heard() {
    let two = generalisation(&domains()[..2], 3, &options(), Watch::default()).unwrap_err();
    assert!(two.to_string().contains("2 domains"), "{two}");
    let stop = std::sync::atomic::AtomicBool::new(true);
    let watch = Watch { cancel: Some(&stop), ..Watch::default() };
    let stopped = generalisation(&domains(), 3, &options(), watch).unwrap_err();
    assert!(matches!(stopped, StudyError::Interrupted), "{stopped}");
}
