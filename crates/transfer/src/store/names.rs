//! Names from content: the key of a run of rows, and a tap's name as a folder name.

/// BLAKE3 digest of the encoded bytes of one image.
pub type Digest = [u8; 32];

/// Consecutive table rows in one block.
pub const CHUNK_ROWS: usize = 256;

/// Longest folder name made from a tap's name; longer ones end in a digest of the whole.
const LONGEST_NAME: usize = 120;

/// Key of the rows of one chunk: BLAKE3 over the content digests, in table order.
#[must_use]
pub fn rows_key(digests: &[Digest]) -> String {
    let mut hasher = blake3::Hasher::new();
    for digest in digests {
        hasher.update(digest);
    }
    hasher.finalize().to_hex().to_string()
}

/// What stands in a key for a row whose bytes cannot be read at all. When they can be read later, the key is another one.
#[must_use]
pub fn unreadable_row() -> Digest {
    *blake3::hash(b"heirloom: a row whose bytes cannot be read").as_bytes()
}

/// A tap's name as part of a file name: letters, digits, `.`, `_` and `-` stay, every other byte becomes `%XX`.
pub(super) fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index == 0 => escaped.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    if escaped.len() > LONGEST_NAME {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        escaped.truncate(LONGEST_NAME - 17);
        escaped.push('-');
        escaped.extend(digest.chars().take(16));
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_short_and_distinct() {
        assert_eq!(escape("layer3.2.act1"), "layer3.2.act1");
        assert_eq!(escape("../a/b:c@d"), "%2E.%2Fa%2Fb%3Ac%40d");
        let long = [escape(&"x".repeat(500)), escape(&("x".repeat(499) + "y"))];
        assert_eq!(long[0].len(), LONGEST_NAME);
        assert_ne!(long[0], long[1]);
    }

    #[test]
    fn keys_depend_on_content_and_order() {
        let [a, b] = [[1; 32], [2; 32]];
        assert_eq!(rows_key(&[a, b]), rows_key(&[a, b]));
        assert_ne!(rows_key(&[a, b]), rows_key(&[b, a]));
        assert_ne!(rows_key(&[a]), rows_key(&[a, unreadable_row()]));
    }
}
