//! Rows that must never stand on both sides of a split: the table's own groups, and sets of duplicates. A disjoint-set
//! forest; groups are numbered by their first row, so the numbering depends on nothing but the sets.

use std::collections::HashMap;

use crate::Table;

/// A partition of `0..rows` that starts with every row alone.
#[derive(Debug, Clone)]
pub struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    /// Every row in a group of its own.
    pub fn new(rows: usize) -> Self {
        Self { parents: (0..rows).collect() }
    }

    /// The groups that the table's group column gives to `rows` (indices into the table); position in `rows` is the row.
    pub fn of_table(table: &Table, rows: &[usize]) -> Self {
        let mut groups = Self::new(rows.len());
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (position, row) in rows.iter().enumerate() {
            if let Some(name) = table.rows.get(*row).and_then(|row| row.group.as_deref()) {
                let start = *first.entry(name).or_insert(position);
                groups.unite(start, position);
            }
        }
        groups
    }

    /// Puts the groups of two rows together; rows outside the partition are left alone.
    pub fn unite(&mut self, a: usize, b: usize) {
        if a.max(b) < self.parents.len() {
            let (a, b) = (self.root(a), self.root(b));
            // The smaller row becomes the root, so a root is the first row of its group.
            self.parents[a.max(b)] = a.min(b);
        }
    }

    /// Puts every set of rows together.
    pub fn unite_sets(&mut self, sets: &[Vec<usize>]) {
        for set in sets {
            for pair in set.windows(2) {
                self.unite(pair[0], pair[1]);
            }
        }
    }

    fn root(&mut self, mut row: usize) -> usize {
        while self.parents[row] != row {
            self.parents[row] = self.parents[self.parents[row]];
            row = self.parents[row];
        }
        row
    }

    /// The groups of more than one row, rows in rising order, by first row.
    pub fn sets(&mut self) -> Vec<Vec<usize>> {
        let ids = self.ids();
        let mut sets = vec![Vec::new(); ids.iter().max().map_or(0, |last| last + 1)];
        for (row, id) in ids.into_iter().enumerate() {
            sets[id].push(row);
        }
        sets.retain(|set| set.len() > 1);
        sets
    }

    /// The group of every row: a number from 0 on, in the order of the groups' first rows.
    pub fn ids(&mut self) -> Vec<usize> {
        let roots: Vec<usize> = (0..self.parents.len()).map(|row| self.root(row)).collect();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        roots
            .into_iter()
            .map(|root| {
                let next = numbers.len();
                *numbers.entry(root).or_insert(next)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_share_a_row_become_one_group() {
        let mut groups = Groups::new(7);
        groups.unite_sets(&[vec![5, 3], vec![1, 3], vec![4]]);
        groups.unite(2, 99);
        assert_eq!(groups.ids(), [0, 1, 2, 1, 3, 1, 4]);
        assert_eq!(groups.sets(), [[1, 3, 5]]);
    }
}
