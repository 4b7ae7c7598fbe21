//! The memory plan: which buffer holds which value, so that buffers are reused and the peak is known before the run.

/// A value that must be kept from one step to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Values for one image.
    pub length: usize,
    /// The step that writes it.
    pub birth: usize,
    /// The last step that reads it; the step that writes it when none does.
    pub death: usize,
    /// A value that this one may overwrite in place, if both have the same length and the other dies here.
    pub replaces: Option<usize>,
}

/// Buffers and the value's places in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    /// Buffer of every value.
    pub slot_of: Vec<usize>,
    /// Values for one image that each buffer holds.
    pub slots: Vec<usize>,
}

/// Assigns buffers in order of birth; `lifetimes` are sorted by birth.
pub(crate) fn assign(lifetimes: &[Lifetime]) -> Memory {
    let mut memory = Memory::default();
    // For each buffer the value in it.
    let mut holds: Vec<Option<usize>> = Vec::new();
    for (value, life) in lifetimes.iter().enumerate() {
        for held in &mut holds {
            *held = held.filter(|&other| lifetimes[other].death >= life.birth);
        }
        let slot = in_place(lifetimes, &memory, value, &holds)
            .or_else(|| best_free(&memory.slots, &holds, life.length))
            .unwrap_or_else(|| {
                memory.slots.push(0);
                holds.push(None);
                holds.len() - 1
            });
        memory.slots[slot] = memory.slots[slot].max(life.length);
        holds[slot] = Some(value);
        memory.slot_of.push(slot);
    }
    memory
}

fn in_place(lifetimes: &[Lifetime], memory: &Memory, value: usize, holds: &[Option<usize>]) -> Option<usize> {
    let life = &lifetimes[value];
    let other = life.replaces?;
    let fits = lifetimes[other].length == life.length && lifetimes[other].death == life.birth;
    let slot = *memory.slot_of.get(other)?;
    (fits && holds[slot] == Some(other)).then_some(slot)
}

/// The smallest free buffer that is large enough, else the largest free one, which then grows.
fn best_free(slots: &[usize], holds: &[Option<usize>], length: usize) -> Option<usize> {
    let free = || (0..slots.len()).filter(|&slot| holds[slot].is_none());
    free()
        .filter(|&slot| slots[slot] >= length)
        .min_by_key(|&slot| slots[slot])
        .or_else(|| free().max_by_key(|&slot| slots[slot]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn life(length: usize, birth: usize, death: usize) -> Lifetime {
        Lifetime { length, birth, death, replaces: None }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<_> = (0..6).map(|step| life(100 - step, step, step + 1)).collect();
        let memory = assign(&chain);
        assert_eq!(memory.slots.len(), 2);
        assert_eq!(memory.slot_of, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn an_operator_in_place_needs_one() {
        let mut second = life(100, 1, 2);
        second.replaces = Some(0);
        assert_eq!(assign(&[life(100, 0, 1), second]).slots, [100]);
        second.replaces = None;
        assert_eq!(assign(&[life(100, 0, 1), second]).slots, [100, 100]);
    }

    proptest! {
        #[test]
        fn no_two_living_values_share_a_buffer(raw in proptest::collection::vec((1usize..50, 0usize..6), 1..40)) {
            let lives: Vec<_> = raw.iter().enumerate().map(|(step, &(length, span))| life(length, step, step + span)).collect();
            let memory = assign(&lives);
            for (i, a) in lives.iter().enumerate() {
                prop_assert!(memory.slots[memory.slot_of[i]] >= a.length);
                for (j, b) in lives.iter().enumerate().skip(i + 1) {
                    let overlap = a.birth <= b.death && b.birth <= a.death;
                    prop_assert!(!overlap || memory.slot_of[i] != memory.slot_of[j], "{i} and {j}");
                }
            }
        }
    }
}
