//! Buffers that are shared by those who read them and come back when nobody does.

use std::sync::Arc;

use crate::kernels::{AlignedBuffer, Stored, StoredMut};

/// A value or a gradient of one node for the whole batch; immutable once it is shared.
pub(super) type Shared = Arc<AlignedBuffer>;

/// The first `len` values of a buffer, which are halves or not.
pub(super) fn stored(buffer: &AlignedBuffer, halves: bool, len: usize) -> Stored<'_> {
    if halves { Stored::Bf16(&buffer.halves()[..len]) } else { Stored::F32(&buffer[..len]) }
}

/// The same, to write.
pub(super) fn stored_mut(buffer: &mut AlignedBuffer, halves: bool, len: usize) -> StoredMut<'_> {
    if halves { StoredMut::Bf16(&mut buffer.halves_mut()[..len]) } else { StoredMut::F32(&mut buffer[..len]) }
}

/// Buffers that wait for their next use.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Vec<AlignedBuffer>,
    /// Bytes of all buffers, used and free.
    pub bytes: usize,
}

impl Buffers {
    /// A buffer of at least `len` values, all unspecified: the smallest free one that is large enough and not much larger, else a
    /// new one.
    pub fn take(&mut self, len: usize) -> AlignedBuffer {
        let fits = |buffer: &&AlignedBuffer| buffer.len() >= len && buffer.len() <= len.saturating_mul(2).max(4096);
        let best = self.free.iter().filter(fits).map(|buffer| buffer.len()).min();
        if let Some(at) = best.and_then(|best| self.free.iter().position(|buffer| buffer.len() == best)) {
            return self.free.swap_remove(at);
        }
        self.bytes += 4 * len;
        AlignedBuffer::zeroed(len)
    }

    /// A buffer of at least `len` values that are halves or not.
    pub fn take_stored(&mut self, halves: bool, len: usize) -> AlignedBuffer {
        self.take(if halves { len.div_ceil(2) } else { len })
    }

    /// Takes a buffer back, if nobody else reads it.
    pub fn give(&mut self, buffer: Shared) {
        self.free.extend(Arc::try_unwrap(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_reader_gives_it() {
        let mut buffers = Buffers::default();
        let first: Shared = Arc::new(buffers.take(5000));
        let second = Arc::clone(&first);
        buffers.give(first);
        assert!(buffers.free.is_empty());
        buffers.give(second);
        assert_eq!(buffers.take(4000).len(), 5000);
        assert_eq!(buffers.bytes, 4 * 5000);
    }

    #[test]
    fn a_much_larger_buffer_is_not_wasted() {
        let mut buffers = Buffers::default();
        let large = Arc::new(buffers.take(100_000));
        buffers.give(large);
        assert_eq!(buffers.take(10_000).len(), 10_000);
        assert_eq!(buffers.take(100_000).len(), 100_000);
    }
}
