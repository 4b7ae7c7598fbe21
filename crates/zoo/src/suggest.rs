//! The nearest of the names that exist, for a message about one that does not.

/// The candidate with the fewest edits from `name`, unless that is more than half of the name.
pub(crate) fn nearest<'a>(candidates: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    let distances = candidates.map(|candidate| (distance(candidate, name), candidate));
    let (edits, candidate) = distances.min()?;
    (edits <= name.len() / 2).then(|| candidate.to_owned())
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
