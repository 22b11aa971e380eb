//! Segments: fixed-size rows of grey objects, the currency between mutators, markers and the global queue.
//!
//! A segment holds base addresses of objects that are black and not scanned yet. It is owned by one thread at a time and
//! changes hands whole.

/// Addresses in a segment. With the length word a segment is just under 4 KiB.
pub(crate) const SEGMENT_LEN: usize = if cfg!(loom) { 2 } else { 510 };

/// A row of grey objects.
pub(crate) struct Segment {
    len: usize,
    items: [usize; SEGMENT_LEN],
}

impl Segment {
    /// An empty segment on the Rust heap.
    pub(crate) fn new() -> Box<Segment> {
        Box::new(Segment { len: 0, items: [0; SEGMENT_LEN] })
    }

    /// Adds an address; false when full, and then nothing is added.
    #[inline(always)]
    pub(crate) fn push(&mut self, addr: usize) -> bool {
        match self.items.get_mut(self.len) {
            Some(place) => {
                *place = addr;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Takes the address added last.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.items.get(last).copied()
    }

    /// Takes at most `most` addresses, those added last; none only if it is empty.
    #[inline(always)]
    pub(crate) fn pop_many(&mut self, most: usize) -> &[usize] {
        let (len, left) = (self.len, self.len.saturating_sub(most));
        self.len = left;
        self.items.get(left..len).unwrap_or_default()
    }

    /// The places behind the addresses it holds: what is put into the first counts after [`Segment::grow`].
    #[inline(always)]
    pub(crate) fn room(&mut self) -> &mut [usize] {
        self.items.get_mut(self.len..).unwrap_or_default()
    }

    /// The first `more` places of the room hold addresses now.
    #[inline(always)]
    pub(crate) fn grow(&mut self, more: usize) {
        self.len += more;
        debug_assert!(self.len <= SEGMENT_LEN);
    }

    /// Moves the older half into a segment of its own, for somebody who has no work.
    pub(crate) fn split(&mut self) -> Box<Segment> {
        let mut half = Segment::new();
        let give = self.len / 2;
        half.items[..give].copy_from_slice(&self.items[..give]);
        half.len = give;
        self.items.copy_within(give..self.len, 0);
        self.len -= give;
        half
    }

    /// How many addresses it holds.
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

    #[test]
    fn last_in_first_out_until_full() {
        let mut segment = Segment::new();
        for i in 0..SEGMENT_LEN {
            assert!(segment.push(i + 1));
        }
        assert!(!segment.push(9));
        assert_eq!(segment.len(), SEGMENT_LEN);
        for i in (0..SEGMENT_LEN).rev() {
            assert_eq!(segment.pop(), Some(i + 1));
        }
        assert_eq!(segment.pop(), None);
    }

    #[test]
    fn split_keeps_every_address_once() {
        let mut segment = Segment::new();
        for i in 1..=11 {
            segment.push(i);
        }
        let mut half = segment.split();
        let mut all = Vec::new();
        while let Some(a) = half.pop().or_else(|| segment.pop()) {
            all.push(a);
        }
        all.sort_unstable();
        assert_eq!(all, (1..=11).collect::<Vec<_>>());
    }
}
