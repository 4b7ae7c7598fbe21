//! The random numbers of numpy's `default_rng(seed)`, so that published masks are reproduced: a PCG64 generator (XSL-RR output
//! of a 128-bit linear congruence; O'Neill 2014, HMC-CS-2014-0905) whose state comes from the seed by numpy's `SeedSequence`
//! (the hash of O'Neill's `seed_seq_fe128`).

/// Words that the seed is mixed into.
const POOL: usize = 4;

/// numpy's default generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

    /// The generator of `numpy.random.default_rng(seed)`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let words = seed_words(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut generator = Self { state: 0, increment: wide(words[2], words[3]) << 1 | 1 };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(words[0], words[1]));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Uniform in [0, 1), 53 bits: numpy's `random()`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A hash whose constant changes with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn of(&mut self, value: u32) -> u32 {
        let mixed = value ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let mixed = mixed.wrapping_mul(self.constant);
        mixed ^ mixed >> 16
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
    mixed ^ mixed >> 16
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_words(seed: u64) -> [u64; 4] {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| hash.of(word));
    for source in 0..POOL {
        for target in (0..POOL).filter(|target| *target != source) {
            pool[target] = mix(pool[target], hash.of(pool[source]));
        }
    }
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    let words: [u32; 2 * POOL] = std::array::from_fn(|at| hash.of(pool[at % POOL]));
    std::array::from_fn(|at| u64::from(words[2 * at]) | u64::from(words[2 * at + 1]) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_numpy() {
        // numpy.random.default_rng(seed).bit_generator.random_raw(3)
        let cases = [
            (0, [0xa30f_ebcf_d9c2_825f, 0x4510_bdf8_82d9_d721, 0x0a7d_3da9_4ecd_e8b8]),
            ((1 << 40) + 3, [0xc60e_533f_bbb0_872c, 0xfef0_825f_71d6_6341, 0x7922_40db_6171_ac88]),
        ];
        for (seed, expected) in cases {
            let mut generator = Pcg64::new(seed);
            assert_eq!([(); 3].map(|()| generator.bits()), expected, "seed {seed}");
        }
    }

    #[test]
    fn uniform_numbers_are_those_of_vector_t3() {
        let mut generator = Pcg64::new(10);
        let drawn: Vec<f64> = (0..1000).map(|_| generator.unit()).collect();
        let first = [
            0.9560017096,
            0.2076818101,
            0.8284448853,
            0.1492821231,
            0.5128046164,
            0.1359196040,
            0.6890364798,
            0.8417477243,
        ];
        assert!(drawn.iter().zip(first).all(|(ours, theirs)| (ours - theirs).abs() < 1e-10), "{:?}", &drawn[..8]);
        let below = |limit: f64| drawn.iter().filter(|value| **value < limit).count();
        assert_eq!([0.1, 0.5, 0.9].map(below), [103, 514, 892]);
    }
}
