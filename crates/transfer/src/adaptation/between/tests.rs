//! Test vectors TV7 and TV8 and property 9 of `spec/regularisers-and-adaptation.md`.

use proptest::prelude::*;

use super::*;

fn samples(columns: usize, values: &[f64]) -> Samples {
    Samples::new(values.len() / columns, columns, values.to_vec()).unwrap()
}

#[test]
fn vectors_tv7_and_tv8() {
    let source = samples(2, &[1., 2., 2., 1., 3., 5., 4., 3.]);
    let target = samples(2, &[2., 0., 4., 1., 6., -1., 8., 2.]);
    for (distance, expected) in [
        (DomainDistance::Coral, 1.663628472222),
        (DomainDistance::CoralTll, 12.310763888889),
        (DomainDistance::Mmd, 2.087136960159),
        (DomainDistance::MmdTll, 0.674935550005),
        (DomainDistance::MmdTllConstant, 1.341602216672),
        (DomainDistance::LinearMmd, 11.3125),
    ] {
        let found = distance.between(&source, &target).unwrap();
        assert!((found - expected).abs() < 1e-9, "{distance:?}: {found} {expected}");
    }
    let one = samples(2, &[1., 2.]);
    for distance in DomainDistance::ALL {
        assert!(matches!(distance.between(&source, &one), Err(AdaptationError::TooFewRows { domain: "target", .. })));
        assert!(matches!(
            distance.between(&samples(4, source.values()), &target),
            Err(AdaptationError::Columns { .. })
        ));
    }
}

proptest! {
    /// Property 9.
    #[test]
    fn distances_are_symmetric_and_zero_for_one_domain(
        source in prop::collection::vec(-3.0..3.0_f64, 3 * 6), target in prop::collection::vec(-3.0..3.0_f64, 3 * 5), shift in -5.0..5.0_f64
    ) {
        let (source, target) = (samples(3, &source), samples(3, &target));
        for distance in DomainDistance::ALL {
            let found = distance.between(&source, &target).unwrap();
            prop_assert!((found - distance.between(&target, &source).unwrap()).abs() < 1e-9, "{:?}", distance);
            let biased = !matches!(distance, DomainDistance::MmdTll | DomainDistance::MmdTllConstant);
            prop_assert!(!biased || found >= -1e-12, "{:?} {}", distance, found);
            prop_assert!(!biased || distance.between(&source, &source).unwrap().abs() < 1e-9, "{:?}", distance);
        }
        let moved = samples(3, &source.values().iter().map(|value| value + shift).collect::<Vec<_>>());
        let of = |distance: DomainDistance, source: &Samples| distance.between(source, &target).unwrap();
        prop_assert!((of(DomainDistance::Coral, &moved) - of(DomainDistance::Coral, &source)).abs() < 1e-9, "shifts do not matter");
        let means = DomainDistance::LinearMmd.between(&source, &moved).unwrap();
        prop_assert!((means - 3.0 * shift * shift).abs() < 1e-9);
        prop_assert!((DomainDistance::CoralTll.between(&source, &moved).unwrap() - shift * shift).abs() < 1e-9, "here they do");
    }
}
