//! The study on made-up domains.

use heirloom_training::random::generator;
use heirloom_transfer::adaptation::{DeepMethod, ShallowMethod};

use super::*;

/// Three classes around corners, turned and moved by `away`.
fn domain(name: &str, away: f64, rows: usize) -> Domain {
    let mut random = generator(2, name, &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let place = |label: &usize| {
        let angle = *label as f64 * std::f64::consts::TAU / 3.0 + 0.4 * away;
        [3.0 * angle.cos() + away + 5.0, 3.0 * angle.sin() + away + 5.0, 4.0]
    };
    let values: Vec<f64> = labels.iter().flat_map(place).collect();
    let values = values.into_iter().map(|value| (value + 0.4 * random.normal()).max(0.0)).collect();
    Domain { name: name.to_owned(), samples: Samples::new(rows, 3, values).unwrap(), labels }
}

fn domains() -> Vec<Domain> {
    vec![domain("near", 0.0, 60), domain("moved", 1.0, 48), domain("far", 2.0, 45)]
}

fn options() -> AdaptedOptions {
    AdaptedOptions { deep: DeepOptions { steps: 120, batch: 24, bottleneck: 12, seed: 3 }, seeds: 2 }
}

fn found(domains: &[Domain], cache: &std::path::Path) -> AdaptedStudy {
    adaptation(domains, 3, &options(), &Cells::new(cache), Watch::default()).unwrap()
}

#[test]
fn every_pair_in_every_way_beside_the_source_alone() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let study = found(&domains(), folder.path());
    assert_eq!((study.pairs.len(), study.averages.len(), study.seeds), (6, 19, 2));
    for pair in &study.pairs {
        assert_eq!(pair.ways.len(), 19);
        let control = pair.ways.iter().find(|way| way.way == Way::CONTROL).unwrap();
        assert_eq!([control.gain.value, control.gain.low, control.gain.high], [0.0; 3]);
        for way in &pair.ways {
            assert!((way.accuracy.value - control.accuracy.value - way.gain.value).abs() < 1e-12);
            assert!(way.gain.low <= way.gain.value && way.gain.value <= way.gain.high);
        }
    }
    for (at, average) in study.averages.iter().enumerate() {
        let mean = study.pairs.iter().map(|pair| pair.ways[at].accuracy.value).sum::<f64>() / 6.0;
        assert!((average.accuracy - mean).abs() < 1e-12 && average.harmed + average.helped <= 6);
    }
    // From the cache, and anew on one thread: the same.
    assert_eq!(found(&domains(), folder.path()), study);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| found(&domains(), other.path())), study);
}

/// Leakage: what labels a target has changes no label that it is given, on the whole way that the study takes.
#[test]
fn labels_of_the_target_change_nothing_but_the_verdict() {
    let own = domains();
    let mut other = own.clone();
    other[1].labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    for way in Way::all() {
        let of = |domains: &[Domain]| {
            let folder = tempfile::tempdir().unwrap();
            let digests: Vec<String> = domains.iter().map(digest).collect();
            let (item, cells) = (Item { way, source: 0, target: 1, seed: 0 }, Cells::new(folder.path()));
            labelled(&item, domains, &digests, 3, &options(), &cells, Watch::default()).unwrap()
        };
        assert_eq!(of(&own), of(&other), "{way:?}");
    }
}

#[test]
fn one_domain_is_refused_and_a_stop_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let cells = Cells::new(folder.path());
    let one = adaptation(&domains()[..1], 3, &options(), &cells, Watch::default()).unwrap_err();
    assert!(one.to_string().contains("1 domains"), "{one}");
    let stop = std::sync::atomic::AtomicBool::new(true);
    let watch = Watch { cancel: Some(&stop), ..Watch::default() };
    let stopped = adaptation(&domains(), 3, &options(), &cells, watch).unwrap_err();
    assert!(matches!(stopped, StudyError::Interrupted), "{stopped}");
    assert_eq!(DeepMethod::ALL.len() + ShallowMethod::ALL.len() + 5, Way::all().len());
}

/// Part of the key of what is kept: a way that is added changes no other's.
#[test]
fn ways_keep_their_names_in_files() {
    let written: Vec<String> = Way::all().iter().map(|way| serde_json::to_string(way).unwrap()).collect();
    let closed = ["nearest-neighbour", "easy-tl-raw", "easy-tl-coral", "coral-svm", "standardised"];
    let shallow = ["tca", "jda", "bda", "weighted-bda", "gfk", "subspace-alignment", "mean-matching"];
    let deep = ["source-only", "deep-coral", "dan", "dann", "cdan", "mcd", "shot"];
    let expected = closed.iter().map(|name| format!("\"{name}\""));
    let expected = expected.chain(shallow.iter().map(|name| format!("{{\"shallow\":\"{name}\"}}")));
    let expected: Vec<String> = expected.chain(deep.iter().map(|name| format!("{{\"deep\":\"{name}\"}}"))).collect();
    assert_eq!(written, expected);
}
