//! Division by a slot size as a multiplication: the index of the slot that contains a byte.
//!
//! With `m = ceil(2^32 / slot)` the index of byte `n` is `(n * m) >> 32`. It is exact while `n * (m * slot - 2^32) < 2^32`;
//! the error factor is below `slot`, so it is enough that `n * slot <= 2^32`: offsets up to 128 KiB (16 pages) with slots up
//! to 32 KiB. Tests go over every offset of every span of every class.
//!
//! Method: T. Granlund, P. Montgomery, "Division by Invariant Integers using Multiplication" (1994).

/// The multiplier of a slot size.
///
/// # Invariants
/// 0 (every offset is in slot 0), or `ceil(2^32 / slot)` for a slot size of 16 to [`crate::MAX_SMALL`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Magic(pub(crate) u32);

impl Magic {
    /// The multiplier for slots of `slot` bytes; 0 stands for "one slot, however long".
    pub(crate) const fn of_slot(slot: usize) -> Magic {
        if slot == 0 { Magic(0) } else { Magic((1u64 << 32).div_ceil(slot as u64) as u32) }
    }

    /// Index of the slot that contains the byte at `offset`, and whether it is the slot's first byte.
    ///
    /// With `e = m·slot − 2^32` the product for byte `q·slot + r` is `q·2^32 + q·e + r·m`; where the index is exact, `q·e`
    /// is below `m`, so the low half is below `m` just for `r = 0`. For one long slot (`m = 0`) the answer is "no".
    #[inline(always)]
    pub(crate) const fn index_and_first(self, offset: usize) -> (usize, bool) {
        let product = (offset as u64).wrapping_mul(self.0 as u64);
        ((product >> 32) as usize, (product as u32) < self.0)
    }

    /// Index of the slot that contains the byte at `offset`.
    #[inline(always)]
    pub(crate) const fn index(self, offset: usize) -> usize {
        ((offset as u64).wrapping_mul(self.0 as u64) >> 32) as usize
    }
}
