//! Rows in given proportions of class and attribute: a joint table pi(y, a) (`spec/bias-transfer.md` section 7.1). A source in which dogs
//! always stand beside people, and a target in which they never do, are two such tables over one annotated pool.

use std::collections::BTreeMap;

use crate::Table;
use crate::intervention::Pcg64;

/// A joint table over classes and the values of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// The attribute: a further column of the table.
    pub attribute: String,
    /// Share of the rows, 0 to 1, that each class and value get; shares sum to 1.
    pub cells: BTreeMap<(String, String), f64>,
    /// Rows in all; `None` for as many as the rarest cell allows.
    pub count: Option<usize>,
    /// Fixes which rows are drawn; a larger count takes the same rows and more.
    pub seed: u64,
}

/// Why rows cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JointError {
    /// A column that the table does not have.
    #[error("there is no column `{attribute}`: {found}")]
    Attribute {
        /// What was given.
        attribute: String,
        /// What there is.
        found: String,
    },
    /// A class that the table does not have.
    #[error("there is no class `{class}`: {found}")]
    Class {
        /// What was given.
        class: String,
        /// What there is.
        found: String,
    },
    /// Shares that are no shares.
    #[error("the shares sum to {sum:.4}: they must be positive and sum to 1")]
    Shares {
        /// Their sum.
        sum: f64,
    },
    /// A cell with fewer rows than it is to give.
    #[error("{class} with {attribute} {value} has {found} rows, and {needed} are needed")]
    Rows {
        /// The class.
        class: String,
        /// The attribute.
        attribute: String,
        /// Its value.
        value: String,
        /// Rows of the cell.
        found: usize,
        /// Rows it is to give.
        needed: usize,
    },
    /// Not one row for every cell.
    #[error("{count} rows leave the cell of {class} and {value} without one")]
    Few {
        /// Rows in all.
        count: usize,
        /// A class.
        class: String,
        /// A value.
        value: String,
    },
}

impl Joint {
    /// Draws from `rows` without replacement; rising.
    ///
    /// # Errors
    /// A column, class or number of rows that the table does not have, shares that are none.
    pub fn draw(&self, table: &Table, rows: &[usize]) -> Result<Vec<usize>, JointError> {
        let pools = self.pools(table, rows)?;
        let counts = self.counts(&pools)?;
        let mut drawn = Vec::new();
        for ((cell, pool), count) in pools.into_iter().zip(counts) {
            if pool.len() < count {
                let (attribute, (class, value)) = (self.attribute.clone(), cell);
                return Err(JointError::Rows { class, attribute, value, found: pool.len(), needed: count });
            }
            drawn.extend(pool.into_iter().take(count));
        }
        drawn.sort_unstable();
        Ok(drawn)
    }

    /// The rows of every cell, in the order in which they are taken.
    fn pools(&self, table: &Table, rows: &[usize]) -> Result<BTreeMap<(String, String), Vec<usize>>, JointError> {
        let column = table.attributes.iter().position(|name| *name == self.attribute).ok_or_else(|| {
            let known = table.attributes.join(", ");
            let found = if known.is_empty() { "the table has no further columns".to_owned() } else { known };
            JointError::Attribute { attribute: self.attribute.clone(), found }
        })?;
        if let Some((class, _)) = self.cells.keys().find(|(class, _)| !table.classes.contains(class)) {
            return Err(JointError::Class { class: class.clone(), found: table.classes.join(", ") });
        }
        let mut pools: BTreeMap<_, Vec<(f64, usize)>> = self.cells.keys().map(|cell| (cell.clone(), vec![])).collect();
        let mut random = Pcg64::new(self.seed);
        for &at in rows {
            // A number is drawn for every row, whatever its cell.
            let order = random.unit();
            let Some(row) = table.rows.get(at) else { continue };
            let class = row.label.and_then(|label| table.classes.get(label)).cloned().unwrap_or_default();
            let value = row.attributes.get(column).cloned().unwrap_or_default();
            if let Some(pool) = pools.get_mut(&(class, value)) {
                pool.push((order, at));
            }
        }
        let in_order = |mut pool: Vec<(f64, usize)>| {
            pool.sort_by(|a, b| a.0.total_cmp(&b.0));
            pool.into_iter().map(|(_, row)| row).collect()
        };
        Ok(pools.into_iter().map(|(cell, pool)| (cell, in_order(pool))).collect())
    }

    /// Rows of every cell: the shares rounded so that they add up, what is lost by rounding down going to the largest remainders.
    fn counts(&self, pools: &BTreeMap<(String, String), Vec<usize>>) -> Result<Vec<usize>, JointError> {
        let sum: f64 = self.cells.values().sum();
        if (sum - 1.0).abs() > 1e-6 || self.cells.values().any(|share| share.is_nan() || *share <= 0.0) {
            return Err(JointError::Shares { sum });
        }
        let fits =
            |(cell, share): (&(String, String), &f64)| pools.get(cell).map_or(0.0, |pool| pool.len() as f64 / share);
        let most = self.cells.iter().map(fits).fold(f64::INFINITY, f64::min);
        let all = self.count.unwrap_or((most + 1e-9) as usize);
        let exact: Vec<f64> = self.cells.values().map(|share| share * all as f64).collect();
        let mut counts: Vec<usize> = exact.iter().map(|exact| (exact + 1e-9) as usize).collect();
        let mut by_remainder: Vec<usize> = (0..exact.len()).collect();
        by_remainder.sort_by(|a, b| (exact[*b] - counts[*b] as f64).total_cmp(&(exact[*a] - counts[*a] as f64)));
        let missing = all.saturating_sub(counts.iter().sum());
        by_remainder.iter().take(missing).for_each(|cell| counts[*cell] += 1);
        match self.cells.keys().zip(&counts).find(|(_, count)| **count == 0) {
            Some(((class, value), _)) => {
                Err(JointError::Few { count: all, class: class.clone(), value: value.clone() })
            }
            None => Ok(counts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableOptions;

    /// Ten dogs outdoors, thirty indoors, twenty cats outdoors.
    fn pool() -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("path,label,place\n");
        let cells = [("dog", "outdoors", 10), ("dog", "indoors", 30), ("cat", "outdoors", 20)];
        for (class, place, count) in cells {
            for at in 0..count {
                let name = format!("{class}-{place}-{at}.png");
                std::fs::write(folder.path().join(&name), b"").unwrap();
                text.push_str(&format!("{name},{class},{place}\n"));
            }
        }
        let path = folder.path().join("pool.csv");
        std::fs::write(&path, text).unwrap();
        let table = Table::open(&path, &TableOptions::default()).unwrap();
        (folder, table)
    }

    fn joint(cells: &[(&str, &str, f64)], count: Option<usize>) -> Joint {
        let cells = cells.iter().map(|(class, value, share)| (((*class).into(), (*value).into()), *share)).collect();
        Joint { attribute: "place".into(), cells, count, seed: 3 }
    }

    fn all(table: &Table) -> Vec<usize> {
        (0..table.rows.len()).collect()
    }

    #[test]
    fn cells_get_their_shares_and_larger_draws_hold_smaller_ones() {
        let (_folder, table) = pool();
        let cells = [("dog", "outdoors", 0.2), ("dog", "indoors", 0.3), ("cat", "outdoors", 0.5)];
        let count = |rows: &[usize], class: &str, place: &str| {
            let is = |row: &&usize| {
                table.rows[**row].attributes == [place] && table.classes[table.rows[**row].label.unwrap()] == class
            };
            rows.iter().filter(is).count()
        };
        let ten = joint(&cells, Some(10)).draw(&table, &all(&table)).unwrap();
        assert_eq!(
            [count(&ten, "dog", "outdoors"), count(&ten, "dog", "indoors"), count(&ten, "cat", "outdoors")],
            [2, 3, 5]
        );
        let twenty = joint(&cells, Some(20)).draw(&table, &all(&table)).unwrap();
        assert!(ten.iter().all(|row| twenty.contains(row)), "{ten:?} {twenty:?}");
        // Twenty cats are half of forty rows.
        assert_eq!(joint(&cells, None).draw(&table, &all(&table)).unwrap().len(), 40);
        // Seven rows: 1.4, 2.1 and 3.5 make 1, 2 and 4.
        let seven = joint(&cells, Some(7)).draw(&table, &all(&table)).unwrap();
        assert_eq!([count(&seven, "dog", "outdoors"), count(&seven, "cat", "outdoors")], [1, 4]);
        let other = Joint { seed: 4, ..joint(&cells, Some(10)) }.draw(&table, &all(&table)).unwrap();
        assert_ne!(ten, other);
    }

    #[test]
    fn what_the_pool_does_not_hold_is_refused_with_its_figures() {
        let (_folder, table) = pool();
        let refused = |joint: Joint| joint.draw(&table, &all(&table)).unwrap_err().to_string();
        let half = [("dog", "outdoors", 0.5), ("cat", "outdoors", 0.5)];
        assert_eq!(refused(joint(&half, Some(30))), "dog with place outdoors has 10 rows, and 15 are needed");
        assert_eq!(refused(joint(&half[..1], None)), "the shares sum to 0.5000: they must be positive and sum to 1");
        let unknown = refused(joint(&[("bird", "outdoors", 1.0)], None));
        assert_eq!(unknown, "there is no class `bird`: cat, dog");
        let nowhere = Joint { attribute: "colour".into(), ..joint(&half, None) };
        assert_eq!(refused(nowhere), "there is no column `colour`: place");
        assert_eq!(refused(joint(&half, Some(1))), "1 rows leave the cell of dog and outdoors without one");
    }
}
