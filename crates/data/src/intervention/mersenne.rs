//! The generator behind numpy's `RandomState` (Matsumoto and Nishimura 1998, MT19937) as far as it takes to repeat the permutations that
//! published programs drew with it. Everything else here draws its random numbers otherwise.

/// Words of the state.
const WORDS: usize = 624;
/// How far apart the words are that are mixed.
const APART: usize = 397;

/// A generator in the state of `numpy.random.RandomState(seed)`.
///
/// ```
/// use heirloom_data::intervention::RandomState;
/// assert_eq!(RandomState::new(1235).permutation(4), [1, 0, 2, 3]);
/// ```
#[derive(Debug, Clone)]
pub struct RandomState {
    words: Vec<u32>,
    next: usize,
}

impl RandomState {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut words = vec![seed; WORDS];
        for at in 1..WORDS {
            let before = words[at - 1];
            words[at] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(at as u32);
        }
        Self { words, next: WORDS }
    }

    fn renew(&mut self) {
        for at in 0..WORDS {
            let joined = (self.words[at] & 0x8000_0000) | (self.words[(at + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[at] = self.words[(at + APART) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// A number from 0 to `most`, each as likely: bits as many as `most` has, drawn until they are none too large.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let drawn = self.word() & mask;
            if drawn <= most {
                return drawn;
            }
        }
    }

    /// `permutation(count)`: every place from the last to the second changes with one of those up to it.
    #[must_use]
    pub fn permutation(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            let other = self.up_to(last);
            order.swap(last as usize, other as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T2 of `spec/what-is-transferred.md`, values of numpy.
    #[test]
    fn permutations_are_those_of_numpy() {
        let drawn = |seed: u32, count: u32| RandomState::new(seed).permutation(count);
        assert_eq!([drawn(1234, 4), drawn(1235, 4), drawn(1236, 4)], [[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3]]);
        assert_eq!(drawn(1234, 16), [13, 11, 0, 12, 14, 2, 10, 7, 1, 9, 8, 4, 5, 6, 3, 15]);
        assert_eq!(drawn(1235, 16), [1, 4, 9, 10, 5, 13, 15, 0, 8, 6, 12, 7, 3, 14, 2, 11]);
        assert_eq!(drawn(1236, 16), [5, 0, 2, 10, 15, 6, 14, 4, 7, 13, 8, 9, 12, 1, 11, 3]);
        assert_eq!(drawn(1234, 12), [7, 8, 11, 2, 9, 10, 1, 0, 4, 5, 6, 3]);
        assert_eq!(drawn(1234, 6), [2, 1, 5, 0, 4, 3]);
        // `choice(10, 4, replace=False)` is the head of a permutation.
        assert_eq!(drawn(2020, 10)[..4], [2, 4, 9, 1]);
    }

    #[test]
    fn one_or_nothing_has_one_order() {
        assert_eq!((RandomState::new(0).permutation(0), RandomState::new(0).permutation(1)), (vec![], vec![0]));
    }
}
