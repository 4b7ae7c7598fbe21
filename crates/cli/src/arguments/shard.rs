//! `--shard i/n`: one of several runs that share the work.

use std::str::FromStr;

/// Part `index` of `count`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardArgument {
    /// Which part, from 1 to `count`.
    pub index: usize,
    /// Number of parts.
    pub count: usize,
}

impl FromStr for ShardArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((index, count)) => Err(format!("there is no shard {index} of {count}: count from 1 to {count}")),
            None => Err("expected i/n, as in 1/4 for the first of four".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!("4/4".parse(), Ok(ShardArgument { index: 4, count: 4 }));
        for wrong in ["0/4", "5/4", "0/0", "1", "a/b", "-1/2"] {
            assert!(wrong.parse::<ShardArgument>().is_err(), "{wrong}");
        }
    }
}
