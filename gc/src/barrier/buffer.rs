//! Segments: fixed-size rows of grey objects, the currency between mutators, markers and the global queue.
//!
//! A segment is owned by one thread at a time and changes hands whole.

use crate::barrier::Grey;

/// Objects in a segment. With the length word a segment is just under 4 KiB.
pub(crate) const SEGMENT_LEN: usize = if cfg!(loom) { 2 } else { 510 };

/// A row of grey objects.
pub(crate) struct Segment {
    len: usize,
    items: [Grey; SEGMENT_LEN],
}

impl Segment {
    /// An empty segment on the Rust heap.
    pub(crate) fn new() -> Box<Segment> {
        Box::new(Segment { len: 0, items: [Grey::NONE; SEGMENT_LEN] })
    }

    /// Adds an object; false when full, and then nothing is added.
    #[inline(always)]
    pub(crate) fn push(&mut self, item: Grey) -> bool {
        match self.items.get_mut(self.len) {
            Some(place) => {
                *place = item;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Takes at most `most` objects, those added last; none only if it is empty.
    #[inline(always)]
    pub(crate) fn pop_many(&mut self, most: usize) -> &[Grey] {
        let (len, left) = (self.len, self.len.saturating_sub(most));
        self.len = left;
        self.items.get(left..len).unwrap_or_default()
    }

    /// The places behind the objects it holds: what is put into the first counts after [`Segment::grow`].
    #[inline(always)]
    pub(crate) fn room(&mut self) -> &mut [Grey] {
        self.items.get_mut(self.len..).unwrap_or_default()
    }

    /// The first `more` places of the room hold objects now.
    #[inline(always)]
    pub(crate) fn grow(&mut self, more: usize) {
        self.len += more;
        debug_assert!(self.len <= SEGMENT_LEN);
    }

    /// Moves the older half into a segment of its own, for somebody who has no work.
    pub(crate) fn split(&mut self) -> Box<Segment> {
        self.split_at(self.len / 2)
    }

    /// Moves the `give` oldest into a segment of their own.
    pub(crate) fn split_at(&mut self, give: usize) -> Box<Segment> {
        let mut half = Segment::new();
        half.items[..give].copy_from_slice(&self.items[..give]);
        half.len = give;
        self.items.copy_within(give..self.len, 0);
        self.len -= give;
        half
    }

    /// How many objects it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no room.
    pub(crate) fn is_full(&self) -> bool {
        self.len == SEGMENT_LEN
    }

    /// Whether it holds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn filled(items: usize) -> Box<Segment> {
        let mut segment = Segment::new();
        for number in 1..=items {
            assert!(segment.push(Grey::numbered(number)));
        }
        segment
    }

    #[test]
    fn what_was_added_last_is_taken_first() {
        let mut segment = filled(SEGMENT_LEN - 2);
        assert_eq!(segment.room().len(), 2);
        segment.room()[0] = Grey::numbered(SEGMENT_LEN - 1);
        segment.grow(1);
        assert!(segment.push(Grey::numbered(SEGMENT_LEN)) && segment.is_full());
        assert!(!segment.push(Grey::NONE));
        assert_eq!(segment.pop_many(2), [SEGMENT_LEN - 1, SEGMENT_LEN].map(Grey::numbered));
        assert_eq!(segment.pop_many(SEGMENT_LEN).len(), SEGMENT_LEN - 2);
        assert!(segment.is_empty() && segment.pop_many(1).is_empty());
    }

    #[test]
    fn split_keeps_every_object_once() {
        let mut segment = filled(11);
        let half = segment.split().pop_many(11).to_vec();
        assert_eq!(half, [1, 2, 3, 4, 5].map(Grey::numbered));
        assert_eq!(segment.pop_many(11), [6, 7, 8, 9, 10, 11].map(Grey::numbered));
    }
}
