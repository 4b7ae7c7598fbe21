//! What several domains teach of another, on made-up domains.

use heirloom_training::random::generator;

use super::*;
use crate::adaptation::proxy_distance;

/// Three classes in three columns, and a fourth column that tells the domain; `cue` of the rows have the class in a fifth column.
fn domain(number: u64, away: f64, cue: f64, rows: usize) -> (Samples, Vec<usize>) {
    let mut random = generator(number, "domains of generalisation", &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    let mut values = Vec::new();
    for label in &labels {
        let shown = if random.chance(cue) { *label as f64 } else { random.below(3) as f64 };
        for column in 0..5 {
            let own = match column {
                3 => away,
                4 => 2.0 * shown,
                _ => 1.5 * f64::from(u8::from(column == *label)),
            };
            values.push(own + 0.5 * random.normal());
        }
    }
    (Samples::new(rows, 5, values).unwrap(), labels)
}

fn options() -> GeneralisationOptions {
    GeneralisationOptions { draws: 3, steps: 120, batch: 16, rows: RowScaling::None, seed: 5 }
}

fn labelled(domains: &[(Samples, Vec<usize>)]) -> Vec<Labelled<'_>> {
    domains.iter().map(|(samples, labels)| Labelled { samples, labels }).collect()
}

fn right(found: &[usize], labels: &[usize]) -> f64 {
    found.iter().zip(labels).filter(|(found, label)| found == label).count() as f64 / labels.len() as f64
}

/// Property 17 holds by what the function is given; here that nothing but its arguments decides, and that every method learns.
#[test]
fn every_method_learns_repeats_and_never_meets_the_domain_judged() {
    let training = [domain(1, 0.0, 0.5, 90), domain(2, 1.0, 0.5, 75)];
    let (unseen, truth) = domain(3, 2.0, 0.0, 90);
    for method in GeneralisationMethod::ALL {
        let of = || generalise(method, &labelled(&training), 3, &options(), None).unwrap();
        let found = of();
        let before = (found.candidates.clone(), found.chosen);
        let labels = found.label(&unseen).unwrap();
        assert!(right(&labels, &truth) > 0.7, "{method:?} {}", right(&labels, &truth));
        assert_eq!((found.candidates.clone(), found.chosen), before, "labelling changes nothing");
        let best = found.candidates.iter().map(|one| one.validation).fold(0.0, f64::max);
        assert_eq!((found.candidates.len(), found.choice().validation), (3, best));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let again = pool.install(of);
        assert_eq!((again.candidates.clone(), again.label(&unseen).unwrap()), (found.candidates.clone(), labels));
        assert_eq!(found.choice().draw.strength.is_none(), method == GeneralisationMethod::Erm);
    }
}

/// Validation rows decide among draws: a draw that learns nothing is not chosen.
#[test]
fn the_choice_goes_by_held_out_rows_of_the_training_domains() {
    let training = [domain(1, 0.0, 0.0, 90), domain(2, 1.0, 0.0, 90)];
    let found = generalise(GeneralisationMethod::Erm, &labelled(&training), 3, &options(), None).unwrap();
    // Labels of the training domains turned: the validation falls with them, since it reads them.
    let mut turned = training.clone();
    let mut random = generator(8, "turned", &[]);
    turned.iter_mut().for_each(|(_, labels)| random.shuffle(labels));
    let lost = generalise(GeneralisationMethod::Erm, &labelled(&turned), 3, &options(), None).unwrap();
    assert!(
        found.choice().validation > 0.8 && lost.choice().validation < 0.6,
        "{:?} {:?}",
        found.choice(),
        lost.choice()
    );
}

#[test]
fn near_sources_count_more() {
    let sources = [domain(1, 0.0, 0.0, 60), domain(2, 0.0, 1.0, 60), domain(3, 0.3, 1.0, 60)];
    let (target, truth) = domain(4, 0.0, 0.0, 90);
    // Standardised by themselves: the second and the third have a column that goes with the class, the target has not.
    let of = |combination| combine(combination, &labelled(&sources), &target, 3, &options(), None).unwrap();
    let pooled = of(Combination::Pooled);
    assert_eq!(pooled.weights, [1.0 / 3.0; 3]);
    for similarity in [Similarity::ProxyDistance, Similarity::Mmd] {
        let weighted = of(Combination::Weighted(similarity));
        assert!((weighted.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(
            weighted.weights[0] > weighted.weights[1].max(weighted.weights[2]),
            "{similarity:?} {:?}",
            weighted.weights
        );
    }
    let nearest = of(Combination::Nearest);
    assert_eq!(nearest.weights.iter().filter(|weight| **weight == 1.0).count(), 1);
    assert_eq!(of(Combination::Single(0)).weights, [1.0, 0.0, 0.0]);
    assert!(right(&of(Combination::Single(0)).labels, &truth) > 0.7);
    assert_eq!(of(Combination::Without(0)).weights, [0.0, 0.5, 0.5]);
    assert_eq!(of(Combination::Pooled), pooled);
    assert!(proxy_distance(&sources[0].0, &target).unwrap().distance < 1.0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let training = [domain(1, 0.0, 0.5, 30), domain(2, 1.0, 0.5, 30)];
    let refused = |domains: &[Labelled<'_>], cancel: Option<&AtomicBool>| {
        generalise(GeneralisationMethod::Coral, domains, 3, &options(), cancel).unwrap_err()
    };
    assert!(matches!(refused(&[], None), AdaptationError::Length { .. }));
    let few = domain(3, 0.0, 0.0, 9);
    assert!(matches!(refused(&labelled(&[few]), None), AdaptationError::TooFewRows { rows: 9, needed: 10, .. }));
    let short = [Labelled { samples: &training[0].0, labels: &training[0].1[..3] }];
    assert!(matches!(refused(&short, None), AdaptationError::Length { .. }));
    let strange = [Labelled { samples: &training[0].0, labels: &[7; 30] }];
    assert!(matches!(refused(&strange, None), AdaptationError::LabelOutside { label: 7, .. }));
    assert_eq!(refused(&labelled(&training), Some(&AtomicBool::new(true))), AdaptationError::Stopped);
    let (target, all) = (&training[1].0, labelled(&training));
    let combined = |combination, sources: &[Labelled<'_>]| combine(combination, sources, target, 3, &options(), None);
    assert!(matches!(combined(Combination::Single(2), &all), Err(AdaptationError::Setting { setting: "source", .. })));
    assert!(matches!(combined(Combination::Without(0), &all[..1]), Err(AdaptationError::Setting { .. })));
    let narrow = Samples::new(2, 1, vec![0.0, 1.0]).unwrap();
    let found = generalise(GeneralisationMethod::Erm, &all, 3, &options(), None).unwrap();
    assert!(matches!(found.label(&narrow), Err(AdaptationError::Columns { .. })));
}
