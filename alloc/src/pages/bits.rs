//! A set of page numbers that finds its greatest member in a few steps.
//!
//! A tree of bit masks: a bit of level 0 is a page, a bit of level n + 1 says that a word of level n is not zero. It grows
//! to the greatest page ever inserted, so an unused part of the reservation costs nothing.

/// Bits of a word, as a shift.
const SHIFT: u32 = 6;
/// 64^6 = 2^36 pages, more than a page number can name.
const LEVELS: usize = 6;

/// A set of page numbers.
///
/// # Invariants
/// Bit `b` of `levels[n + 1]` is set if and only if word `b` of `levels[n]` is not zero.
#[derive(Debug, Default)]
pub(crate) struct PageSet {
    levels: [Vec<u64>; LEVELS],
}

impl PageSet {
    /// Adds a page.
    pub(crate) fn insert(&mut self, page: u32) {
        let mut bit = page as usize;
        for level in &mut self.levels {
            let word = bit >> SHIFT;
            if word >= level.len() {
                level.resize(word + 1, 0);
            }
            let before = level[word];
            level[word] = before | 1 << (bit & 63);
            if before != 0 {
                return; // the levels above know already
            }
            bit = word;
        }
    }

    /// Removes a page.
    pub(crate) fn remove(&mut self, page: u32) {
        let mut bit = page as usize;
        for level in &mut self.levels {
            let Some(word) = level.get_mut(bit >> SHIFT) else { return };
            *word &= !(1 << (bit & 63));
            if *word != 0 {
                return;
            }
            bit >>= SHIFT;
        }
    }

    /// The greatest page in it.
    pub(crate) fn last(&self) -> Option<u32> {
        let bits = *self.levels[LEVELS - 1].first()?;
        (bits != 0).then(|| self.descend(LEVELS - 1, bits.ilog2() as usize, u64::ilog2))
    }

    /// The greatest page in it that is less than this one.
    pub(crate) fn before(&self, page: u32) -> Option<u32> {
        let mut bit = page as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = bit >> SHIFT;
            let bits = level.get(word).copied().unwrap_or(0) & ((1 << (bit & 63)) - 1);
            if bits != 0 {
                return Some(self.descend(height, word << SHIFT | bits.ilog2() as usize, u64::ilog2));
            }
            bit = word;
        }
        None
    }

    /// The least page in it that is not less than this one.
    pub(crate) fn from(&self, page: u32) -> Option<u32> {
        let mut bit = page as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = bit >> SHIFT;
            let bits = level.get(word).copied().unwrap_or(0) & (u64::MAX << (bit & 63));
            if bits != 0 {
                let first = u64::trailing_zeros;
                return Some(self.descend(height, word << SHIFT | first(bits) as usize, first));
            }
            // The words after this one.
            bit = word + 1;
        }
        None
    }

    /// The page that `bit` of the level at `height` leads to, by the bit that `end` chooses of each word below.
    fn descend(&self, height: usize, bit: usize, end: fn(u64) -> u32) -> u32 {
        // INVARIANT: of the set: the word below a bit is there, and not zero.
        let below = self.levels[..height].iter().rev();
        below.fold(bit, |bit, level| bit << SHIFT | end(level[bit]) as usize) as u32
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.capacity() * size_of::<u64>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(steps in prop::collection::vec((any::<bool>(), 0u32..5000), 0..200)) {
            let (mut set, mut model) = (PageSet::default(), BTreeSet::new());
            for (insert, page) in steps {
                if insert {
                    set.insert(page);
                    model.insert(page);
                } else {
                    set.remove(page);
                    model.remove(&page);
                }
                prop_assert_eq!(set.last(), model.last().copied());
                for limit in [page, page + 1, 0, 64, 5000, u32::MAX] {
                    prop_assert_eq!(set.before(limit), model.range(..limit).next_back().copied());
                    prop_assert_eq!(set.from(limit), model.range(limit..).next().copied());
                }
            }
        }
    }

    #[test]
    fn the_greatest_page_of_the_greatest_heap_fits() {
        let mut set = PageSet::default();
        set.insert((1 << 22) - 1);
        set.insert(3);
        assert_eq!(set.last(), Some((1 << 22) - 1));
        set.remove((1 << 22) - 1);
        assert_eq!(set.last(), Some(3));
    }
}
