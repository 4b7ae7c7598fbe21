//! Copies of one image among the rows. They must share a fold, and copies on both sides of the data's own split are a leak to be
//! reported.
//!
//! Equal and nearly equal images have nearly equal features, so only pairs whose features point the same way (cosine after the
//! mean is taken off) are looked at: their bytes are compared, and where they differ, a perceptual hash and a thumbnail decide
//! ([`near_duplicates`]). Rows without such a partner are never opened.

use std::collections::BTreeMap;

use heirloom_data::{
    Decoder, Image, Likeness, NearDuplicateSettings, Problem, Resampler, Split, Table, exact_duplicates,
    near_duplicates,
};
use heirloom_matrix::{Mat, MatRef, multiply};
use rayon::prelude::*;

use super::Rows;
use super::record::DuplicateGroup;
use crate::{Block, Features};

/// Smallest cosine of centred features that makes two rows worth a look.
const COSINE: f32 = 0.95;
/// Rows compared with all others at a time.
const STRIP: usize = 256;

/// Groups of rows (positions in the features) that show the same or nearly the same image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copies {
    /// Each has two rows or more, in rising order.
    pub groups: Vec<Vec<usize>>,
    /// Whether the bytes of all of a group's rows are equal.
    pub exact: Vec<bool>,
    /// Whether rows are features, without a picture.
    pub features: bool,
}

impl Copies {
    /// Finds copies among `used` rows of the table; `block` holds one feature row for each.
    pub fn find(table: &Table, used: &[usize], block: Option<&Block>) -> Self {
        let pairs = block.map(|block| alike(block, used.len())).unwrap_or_default();
        let mut places: Vec<usize> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        places.sort_unstable();
        places.dedup();
        let looked_at = look(table, used, &places);
        let equal = exact_duplicates(&looked_at.iter().map(|look| Some(look.0)).collect::<Vec<_>>());
        let likenesses: Vec<Option<Likeness>> = looked_at.iter().map(|look| look.1.clone()).collect();
        let near = near_duplicates(&likenesses, NearDuplicateSettings::default()).pairs;
        let near =
            near.into_iter().map(|(a, b)| (places[a], places[b])).filter(|pair| pairs.binary_search(pair).is_ok());
        let mut groups = heirloom_data::Groups::new(used.len());
        equal.iter().for_each(|set| set.windows(2).for_each(|pair| groups.unite(places[pair[0]], places[pair[1]])));
        near.for_each(|(a, b)| groups.unite(a, b));
        let digests: BTreeMap<usize, [u8; 32]> =
            places.iter().copied().zip(looked_at.iter().map(|look| look.0)).collect();
        Self::of(&groups.ids(), &digests)
    }

    /// Finds rows whose features are equal to the last bit; there is no picture to compare.
    pub fn of_features(features: &Features) -> Self {
        let digest = |row: usize| {
            let mut hasher = blake3::Hasher::new();
            for block in &features.blocks {
                let values = &block.values[row * block.width..(row + 1) * block.width];
                hasher.update(bytemuck::cast_slice(values));
            }
            *hasher.finalize().as_bytes()
        };
        let digests: Vec<[u8; 32]> = (0..features.rows).map(digest).collect();
        let mut groups = heirloom_data::Groups::new(features.rows);
        let equal = exact_duplicates(&digests.iter().copied().map(Some).collect::<Vec<_>>());
        equal.iter().for_each(|set| set.windows(2).for_each(|pair| groups.unite(pair[0], pair[1])));
        Self { features: true, ..Self::of(&groups.ids(), &digests.into_iter().enumerate().collect()) }
    }

    fn of(ids: &[usize], digests: &BTreeMap<usize, [u8; 32]>) -> Self {
        let mut members = BTreeMap::<usize, Vec<usize>>::new();
        ids.iter().enumerate().for_each(|(place, id)| members.entry(*id).or_default().push(place));
        let groups: Vec<Vec<usize>> = members.into_values().filter(|places| places.len() > 1).collect();
        let equal = |places: &Vec<usize>| places.windows(2).all(|pair| digests.get(&pair[0]) == digests.get(&pair[1]));
        Self { exact: groups.iter().map(equal).collect(), groups, features: false }
    }

    /// The groups for the record.
    pub fn describe(&self, table: &Table, rows: &Rows) -> Vec<DuplicateGroup> {
        let locator = |at: &usize| table.rows.get(rows.table[*at]).map(|row| row.locator.to_string());
        let describe = |(places, exact): (&Vec<usize>, &bool)| DuplicateGroup {
            exact: *exact,
            locators: places.iter().filter_map(locator).collect(),
            crosses_split: crosses(table, rows, places),
            labels_differ: places.iter().any(|at| rows.labels[*at] != rows.labels[places[0]]),
        };
        self.groups.iter().zip(&self.exact).map(describe).collect()
    }

    /// The warning about test images that are also training images.
    pub fn leak(&self, table: &Table, rows: &Rows) -> Option<String> {
        let leaking = self.groups.iter().filter(|places| crosses(table, rows, places));
        let count = leaking.flatten().filter(|at| is_test(table, rows, **at)).count();
        let what = if self.features { "rows" } else { "images" };
        (count > 0).then(|| {
            let all = rows.test.len();
            format!("{count} of {all} test {what} are copies of training {what}: the accuracy is flattered by them")
        })
    }
}

fn is_test(table: &Table, rows: &Rows, at: usize) -> bool {
    table.rows.get(rows.table[at]).is_some_and(|row| row.split == Some(Split::Test))
}

/// Whether a group has the data's own test rows and others.
fn crosses(table: &Table, rows: &Rows, places: &[usize]) -> bool {
    let test = places.iter().filter(|at| is_test(table, rows, **at)).count();
    test > 0 && test < places.len()
}

/// Pairs `(a, b)` with `a < b`, sorted, whose centred features have a cosine of at least [`COSINE`].
fn alike(block: &Block, rows: usize) -> Vec<(usize, usize)> {
    let unit = centred_unit_rows(block, rows);
    let all = MatRef::from_row_major_slice(&unit, rows, block.width);
    let strips = (0..rows.div_ceil(STRIP)).into_par_iter().map(|strip| {
        let start = strip * STRIP;
        let count = STRIP.min(rows - start);
        let mut cosines = Mat::<f32>::zeros(count, rows - start);
        let (strip, rest) = (all.subrows(start, count), all.subrows(start, rows - start));
        multiply(cosines.as_mut(), strip, rest.transpose());
        let mut pairs = Vec::new();
        for a in 0..count {
            let close = (a + 1..rows - start).filter(|b| cosines[(a, *b)] >= COSINE);
            pairs.extend(close.map(|b| (start + a, start + b)));
        }
        pairs
    });
    strips.collect::<Vec<_>>().concat()
}

/// Rows less their mean, at unit norm, row-major `[rows, width]`; a row equal to the mean stays zero.
fn centred_unit_rows(block: &Block, rows: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f64; block.width];
    for row in block.values.chunks(block.width.max(1)) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.max(1) as f64);
    let mut unit = block.values.clone();
    for row in unit.chunks_mut(block.width.max(1)) {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= *mean as f32);
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|value| *value /= norm);
        }
    }
    unit
}

/// Digest of the bytes and likeness of each row; a row that cannot be read any more looks like nothing else.
fn look(table: &Table, used: &[usize], places: &[usize]) -> Vec<([u8; 32], Option<Likeness>)> {
    let (mut decoder, mut resampler, mut image) = (Decoder::new(table.limits()), Resampler::new(), Image::default());
    let rows: Vec<usize> = places.iter().map(|place| used[*place]).collect();
    let mut one = |(bytes, row): (Result<Vec<u8>, Problem>, &usize)| {
        let Ok(bytes) = bytes else {
            return (*blake3::hash(format!("unreadable {row}").as_bytes()).as_bytes(), None);
        };
        let decoded = decoder.decode_into(&bytes, &mut image).is_ok();
        let likeness = decoded.then(|| Likeness::of(&mut resampler, &image).ok()).flatten();
        (*blake3::hash(&bytes).as_bytes(), likeness)
    };
    table.stream(&rows).zip(&rows).map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;

    use super::*;
    use crate::Pooling;

    fn block(values: Vec<f32>, width: usize) -> Block {
        let pooling = Pooling { target: 1, class_token: crate::ClassTokenMode::Normal };
        Block { tap: "t".into(), shape: Shape::Vector { channels: width }, pooling, width, values }
    }

    #[test]
    fn only_rows_that_point_the_same_way_are_pairs() {
        let rows = [[1.0, 0.0, 5.0], [0.0, 1.0, 5.0], [1.01, 0.0, 5.0], [-1.0, -1.0, 5.0]];
        assert_eq!(alike(&block(rows.concat(), 3), 4), vec![(0, 2)]);
        let many: Vec<f32> =
            (0..600).flat_map(|row| [(row as f32).cos(), (row as f32).sin(), 0.0]).chain([1.0, 0.0, 0.0]).collect();
        let pairs = alike(&block(many.clone(), 3), 601);
        assert!(pairs.contains(&(0, 600)), "pairs across strips are found");
        let plain = |a: usize, b: usize| {
            let unit = centred_unit_rows(&block(many.clone(), 3), 601);
            (0..3).map(|c| unit[3 * a + c] * unit[3 * b + c]).sum::<f32>()
        };
        assert!(pairs.iter().all(|(a, b)| a < b && plain(*a, *b) >= COSINE - 1e-5));
    }

    #[test]
    fn rows_of_equal_features_are_copies() {
        let wide = block(vec![1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 2.0], 2);
        let narrow = Block { tap: "u".into(), width: 1, values: vec![0.0, 0.0, 1.0, 0.0], ..wide.clone() };
        let copies = Copies::of_features(&Features { rows: 4, blocks: vec![wide, narrow] });
        assert_eq!((copies.groups, copies.exact), (vec![vec![0, 1]], vec![true]));
    }

    #[test]
    fn a_group_is_exact_when_all_its_bytes_are_equal() {
        let digests = BTreeMap::from([(0, [1; 32]), (2, [1; 32]), (1, [2; 32]), (3, [3; 32])]);
        let copies = Copies::of(&[0, 1, 0, 1], &digests);
        assert_eq!(copies.groups, vec![vec![0, 2], vec![1, 3]]);
        assert_eq!(copies.exact, vec![true, false]);
    }
}
