//! The JSON object of `fit`; its keys are documented in docs/formats/json.md and kept.

use std::path::Path;

use heirloom_transfer::fit::FitReport;
use serde_json::{Value, json};

/// The object. `report` is the HTML page, where one was written.
pub fn object(record: &FitReport, artifact: &Path, report: Option<&Path>) -> Value {
    json!({
        "command": "fit",
        "method": record.method,
        "requested_method": record.requested,
        "choice": record.choice,
        "candidates": record.candidates,
        "batched_accuracy": record.batched_accuracy,
        "layers": record.layers,
        "certificate": record.certificate,
        "backbone": record.backbone.as_ref().map(|backbone| &backbone.name),
        "backbone_digest": record.backbone.as_ref().map(|backbone| &backbone.digest),
        "accuracy": record.scores.accuracy,
        "balanced_accuracy": record.scores.balanced_accuracy,
        "log_loss": record.scores.log_loss,
        "brier": record.scores.brier,
        "majority_accuracy": record.scores.majority,
        "calibration_error": record.scores.calibration_error,
        "adaptive_calibration_error": record.scores.adaptive_calibration_error,
        "before_calibration": record.scores.before_calibration,
        "protocol": record.protocol,
        "refitted_on_all_rows": record.refitted,
        "classes": record.classes,
        "per_class": record.per_class,
        "confusion": record.confusion,
        "adaptation": record.adaptation,
        "transductive": record.adaptation.as_ref().is_some_and(|adaptation| adaptation.transductive),
        "epochs": record.epochs,
        "movement": record.movement,
        "block_gradients": record.block_gradients,
        "learning_curve": record.learning_curve,
        "rows": record.rows,
        "skipped": record.skipped,
        "duplicates": record.duplicates,
        "suspects": record.suspects,
        "warnings": record.warnings,
        "seconds": record.seconds,
        "images_per_second": record.images_per_second,
        "artifact": artifact,
        "report": report,
        "run": record.run,
    })
}
