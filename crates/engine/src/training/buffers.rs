//! Buffers that are shared by those who read them and come back when nobody does.

use std::sync::Arc;

use crate::kernels::AlignedBuffer;

/// A value or a gradient of one node for the whole batch; immutable once it is shared.
pub(super) type Shared = Arc<AlignedBuffer>;

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
