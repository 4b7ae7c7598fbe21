//! All results as a parquet table: one row for each way to adapt.

use heirloom_transfer::compare::{Comparison, Line};

use crate::command::columns::{self, Column, Kind};
use crate::failure::Failure;

/// The file's bytes; columns are documented in docs/formats/comparison.md.
pub fn table(comparison: &Comparison) -> Result<Vec<u8>, Failure> {
    let columns = all(comparison);
    let kinds: Vec<(String, Kind)> = columns.iter().map(|(name, kind, _)| ((*name).to_string(), *kind)).collect();
    let values = columns.into_iter().map(|(_, _, column)| column).collect();
    let write = || {
        let mut writer = columns::writer(Vec::new(), "comparison", &kinds)?;
        columns::append(&mut writer, values)?;
        writer.into_inner()
    };
    write().map_err(|error| Failure::internal(format!("parquet: {error}")))
}

fn all(comparison: &Comparison) -> Vec<(&'static str, Kind, Column)> {
    let lines = &comparison.lines;
    let text = |get: &dyn Fn(&Line) -> String| Column::Text(lines.iter().map(|line| Some(get(line))).collect());
    let number = |get: &dyn Fn(&Line) -> f64| Column::Double(lines.iter().map(|line| Some(get(line))).collect());
    let whole =
        |get: &dyn Fn(&Line) -> usize| Column::Whole(lines.iter().map(|line| i64::try_from(get(line)).ok()).collect());
    let truth = |get: &dyn Fn(&Line) -> bool| Column::Truth(lines.iter().map(|line| Some(get(line))).collect());
    let double = |name, get: &dyn Fn(&Line) -> f64| (name, Kind::Double, number(get));
    vec![
        ("method", Kind::Text, text(&|line| line.method.clone())),
        ("backbone", Kind::Text, Column::Text(lines.iter().map(|line| network(comparison, line)).collect())),
        ("frozen", Kind::Truth, truth(&|line| line.frozen)),
        ("draws", Kind::Whole, whole(&|line| line.by_draw.len())),
        ("train_rows", Kind::Whole, whole(&|_| comparison.rows.train)),
        ("test_rows", Kind::Whole, whole(&|line| line.accuracy.n)),
        double("accuracy", &|line| line.accuracy.value),
        double("accuracy_low", &|line| line.accuracy.low),
        double("accuracy_high", &|line| line.accuracy.high),
        double("spread", &|line| line.spread),
        double("against_best", &|line| line.against_best.value),
        double("against_best_low", &|line| line.against_best.low),
        double("against_best_high", &|line| line.against_best.high),
        double("balanced_accuracy", &|line| line.balanced_accuracy),
        double("log_loss", &|line| line.calibration.log_loss),
        double("brier", &|line| line.calibration.brier),
        double("calibration_error", &|line| line.calibration.expected_error),
        double("adaptive_calibration_error", &|line| line.calibration.adaptive_error),
        double("calibration_error_before", &|line| line.before_calibration.expected_error),
        double("operations_network", &|line| line.cost.network_operations),
        double("operations_head", &|line| line.cost.head_operations),
        double("operations_prediction", &|line| line.cost.prediction_operations),
        double("seconds_network", &|line| line.cost.network_seconds),
        double("seconds_head", &|line| line.cost.head_seconds),
        double("stored_bytes", &|line| line.cost.stored_bytes),
        ("on_frontier", Kind::Truth, truth(&|line| line.on_frontier)),
    ]
}

/// The name of a line's backbone, if it has one.
fn network(comparison: &Comparison, line: &Line) -> Option<String> {
    comparison.backbones.get(line.backbone).map(|backbone| backbone.name.clone())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::command::compare::sample;

    #[test]
    fn every_line_is_a_row() {
        let bytes = table(&sample::comparison()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[0].contains("method: \"head2toe\"") && rows[0].contains("accuracy: 0.928"), "{}", rows[0]);
        assert!(rows[2].contains("frozen: false") && rows[2].contains("test_rows: 500"), "{}", rows[2]);
    }
}
