//! Colour strips: which bytes of the colour table belong to which span.
//!
//! The table is cut into slabs of 4 KiB. A slab holds strips of one length, a power of two from 16 to 4096. When its last
//! strip is given back it is idle: free for strips of any length, or to be given to the system until it is needed again.
//! Under the page heap's lock; constant time; never touches the strips themselves.

use crate::size_class::MAX_SLOTS;
use crate::unit::StripNo;

/// Bytes of a slab; also the longest strip.
pub(crate) const SLAB: usize = 4096;
const _: () = assert!(SLAB == MAX_SLOTS);
/// Lengths 16, 32, … 4096.
const LENGTHS: usize = (SLAB / StripNo::UNIT).trailing_zeros() as usize + 1;
/// Words of a mask with a bit for each of the shortest strips.
const WORDS: usize = SLAB / StripNo::UNIT / 64;
/// Strip units in a slab.
const UNITS: u32 = (SLAB / StripNo::UNIT) as u32;
/// No slab.
const END: u32 = u32::MAX;

/// A slab of the colour table.
#[derive(Clone, Copy, Debug)]
struct Slab {
    /// A set bit is a free strip.
    free: [u64; WORDS],
    used: u16,
    /// Index of the length of its strips.
    length: u8,
    next: u32,
    previous: u32,
}

/// Free and used strips.
///
/// # Invariants
/// 1. `partial[n]` begins a list of the slabs of length `n` that have both used and free strips.
/// 2. `idle` and `released` begin lists of the slabs without strips, `released` those that the system has back; a slab in the
///    hands of `take_idle`'s caller is in neither.
/// 3. `without_memory` counts the slabs in `released`, `idle_count` those in `idle`.
/// 4. The slabs are the first of the table; there are at most `most` of them.
#[derive(Debug)]
pub(crate) struct Strips {
    slabs: Vec<Slab>,
    partial: [u32; LENGTHS],
    idle: u32,
    idle_count: usize,
    released: u32,
    without_memory: usize,
    most: usize,
}

/// Index of a length.
const fn length_index(len: usize) -> usize {
    (len / StripNo::UNIT).trailing_zeros() as usize
}

impl Strips {
    /// For a table of `bytes` colour bytes.
    pub(crate) fn new(bytes: usize) -> Strips {
        Strips {
            slabs: Vec::new(),
            partial: [END; LENGTHS],
            idle: END,
            idle_count: 0,
            released: END,
            without_memory: 0,
            most: bytes / SLAB,
        }
    }

    /// A strip of `len` bytes (a power of two from 16 to 4096); `None` when the table is full.
    pub(crate) fn take(&mut self, len: usize) -> Option<StripNo> {
        debug_assert!(len.is_power_of_two() && (StripNo::UNIT..=SLAB).contains(&len));
        let length = length_index(len);
        if self.partial[length] == END {
            self.open_slab(length)?;
        }
        let at = self.partial[length];
        let slab = &mut self.slabs[at as usize];
        let word = slab.free.iter().position(|&word| word != 0)?;
        let bit = slab.free[word].trailing_zeros();
        slab.free[word] &= slab.free[word] - 1;
        slab.used += 1;
        if slab.used as usize == SLAB / len {
            self.unlink(at, length);
        }
        let strip = word as u32 * 64 + bit;
        Some(StripNo(at * UNITS + (strip << length)))
    }

    /// Takes a strip back.
    pub(crate) fn give(&mut self, strip: StripNo) {
        let at = strip.0 / UNITS;
        let slab = &mut self.slabs[at as usize];
        let length = slab.length as usize;
        let index = (strip.0 % UNITS) as usize >> length;
        let (word, bit) = (index / 64, 1 << (index % 64));
        debug_assert!(slab.free[word] & bit == 0, "{strip:?} given back twice");
        slab.free[word] |= bit;
        let was_full = slab.used as usize == (UNITS as usize) >> length;
        slab.used -= 1;
        let now_empty = slab.used == 0;
        if now_empty {
            if !was_full {
                self.unlink(at, length);
            }
            self.give_idle(at, false);
        } else if was_full {
            self.link(at, length);
        }
    }

    fn open_slab(&mut self, length: usize) -> Option<()> {
        let at = if let Some(at) = self.pop_idle() {
            at
        } else if self.released != END {
            self.without_memory -= 1;
            let next = self.slabs[self.released as usize].next;
            std::mem::replace(&mut self.released, next)
        } else if self.slabs.len() < self.most {
            let blank = Slab { free: [0; WORDS], used: 0, length: 0, next: END, previous: END };
            self.slabs.push(blank);
            self.slabs.len() as u32 - 1
        } else {
            return None;
        };
        let strips = UNITS as usize >> length;
        let slab = &mut self.slabs[at as usize];
        slab.length = length as u8;
        for (word, mask) in slab.free.iter_mut().enumerate() {
            *mask = match strips.saturating_sub(word * 64) {
                0 => 0,
                left @ 1..64 => (1 << left) - 1,
                _ => !0,
            };
        }
        self.link(at, length);
        Some(())
    }

    fn link(&mut self, at: u32, length: usize) {
        let next = std::mem::replace(&mut self.partial[length], at);
        let slab = &mut self.slabs[at as usize];
        (slab.next, slab.previous) = (next, END);
        if next != END {
            self.slabs[next as usize].previous = at;
        }
    }

    fn unlink(&mut self, at: u32, length: usize) {
        let Slab { next, previous, .. } = self.slabs[at as usize];
        if next != END {
            self.slabs[next as usize].previous = previous;
        }
        match previous {
            END => self.partial[length] = next,
            previous => self.slabs[previous as usize].next = next,
        }
    }

    /// Takes up to `most` idle slabs with memory behind them, in no order, so that the caller can give that to the system and
    /// come back with [`Strips::give_idle`].
    pub(crate) fn take_idle(&mut self, most: usize) -> Vec<u32> {
        std::iter::from_fn(|| self.pop_idle()).take(most).collect()
    }

    fn pop_idle(&mut self) -> Option<u32> {
        let at = self.idle;
        self.idle = self.slabs.get(at as usize)?.next;
        self.idle_count -= 1;
        Some(at)
    }

    /// Takes an idle slab back, with or without memory behind it.
    pub(crate) fn give_idle(&mut self, at: u32, released: bool) {
        let (list, count) = match released {
            true => (&mut self.released, &mut self.without_memory),
            false => (&mut self.idle, &mut self.idle_count),
        };
        *count += 1;
        self.slabs[at as usize].next = std::mem::replace(list, at);
    }

    /// Bytes of the colour table with memory behind them.
    pub(crate) fn resident(&self) -> usize {
        (self.slabs.len() - self.without_memory) * SLAB
    }

    /// Bytes of the colour table with memory behind them and no strips.
    pub(crate) fn idle(&self) -> usize {
        self.idle_count * SLAB
    }

    /// Bytes of this structure.
    pub(crate) fn bytes(&self) -> usize {
        self.slabs.capacity() * size_of::<Slab>()
    }

    /// Bytes in strips that are in use.
    pub(crate) fn used(&self) -> usize {
        let of = |slab: &Slab| slab.used as usize * (StripNo::UNIT << slab.length);
        self.slabs.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn strips_never_overlap(steps in prop::collection::vec((0u32..10, any::<prop::sample::Index>(), any::<bool>()), 0..400)) {
            let mut strips = Strips::new(64 * SLAB);
            let mut held: BTreeMap<usize, (usize, StripNo)> = BTreeMap::new();
            for (log, pick, give) in steps {
                if log == 9 {
                    let idle = strips.take_idle(3);
                    idle.iter().for_each(|&at| strips.give_idle(at, give));
                } else if give && !held.is_empty() {
                    let key = *held.keys().nth(pick.index(held.len())).expect("picked inside");
                    let (_, strip) = held.remove(&key).expect("held");
                    strips.give(strip);
                } else if let Some(strip) = strips.take(16 << log) {
                    let (start, len) = (strip.offset(), 16usize << log);
                    prop_assert_eq!(start % len, 0);
                    let below = held.range(..start + len).next_back();
                    prop_assert!(below.is_none_or(|(&at, &(len, _))| at + len <= start));
                    held.insert(start, (len, strip));
                }
                prop_assert_eq!(strips.used(), held.values().map(|(len, _)| len).sum::<usize>());
                let with_strips = strips.slabs.iter().filter(|slab| slab.used > 0).count();
                prop_assert_eq!(strips.idle(), strips.resident() - with_strips * SLAB);
            }
            held.into_values().for_each(|(_, strip)| strips.give(strip));
            strips.take_idle(usize::MAX).into_iter().for_each(|at| strips.give_idle(at, true));
            prop_assert_eq!((strips.used(), strips.resident(), strips.idle()), (0, 0, 0), "all slabs are idle");
        }
    }

    #[test]
    fn a_full_table_says_so_and_recovers() {
        let mut strips = Strips::new(2 * SLAB);
        let a = strips.take(4096).expect("first slab");
        let b = strips.take(16).expect("second slab");
        assert_eq!(strips.take(32), None);
        strips.give(b);
        assert!(strips.take(32).is_some());
        strips.give(a);
        assert!(strips.take(4096).is_some());
    }
}
