//! Division by a slot size as a multiplication: the index of the slot that contains a byte.
//!
//! With `m = ceil(2^F / slot)`, `F` being [`Magic::FRACTION`], the product for byte `q·slot + r` of a span is
//! `q·2^F + q·e + r·m` where `e = m·slot − 2^F`. While `(q + 1)·e < m`, the index `q` is what lies above the lowest `F` bits,
//! and what lies in them is below `m` just for `r = 0`, a slot's first byte. That this holds for all slots of all spans is
//! asserted where the table of classes is made; tests go over every byte.
//!
//! The product is taken of the address itself, and a number added that is the same for the whole span ([`Magic::bias`]): what
//! the start of the span would have contributed is subtracted in it, and the place of the span's colour strip is added above the
//! fraction. So one multiplication and one addition lead from an address to its colour byte, whichever span it is in.
//!
//! Method: T. Granlund, P. Montgomery, "Division by Invariant Integers using Multiplication" (1994).

use crate::unit::StripNo;

/// The multiplier of a slot size.
///
/// # Invariants
/// 0 (every byte is in slot 0), or `ceil(2^FRACTION / slot)` for a slot size of 16 to [`crate::MAX_SMALL`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Magic(pub(crate) u32);

/// Where the colour byte of an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Located {
    /// Index in the colour table.
    pub(crate) colour: usize,
    /// Whether the address is the first of its object. For the one object of a large span the answer is always "no".
    pub(crate) is_first: bool,
}

impl Magic {
    /// Bits of the fraction: as few as divide exactly, so that as many as can be are left for the index.
    pub(crate) const FRACTION: u32 = 31;
    const MASK: u64 = (1 << Magic::FRACTION) - 1;

    /// The multiplier for slots of `slot` bytes; 0 stands for "one slot, however long".
    pub(crate) const fn of_slot(slot: usize) -> Magic {
        if slot == 0 { Magic(0) } else { Magic((1u64 << Magic::FRACTION).div_ceil(slot as u64) as u32) }
    }

    /// Whether division by `slot`, whose multiplier this is, is exact for so many slots.
    pub(crate) const fn is_exact(self, slot: usize, slots: usize) -> bool {
        let error = self.0 as u64 * slot as u64 - (1 << Magic::FRACTION);
        slots as u64 * error < self.0 as u64
    }

    /// What is added to the product for an address in the span at `start` whose colours are in `strip`.
    #[inline]
    pub(crate) const fn bias(self, start: usize, strip: StripNo) -> u64 {
        let strip = (strip.offset() as u64) << Magic::FRACTION;
        strip.wrapping_sub((start as u64).wrapping_mul(self.0 as u64))
    }

    /// Where the colour byte of `addr` is, in a span with this bias.
    #[inline(always)]
    pub(crate) const fn locate(self, bias: u64, addr: usize) -> Located {
        let product = self.product(bias, addr);
        let is_first = (product & Magic::MASK) < self.0 as u64;
        Located { colour: (product >> Magic::FRACTION) as usize, is_first }
    }

    /// How many bytes behind its object's first `addr` is. Not for the one object of a large span.
    #[inline]
    pub(crate) const fn distance(self, bias: u64, addr: usize) -> usize {
        ((self.product(bias, addr) & Magic::MASK) / self.0 as u64) as usize
    }

    /// Index of the slot that contains the byte at `offset` in its span.
    #[inline(always)]
    pub(crate) const fn index(self, offset: usize) -> usize {
        (self.product(0, offset) >> Magic::FRACTION) as usize
    }

    #[inline(always)]
    const fn product(self, bias: u64, addr: usize) -> u64 {
        (addr as u64).wrapping_mul(self.0 as u64).wrapping_add(bias)
    }
}
