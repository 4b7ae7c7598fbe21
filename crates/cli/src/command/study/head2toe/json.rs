//! The object of `--json`.

use std::path::Path;

use heirloom_transfer::study::Check;
use heirloom_transfer::study::head2toe::Head2ToeStudy;
use serde_json::{Value, json};

/// Everything that was found.
pub fn object(found: &Head2ToeStudy, check: Option<&Check>, page: Option<&Path>) -> Value {
    json!({
        "command": "study",
        "study": "head2toe",
        "targets": found.targets,
        "trends": found.trends,
        "claims": found.claims,
        "unfinished": found.unfinished,
        "check": check,
        "holds": check.map(|check| check.differences.is_empty()),
        "page": page,
    })
}
