//! Which format predictions are written in.

use std::path::Path;

use crate::arguments::PredictionFormat;
use crate::failure::Failure;

/// What was typed, else by the ending of the file, else CSV. Parquet needs a file: a terminal or pipe cannot take it.
pub fn choose(typed: Option<PredictionFormat>, output: Option<&Path>) -> Result<PredictionFormat, Failure> {
    let format = match (typed, output.and_then(Path::extension).and_then(|ending| ending.to_str())) {
        (Some(format), _) => format,
        (None, None | Some("csv")) => PredictionFormat::Csv,
        (None, Some("jsonl" | "ndjson")) => PredictionFormat::Jsonl,
        (None, Some("parquet")) => PredictionFormat::Parquet,
        (None, Some(other)) => {
            let fact = format!("no format of predictions has the ending .{other}");
            return Err(Failure::input(fact).hint("use .csv, .jsonl or .parquet, or name one with --format"));
        }
    };
    if format == PredictionFormat::Parquet && output.is_none() {
        return Err(Failure::input("parquet cannot be written to standard output").hint("name a file with -o"));
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_ending_and_csv_is_the_default() {
        let path = |text: &'static str| Some(Path::new(text));
        assert_eq!(choose(None, None).unwrap(), PredictionFormat::Csv);
        assert_eq!(choose(None, path("a.jsonl")).unwrap(), PredictionFormat::Jsonl);
        assert_eq!(choose(None, path("a.parquet")).unwrap(), PredictionFormat::Parquet);
        assert_eq!(choose(Some(PredictionFormat::Csv), path("a.parquet")).unwrap(), PredictionFormat::Csv);
        assert!(choose(None, path("a.xlsx")).is_err());
        assert!(choose(Some(PredictionFormat::Parquet), None).is_err());
    }
}
