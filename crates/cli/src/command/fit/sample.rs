//! A record for tests of the views; its numbers are made up but agree with each other.

use heirloom_transfer::calibration::Calibration;
use heirloom_transfer::fit::{
    BackboneRecord, Candidate, ClassScore, CurveRow, DuplicateGroup, Evaluated, FitReport, Protocol, ReliabilityBin,
    RowCounts, RunRecord, Scores, Seconds, Share, SkippedRow,
};

fn share(right: usize, n: usize, low: f64, high: f64) -> Share {
    Share { value: right as f64 / n as f64, low, high, n }
}

fn candidate(method: &str, setting: &str, accuracy: f64, chosen: bool) -> Candidate {
    let log_loss = 1.0 - accuracy;
    Candidate { method: method.into(), setting: setting.into(), log_loss, standard_error: 0.012, accuracy, chosen }
}

fn evaluated(row: usize, label: usize, predicted: usize, confidence: f64) -> Evaluated {
    let locator = format!("photos/{}/{row}.jpg", ["oak", "beech", "<birch>"][label]);
    Evaluated { row, locator, label, predicted, confidence, label_probability: 1.0 - confidence }
}

fn class(name: &str, rows: usize, right: usize) -> ClassScore {
    ClassScore { class: name.into(), rows, recall: share(right, rows, 0.8, 0.97), precision: Some(0.9) }
}

/// 144 photographs of three trees.
pub fn record() -> FitReport {
    FitReport {
        method: "linear".into(),
        requested: "auto".into(),
        choice: "penalty 0.01".into(),
        candidates: vec![
            candidate("linear", "penalty 0.01", 0.921, true),
            candidate("ridge", "penalty 3.2", 0.902, false),
            candidate("knn", "k = 5", 0.861, false),
        ],
        batched_accuracy: None,
        layers: vec![],
        certificate: None,
        backbone: Some(BackboneRecord {
            name: "deit_tiny_patch16_224".into(),
            architecture: "deit_tiny_patch16_224".into(),
            digest: "0123abcd".into(),
            licence: Some("Apache-2.0".into()),
            source: None,
            preprocess: "decode(rgb) > resize(shorter=256, bicubic) > crop(center, 224x224)".into(),
        }),
        classes: vec!["oak".into(), "beech".into(), "<birch>".into()],
        protocol: Protocol::NestedCv,
        refitted: true,
        rows: RowCounts { train: 144, test: 144, skipped: 1 },
        scores: Scores {
            accuracy: share(132, 144, 0.861, 0.952),
            balanced_accuracy: 0.914,
            log_loss: 0.27,
            brier: 0.13,
            majority: 52.0 / 144.0,
            calibration_error: 0.031,
            adaptive_calibration_error: 0.036,
            before_calibration: Calibration {
                log_loss: 0.35,
                brier: 0.16,
                expected_error: 0.08,
                adaptive_error: 0.09,
                ..Calibration::default()
            },
        },
        per_class: vec![class("oak", 52, 48), class("beech", 48, 43), class("<birch>", 44, 41)],
        confusion: vec![vec![48, 3, 1], vec![4, 43, 1], vec![0, 3, 41]],
        reliability: vec![
            ReliabilityBin { low: 0.5, high: 0.6, accuracy: 0.5, rows: 12 },
            ReliabilityBin { low: 0.8, high: 0.9, accuracy: 0.86, rows: 40 },
            ReliabilityBin { low: 0.9, high: 1.0, accuracy: 0.98, rows: 92 },
        ],
        evaluated: vec![evaluated(17, 0, 1, 0.98), evaluated(60, 1, 0, 0.91), evaluated(101, 2, 1, 0.77)],
        suspects: vec![evaluated(17, 0, 1, 0.98)],
        duplicates: vec![DuplicateGroup {
            exact: false,
            locators: vec!["photos/oak/1.jpg".into(), "photos/oak/2.jpg".into()],
            crosses_split: false,
            labels_differ: false,
        }],
        skipped: vec![SkippedRow { locator: "photos/oak/7.jpg".into(), reason: "truncated JPEG image".into() }],
        learning_curve: vec![
            CurveRow { rows: 36, accuracy: share(112, 144, 0.70, 0.84) },
            CurveRow { rows: 72, accuracy: share(124, 144, 0.79, 0.91) },
            CurveRow { rows: 115, accuracy: share(132, 144, 0.861, 0.952) },
        ],
        adaptation: None,
        epochs: vec![],
        movement: None,
        block_gradients: vec![],
        warnings: vec![],
        seconds: Seconds { extract: 9.4, fit: 1.3, total: 11.0 },
        images_per_second: Some(15.4),
        run: RunRecord {
            version: "0.1.0".into(),
            data: "photos".into(),
            data_digest: None,
            seed: 0,
            isa: "avx512".into(),
            precision: heirloom_engine::Precision::F32,
            parity: None,
            feature_storage: heirloom_engine::Precision::F32,
            features: vec!["pre_logits@1".into()],
            settings: serde_json::json!({ "penalty": 0.01 }),
        },
    }
}
