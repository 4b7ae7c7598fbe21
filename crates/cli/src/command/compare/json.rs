//! The JSON object of `compare`; its keys are documented in docs/formats/json.md and kept.

use std::path::Path;

use heirloom_transfer::compare::{Comparison, Line};
use serde_json::{Value, json};

/// The object.
pub fn object(comparison: &Comparison, page: &Path, table: &Path) -> Value {
    let results: Vec<Value> = comparison.lines.iter().map(|line| result(comparison, line)).collect();
    json!({
        "command": "compare",
        "results": results,
        "advice": comparison.advice,
        "failed": comparison.failed,
        "protocol": comparison.protocol,
        "draws": comparison.draws,
        "classes": comparison.classes,
        "backbones": comparison.backbones,
        "rows": comparison.rows,
        "majority_accuracy": comparison.majority,
        "skipped": comparison.skipped,
        "duplicates": comparison.duplicates,
        "warnings": comparison.warnings,
        "seed": comparison.seed,
        "seconds": comparison.seconds,
        "data": comparison.data,
        "version": comparison.version,
        "report": page,
        "table": table,
    })
}

fn result(comparison: &Comparison, line: &Line) -> Value {
    let cost = &line.cost;
    let per_second = |seconds: f64| (line.frozen && seconds > 0.0).then(|| comparison.rows.train as f64 / seconds);
    json!({
        "command": "compare",
        "method": line.method,
        "frozen": line.frozen,
        "backbone": comparison.backbones.get(line.backbone).map(|backbone| &backbone.name),
        "accuracy": line.accuracy,
        "accuracy_by_draw": line.by_draw,
        "spread": line.spread,
        "against_best": line.against_best,
        "balanced_accuracy": line.balanced_accuracy,
        "log_loss": line.calibration.log_loss,
        "brier": line.calibration.brier,
        "calibration_error": line.calibration.expected_error,
        "adaptive_calibration_error": line.calibration.adaptive_error,
        "before_calibration": line.before_calibration,
        "classes": comparison.classes,
        "rows": comparison.rows,
        "seconds": { "extract": cost.network_seconds, "fit": cost.head_seconds, "total": cost.seconds() },
        "images_per_second": per_second(cost.network_seconds),
        "operations": {
            "network": cost.network_operations,
            "head": cost.head_operations,
            "total": cost.operations(),
            "prediction": cost.prediction_operations,
        },
        "stored_bytes": cost.stored_bytes,
        "on_frontier": line.on_frontier,
        "choices": line.choices,
        "layers": line.layers,
        "per_class": line.per_class,
        "confusion": line.confusion,
        "mistakes": line.mistakes,
        "examples": line.examples,
        "artifact": null,
    })
}
