//! The event files that TensorBoard reads: records of a length, a checksum of it, a protocol buffer and a checksum of that
//! (TensorFlow's `TFRecord` and `Event`, of which only scalars are written).

use std::fs::File;
use std::io::{Result, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An open event file.
pub struct Events {
    file: File,
}

impl Events {
    /// A new event file in `folder`; earlier ones there stay and are shown with it.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("events.out.tfevents.{}.{:09}.heirloom", since.as_secs(), since.subsec_nanos());
        let mut events = Self { file: File::create(folder.join(name))? };
        let mut event = moment();
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        Ok(events)
    }

    /// Writes scalars of one epoch.
    pub fn write(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut one = Vec::new();
            bytes(&mut one, 1, tag.as_bytes());
            one.push(2 << 3 | 5);
            one.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one);
        }
        let mut event = moment();
        event.push(2 << 3);
        variable(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    fn record(&mut self, event: &[u8]) -> Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend_from_slice(event);
        record.extend(masked(event).to_le_bytes());
        self.file.write_all(&record)?;
        self.file.flush()
    }
}

/// An event with its wall time, field 1.
fn moment() -> Vec<u8> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = vec![1 << 3 | 1];
    event.extend(since.as_secs_f64().to_le_bytes());
    event
}

/// A field of bytes.
fn bytes(to: &mut Vec<u8>, field: u8, value: &[u8]) {
    to.push(field << 3 | 2);
    variable(to, value.len() as u64);
    to.extend_from_slice(value);
}

/// An integer, seven bits a byte, the lowest first.
fn variable(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// The checksum of a record: CRC-32C, rotated and shifted.
fn masked(data: &[u8]) -> u32 {
    checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a record has a few hundred bytes.
fn checksum(data: &[u8]) -> u32 {
    let step = |state: u32, _| if state & 1 == 1 { state >> 1 ^ 0x82f6_3b78 } else { state >> 1 };
    !data.iter().fold(!0, |state, &byte| (0..8).fold(state ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn integers_take_seven_bits_a_byte() {
        let mut bytes = Vec::new();
        variable(&mut bytes, 300);
        assert_eq!(bytes, [0xac, 0x02]);
    }

    #[test]
    fn a_file_is_records_with_their_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path()).unwrap();
        events.write(3, &[("loss", 0.5)]).unwrap();
        let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        assert!(path.file_name().unwrap().to_str().unwrap().contains("tfevents"));
        let file = std::fs::read(path).unwrap();
        let (mut rest, mut records) = (file.as_slice(), Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked(&rest[..8]).to_le_bytes());
            let event = &rest[12..12 + length];
            assert_eq!(rest[12 + length..16 + length], masked(event).to_le_bytes());
            records.push(event.to_vec());
            rest = &rest[16 + length..];
        }
        assert_eq!(records.len(), 2);
        assert_eq!(records[0][9..], *b"\x1a\x0dbrain.Event:2");
        assert_eq!(records[1][9..], *b"\x10\x03\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f");
    }
}
