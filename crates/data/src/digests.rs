//! Content digests of rows: BLAKE3 of the encoded bytes, remembered by path, size, modification time and inode in one
//! small file per data set, so that a row whose features are stored is recognised without opening its image. An index that
//! cannot be read or whose checksum is wrong is made again, never believed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Problem;
use crate::index_file::{self, take};
use crate::table::{Locator, Table};

/// BLAKE3 of one row's encoded bytes.
pub type Digest = [u8; 32];

const MAGIC: &[u8; 16] = b"heirloom-digest1";

/// What a file looked like when its digests were computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    seconds: u64,
    nanoseconds: u32,
    inode: u64,
}

impl Stamp {
    /// `None` where the file cannot be looked at.
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp { bytes: metadata.len(), seconds: since.as_secs(), nanoseconds: since.subsec_nanos(), inode })
    }

    /// Whether the file is so new that a further change could leave the same time behind: clocks of file systems tick in
    /// some milliseconds, those that keep no fractions in up to two seconds.
    fn is_settled(self) -> bool {
        let tick = Duration::from_millis(if self.nanoseconds == 0 { 3000 } else { 50 });
        let modified = UNIX_EPOCH + Duration::new(self.seconds, self.nanoseconds);
        SystemTime::now().duration_since(modified).is_ok_and(|age| age > tick)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    stamp: Stamp,
    /// By row of the file (one for a plain image file); `None` where it was never asked for or could not be read.
    digests: Vec<Option<Digest>>,
}

/// The remembered digests of one data set.
#[derive(Debug)]
pub struct DigestIndex {
    path: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    /// Files whose stamp was checked in this process.
    current: BTreeMap<PathBuf, Stamp>,
    changed: bool,
    opened: usize,
}

impl DigestIndex {
    /// The index of `table` below the cache folder: `<cache>/digests-v1/<BLAKE3 of the table's path>.index`. One that is
    /// missing, unreadable or damaged is empty.
    pub fn open(cache: &Path, table: &Table) -> DigestIndex {
        let path = index_file::path_for(cache, "digests-v1", table);
        let entries = index_file::read(&path, MAGIC).and_then(|body| parse(&body)).unwrap_or_default();
        DigestIndex { path, entries, current: BTreeMap::new(), changed: false, opened: 0 }
    }

    /// An index that is never written: for tests, and where there is no cache.
    pub fn in_memory() -> DigestIndex {
        DigestIndex {
            path: PathBuf::new(),
            entries: BTreeMap::new(),
            current: BTreeMap::new(),
            changed: false,
            opened: 0,
        }
    }

    /// Digests of some rows, in their order. Only rows that are not remembered, or whose file has changed, are read.
    pub fn digests(&mut self, table: &Table, rows: &[usize]) -> Vec<Result<Digest, Problem>> {
        let mut digest = |row: usize| match self.remembered(table, row) {
            Some(digest) => Ok(digest),
            None => {
                self.opened += 1;
                let bytes = table.stream(&[row]).next().unwrap_or(Err(Problem::Missing))?;
                Ok(self.remember(table, row, &bytes))
            }
        };
        rows.iter().map(|row| digest(*row)).collect()
    }

    /// How many rows were read so far because they were not remembered.
    pub fn rows_read(&self) -> usize {
        self.opened
    }

    fn remembered(&mut self, table: &Table, row: usize) -> Option<Digest> {
        let (path, row) = place(&table.rows.get(row)?.locator);
        let stamp = match self.current.get(path) {
            Some(stamp) => *stamp,
            None => {
                let stamp = Stamp::of(path)?;
                self.current.insert(path.to_path_buf(), stamp);
                stamp
            }
        };
        let entry = self.entries.get(path)?;
        if entry.stamp != stamp {
            self.entries.remove(path);
            self.changed = true;
            return None;
        }
        entry.digests.get(row).copied().flatten()
    }

    fn remember(&mut self, table: &Table, row: usize, bytes: &[u8]) -> Digest {
        let digest = *blake3::hash(bytes).as_bytes();
        let Some((path, row)) = table.rows.get(row).map(|row| place(&row.locator)) else { return digest };
        let Some(stamp) = self.current.get(path).copied().filter(|stamp| stamp.is_settled()) else { return digest };
        // A file that changed between the look at it and the reading of it is not remembered.
        if !self.entries.contains_key(path) && Stamp::of(path) != Some(stamp) {
            return digest;
        }
        let entry = self.entries.entry(path.to_path_buf()).or_insert_with(|| Entry { stamp, digests: Vec::new() });
        if entry.digests.len() <= row {
            entry.digests.resize(row + 1, None);
        }
        entry.digests[row] = Some(digest);
        self.changed = true;
        digest
    }

    /// Writes what was learnt, to a temporary name and renamed, so that a reader finds the old index or the new one.
    /// Nothing is written when nothing changed.
    ///
    /// # Errors
    /// The operating system's refusal; the index in memory stays usable.
    pub fn save(&mut self) -> std::io::Result<()> {
        if !self.changed || self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let written = index_file::write(&self.path, MAGIC, &serialise(&self.entries));
        self.changed = written.is_err();
        written
    }
}

/// The file a row is in, and its row there.
fn place(locator: &Locator) -> (&Path, usize) {
    match locator {
        Locator::File(path) => (path, 0),
        Locator::Parquet { path, row } | Locator::Row { path, row } => (path, *row),
    }
}

/// Layout, little-endian: per file the path's length (u32) and bytes, size (u64), seconds (u64), nanoseconds (u32), inode
/// (u64), number of digests (u32), then for each a byte 0 or 1 and, after a 1, the 32 bytes.
fn serialise(entries: &BTreeMap<PathBuf, Entry>) -> Vec<u8> {
    let mut body = Vec::new();
    for (path, entry) in entries {
        let name = path.as_os_str().as_encoded_bytes();
        body.extend_from_slice(&(name.len() as u32).to_le_bytes());
        body.extend_from_slice(name);
        body.extend_from_slice(&entry.stamp.bytes.to_le_bytes());
        body.extend_from_slice(&entry.stamp.seconds.to_le_bytes());
        body.extend_from_slice(&entry.stamp.nanoseconds.to_le_bytes());
        body.extend_from_slice(&entry.stamp.inode.to_le_bytes());
        body.extend_from_slice(&(entry.digests.len() as u32).to_le_bytes());
        for digest in &entry.digests {
            body.push(u8::from(digest.is_some()));
            body.extend_from_slice(digest.as_ref().map_or(&[], |digest| &digest[..]));
        }
    }
    body
}

fn parse(mut body: &[u8]) -> Option<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    while !body.is_empty() {
        let length = u32::from_le_bytes(take(&mut body)?) as usize;
        let (name, rest) = body.split_at_checked(length)?;
        body = rest;
        let stamp = Stamp {
            bytes: u64::from_le_bytes(take(&mut body)?),
            seconds: u64::from_le_bytes(take(&mut body)?),
            nanoseconds: u32::from_le_bytes(take(&mut body)?),
            inode: u64::from_le_bytes(take(&mut body)?),
        };
        let count = u32::from_le_bytes(take(&mut body)?);
        let mut digests = Vec::new();
        for _ in 0..count {
            let [present] = take(&mut body)?;
            digests.push(if present == 1 { Some(take::<32>(&mut body)?) } else { None });
        }
        entries.insert(path_from(name)?, Entry { stamp, digests });
    }
    Some(entries)
}

#[cfg(unix)]
fn path_from(name: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
fn path_from(name: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(name).ok().map(PathBuf::from)
}

/// The digest of one image given as bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

impl Table {
    /// Digests of all rows without any index: reads every row once.
    pub fn all_digests(&self) -> Vec<Result<Digest, Problem>> {
        let rows: Vec<usize> = (0..self.rows.len()).collect();
        self.stream(&rows).map(|bytes| bytes.map(|bytes| digest(&bytes))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn table(folder: &Path) -> Table {
        Table::unlabelled(&[folder.to_path_buf()], Limits::default()).unwrap()
    }

    /// Moves the file's time into the past, as if it had been written a while ago.
    fn settle(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_remembered_row_is_not_read_again_and_a_changed_one_is() {
        let (images, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, content) in [("a", "one"), ("b", "two"), ("c", "three")] {
            std::fs::write(images.path().join(name), content).unwrap();
            settle(&images.path().join(name), 100);
        }
        let table = table(images.path());
        let mut first = DigestIndex::open(cache.path(), &table);
        let digests = first.digests(&table, &[2, 0, 1]);
        assert_eq!(digests[1], Ok(digest(b"one")));
        assert_eq!(first.rows_read(), 3);
        first.save().unwrap();

        let mut second = DigestIndex::open(cache.path(), &table);
        assert_eq!(second.digests(&table, &[2, 0, 1]), digests);
        assert_eq!(second.rows_read(), 0);

        std::fs::write(images.path().join("b"), "TWO").unwrap();
        settle(&images.path().join("b"), 50);
        let mut third = DigestIndex::open(cache.path(), &table);
        assert_eq!(third.digests(&table, &[0, 1]), [Ok(digest(b"one")), Ok(digest(b"TWO"))]);
        assert_eq!(third.rows_read(), 1);
    }

    #[test]
    fn a_file_written_a_moment_ago_is_not_remembered() {
        let (images, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(images.path().join("a"), "one").unwrap();
        settle(&images.path().join("a"), 0);
        let table = table(images.path());
        let mut index = DigestIndex::open(cache.path(), &table);
        assert_eq!(index.digests(&table, &[0]), [Ok(digest(b"one"))]);
        index.save().unwrap();
        assert!(DigestIndex::open(cache.path(), &table).entries.is_empty());
    }

    #[test]
    fn a_damaged_index_is_made_again() {
        let (images, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(images.path().join("a"), "one").unwrap();
        settle(&images.path().join("a"), 100);
        let table = table(images.path());
        let mut index = DigestIndex::open(cache.path(), &table);
        index.digests(&table, &[0]);
        index.save().unwrap();
        let whole = std::fs::read(&index.path).unwrap();
        let read = |bytes: &[u8]| index_file::body(bytes, MAGIC).and_then(parse);
        assert_eq!(read(&whole).unwrap(), index.entries);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(read(&damaged), None, "bit flipped in byte {at}");
            assert_eq!(read(&whole[..at]), None, "cut off at {at}");
        }
        std::fs::write(&index.path, &whole[..whole.len() / 2]).unwrap();
        let mut again = DigestIndex::open(cache.path(), &table);
        assert_eq!(again.digests(&table, &[0]), [Ok(digest(b"one"))]);
        assert_eq!(again.rows_read(), 1);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_an_error_and_the_digests_stay() {
        let images = tempfile::tempdir().unwrap();
        std::fs::write(images.path().join("a"), "one").unwrap();
        settle(&images.path().join("a"), 100);
        let table = table(images.path());
        let mut index = DigestIndex::open(&images.path().join("a"), &table);
        let digests = index.digests(&table, &[0]);
        assert!(index.save().is_err());
        assert_eq!(index.digests(&table, &[0]), digests);
    }
}
