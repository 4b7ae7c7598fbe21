//! A comparison for tests of the views; its numbers are made up but agree with each other.

use heirloom_transfer::calibration::Calibration;
use heirloom_transfer::compare::{Advice, Comparison, Cost, DrawRecord, Failed, Gap, Line, Rows, Source};
use heirloom_transfer::fit::{BackboneRecord, ClassScore, Evaluated, Share, SkippedRow};

fn share(value: f64, low: f64, high: f64, n: usize) -> Share {
    Share { value, low, high, n }
}

fn class(name: &str, recall: f64) -> ClassScore {
    ClassScore {
        class: name.into(),
        rows: 250,
        recall: share(recall, recall - 0.04, recall + 0.03, 250),
        precision: Some(0.9),
    }
}

fn line(method: &str, frozen: bool, accuracy: [f64; 3], gap: [f64; 3], cost: [f64; 2]) -> Line {
    let calibration = |log_loss| Calibration {
        log_loss,
        brier: 0.12,
        expected_error: 0.02,
        adaptive_error: 0.025,
        ..Calibration::default()
    };
    let mistake = Evaluated {
        row: 3,
        locator: "photos/<oak>/3.jpg".into(),
        label: 0,
        predicted: 1,
        confidence: 0.97,
        label_probability: 0.02,
    };
    Line {
        method: method.into(),
        frozen,
        backbone: 0,
        accuracy: share(accuracy[0], accuracy[1], accuracy[2], 500),
        by_draw: vec![accuracy[0] - 0.01, accuracy[0] + 0.01],
        spread: 0.014,
        against_best: Gap { value: gap[0], low: gap[1], high: gap[2] },
        balanced_accuracy: accuracy[0],
        calibration: calibration(0.25),
        before_calibration: calibration(0.3),
        cost: Cost {
            network_operations: cost[0],
            head_operations: 1e9,
            network_seconds: cost[1],
            head_seconds: 0.5,
            prediction_operations: 2.5e9,
            stored_bytes: 8192.0,
        },
        on_frontier: true,
        choices: vec!["penalty 0.01".into(), "penalty 0.03".into()],
        layers: vec![],
        per_class: vec![class("<oak>", accuracy[0]), class("beech", accuracy[0])],
        confusion: vec![vec![230, 20], vec![20, 230]],
        examples: vec![mistake.clone()],
        mistakes: vec![mistake],
        entry: 0,
        answers: vec![],
    }
}

/// Head2Toe a little above linear, and full above neither.
pub fn comparison() -> Comparison {
    Comparison {
        version: "0.0.0".into(),
        data: "photos".into(),
        classes: vec!["<oak>".into(), "beech".into()],
        backbones: vec![BackboneRecord {
            name: "tiny".into(),
            architecture: "resnet20".into(),
            digest: "0123abcd".into(),
            licence: None,
            source: None,
            preprocess: "32 px".into(),
        }],
        protocol: Source::CrossValidation,
        draws: vec![DrawRecord { train: 400, test: 100 }; 2],
        draw_rows: vec![],
        rows: Rows { train: 400, test: 500, skipped: 1 },
        majority: 0.5,
        lines: vec![
            line("head2toe", true, [0.928, 0.905, 0.949], [0.0; 3], [2e12, 4.0]),
            line("linear", true, [0.92, 0.895, 0.941], [-0.008, -0.022, 0.006], [1e12, 2.0]),
            line("full", false, [0.90, 0.872, 0.925], [-0.028, -0.05, -0.006], [6e13, 90.0]),
        ],
        failed: vec![Failed {
            method: "knn".into(),
            backbone: Some("tiny".into()),
            draw: 2,
            reason: "one class only".into(),
        }],
        advice: Some(Advice { line: 1, reason: "Take linear: 92.0 % (89.5 to 94.1).".into() }),
        duplicates: vec![],
        skipped: vec![SkippedRow { locator: "photos/9.jpg".into(), reason: "truncated JPEG image".into() }],
        warnings: vec!["classes differ in size".into()],
        seed: 0,
        seconds: 100.0,
    }
}
