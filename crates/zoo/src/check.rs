//! Whether a file's tensors are the ones that a graph needs: names, shapes and number types, all differences at once.

use std::collections::BTreeMap;

use crate::error::{Problem, Problems};
use crate::readers::{Entry, Number};

/// Bookkeeping of training that inference has no use for, by the last part of its key.
const HARMLESS: &[&str] = &["num_batches_tracked"];

/// Every difference between the parameters a graph needs and the tensors a file holds.
pub(crate) fn compare(needed: &BTreeMap<String, Vec<usize>>, held: &BTreeMap<String, Entry>) -> Problems {
    let mut problems = Vec::new();
    for (key, shape) in needed {
        match held.get(key) {
            None => problems.push(Problem::Missing { key: key.clone(), shape: shape.clone() }),
            Some(entry) if entry.shape != *shape => {
                problems.push(Problem::Shape { key: key.clone(), expected: shape.clone(), found: entry.shape.clone() })
            }
            Some(Entry { number: Number::Other(found), .. }) => {
                problems.push(Problem::Type { key: key.clone(), found: found.clone() });
            }
            Some(_) => {}
        }
    }
    let extra = held.iter().filter(|(key, _)| !needed.contains_key(*key) && !is_harmless(key));
    problems.extend(extra.map(|(key, entry)| Problem::Extra { key: key.clone(), shape: entry.shape.clone() }));
    Problems(problems)
}

fn is_harmless(key: &str) -> bool {
    HARMLESS.contains(&key.rsplit('.').next().unwrap_or(key))
}
