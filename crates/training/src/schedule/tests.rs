//! Rates against the specifications and against PyTorch.

use proptest::prelude::*;

use super::*;

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Reference values: `spec/bias-transfer.md` T6.
#[test]
fn triangular_rates() {
    let length = Length { steps_per_epoch: 10, epochs: 15 };
    let schedule = Schedule::Triangular { peak_epoch: 5.0 };
    let rate = |step| schedule.learning_rate(0.1, step, length);
    for (step, expected) in [(1, 0.002), (25, 0.05), (50, 0.1), (100, 0.05), (149, 0.001)] {
        close(rate(step), expected, 1e-16, &format!("step {step}"));
    }
    assert_eq!([rate(0), rate(150), rate(1000)], [0.0; 3]);
}

/// Reference values: `spec/regularisers-and-adaptation.md` TV9.
#[test]
fn inverse_decay_rates() {
    let schedule = Schedule::InverseDecay { decay: 1e-3, power: 0.75 };
    for (step, expected) in [(0, 0.01), (1000, 0.005_946_035_575), (10_000, 0.001_655_600_261)] {
        let length = Length { steps_per_epoch: 500, epochs: 20 };
        close(schedule.learning_rate(0.01, step, length), expected, 1e-12, &format!("step {step}"));
    }
}

/// Reference values: `spec/head2toe.md` T8, and the end of `spec/robustness.md` section 0.
#[test]
fn cosine_rates() {
    let length = Length { steps_per_epoch: 50, epochs: 10 };
    let schedule = Schedule::Cosine { minimum: 0.0 };
    for (step, expected, tolerance) in [
        (0, 0.01, 0.0),
        (1, 0.009_999_901_304, 1e-12),
        (125, 0.008_535_533_906, 1e-12),
        (250, 0.005, 1e-17),
        (499, 9.8696e-8, 1e-12),
        (500, 0.0, 0.0),
    ] {
        close(schedule.learning_rate(0.01, step, length), expected, tolerance, &format!("step {step}"));
    }
    let schedule = Schedule::Cosine { minimum: 1e-6 };
    assert_eq!([0, 500, 501].map(|step| schedule.learning_rate(0.1, step, length)), [0.1, 1e-6, 1e-6]);
}

#[test]
fn one_cycle_is_that_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schedules.json");
    let reference: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let custom = Schedule::OneCycle { rising_share: 0.2, start_divisor: 10.0, end_divisor: 100.0 };
    for (case, schedule, peak) in [("default", Schedule::one_cycle(), 0.1), ("custom", custom, 0.4)] {
        let expected = reference[case].as_array().unwrap();
        let length = Length { steps_per_epoch: expected.len() as u64, epochs: 1 };
        for (step, expected) in expected.iter().enumerate() {
            let expected = expected.as_f64().unwrap();
            let found = schedule.learning_rate(peak, step as u64, length);
            close(found, expected, 1e-12 * peak, &format!("{case}, step {step}"));
        }
    }
}

#[test]
fn steps_fall_at_the_beginning_of_their_epochs() {
    let length = Length { steps_per_epoch: 4, epochs: 100 };
    let schedule = Schedule::Step { milestones: vec![30, 60, 90], factor: 0.1 };
    for (step, expected) in [(0, 0.1), (119, 0.1), (120, 0.01), (239, 0.01), (240, 0.001), (360, 1e-4), (399, 1e-4)] {
        close(schedule.learning_rate(0.1, step, length), expected, 1e-15, &format!("step {step}"));
    }
    // Epochs stay those of training when a warm-up comes first.
    let warmed = schedule.after_warm_up(10);
    assert_eq!(warmed.learning_rate(0.1, 119, length), 0.1);
    close(warmed.learning_rate(0.1, 120, length), 0.01, 1e-15, "after warm-up");
}

/// Reference values: `spec/regularisers-and-adaptation.md` B4 and TV16.
#[test]
fn the_rule_of_bit() {
    for (rows, steps, mixup) in
        [(19_999, 500, 0.0), (20_000, 10_000, 0.1), (499_999, 10_000, 0.1), (500_000, 20_000, 0.1)]
    {
        let rule = HyperRule::of(rows);
        assert_eq!((rule.steps, rule.mixup), (steps, mixup), "{rows} rows");
    }
    let length = Length { steps_per_epoch: 1, epochs: 500 };
    let schedule = Schedule::BitHyperRule { rows: 1000 };
    for (step, expected) in
        [(0, 0.0), (50, 0.0015), (100, 0.003), (200, 0.003), (201, 3e-4), (301, 3e-5), (499, 3e-6), (500, 0.0)]
    {
        close(schedule.learning_rate(bit::PEAK, step, length), expected, 1e-17, &format!("step {step}"));
    }
    assert_eq!([HyperRule::sides(32 * 32), HyperRule::sides(96 * 96)], [(160, 128), (512, 480)]);
}

#[test]
fn warm_up_is_a_line_to_what_follows() {
    let length = Length { steps_per_epoch: 10, epochs: 11 };
    let schedule = Schedule::Cosine { minimum: 0.0 }.after_warm_up(10);
    let rate = |step| schedule.learning_rate(1.0, step, length);
    assert_eq!([rate(0), rate(5), rate(10)], [0.0, 0.5, 1.0]);
    close(rate(60), 0.5, 1e-15, "half of the cosine");
    assert_eq!(rate(110), 0.0);
    let nothing = Schedule::Constant.after_warm_up(0);
    assert_eq!(nothing.learning_rate(1.0, 0, length), 1.0);
}

#[test]
fn meaningless_settings_are_refused() {
    let length = Length { steps_per_epoch: 10, epochs: 5 };
    for bad in [
        Schedule::Cosine { minimum: -1.0 },
        Schedule::Cosine { minimum: f64::NAN },
        Schedule::Triangular { peak_epoch: 5.0 },
        Schedule::Step { milestones: vec![1], factor: 0.0 },
        Schedule::OneCycle { rising_share: 1.1, start_divisor: 25.0, end_divisor: 1e4 },
        Schedule::OneCycle { rising_share: 0.3, start_divisor: 0.0, end_divisor: 1e4 },
        Schedule::OneCycle { rising_share: 0.3, start_divisor: 25.0, end_divisor: f64::NAN },
        Schedule::InverseDecay { decay: -1.0, power: 0.75 },
        Schedule::Constant.after_warm_up(50),
        Schedule::Triangular { peak_epoch: 7.0 }.after_warm_up(5),
    ] {
        assert!(bad.check(length).is_err(), "{bad:?}");
    }
    for good in [Schedule::one_cycle().after_warm_up(5), Schedule::Triangular { peak_epoch: 0.0 }] {
        good.check(length).unwrap();
    }
}

#[test]
fn settings_survive_json() {
    for (schedule, expected) in [
        (Schedule::Constant, r#""constant""#),
        (Schedule::Cosine { minimum: 0.5 }, r#"{"cosine":{"minimum":0.5}}"#),
        (Schedule::Constant.after_warm_up(3), r#"{"warm-up":{"steps":3,"then":"constant"}}"#),
    ] {
        assert_eq!(serde_json::to_string(&schedule).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Schedule>(expected).unwrap(), schedule);
    }
    assert!(serde_json::from_str::<Schedule>(r#"{"cosine":{"minimum":0.5,"maximum":1}}"#).is_err());
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let plain = prop_oneof![
        Just(Schedule::Constant),
        (0.0..1e-3).prop_map(|minimum| Schedule::Cosine { minimum }),
        (0.0..1.0).prop_map(|peak_epoch| Schedule::Triangular { peak_epoch }),
        (prop::collection::vec(0_u64..20, 0..4), 0.1..1.0)
            .prop_map(|(milestones, factor)| Schedule::Step { milestones, factor }),
        (0.0..=1.0, 1.0..30.0, 1.0..1e5).prop_map(|(rising_share, start_divisor, end_divisor)| {
            Schedule::OneCycle { rising_share, start_divisor, end_divisor }
        }),
        (0.0..1.0, 0.0..1.0).prop_map(|(decay, power)| Schedule::InverseDecay { decay, power }),
        (0_u64..1_000_000).prop_map(|rows| Schedule::BitHyperRule { rows }),
    ];
    (plain, 0_u64..30)
        .prop_map(|(schedule, warm_up)| if warm_up < 10 { schedule } else { schedule.after_warm_up(warm_up) })
}

proptest! {
    #[test]
    fn rates_are_between_zero_and_the_peak(
        schedule in any_schedule(),
        steps_per_epoch in 1_u64..20,
        epochs in 1_u64..10,
    ) {
        let length = Length { steps_per_epoch, epochs };
        for step in 0..length.steps() + 5 {
            let rate = schedule.learning_rate(1e-3, step, length);
            prop_assert!((0.0..=1e-3 * (1.0 + 1e-12)).contains(&rate), "step {}: {}", step, rate);
        }
    }
}
