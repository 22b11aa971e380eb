//! Sizes that a simulator makes tiny, so that a few objects fill a run or a buffer.

/// `size`; under a scheduler, `tiny`.
#[cfg(not(feature = "sim"))]
#[inline(always)]
pub const fn tiny(size: usize, _: usize) -> usize {
    size
}

/// `size`; under a scheduler, `tiny`.
#[cfg(feature = "sim")]
#[inline]
pub fn tiny(size: usize, tiny: usize) -> usize {
    if crate::sim::hooks().is_some() { tiny } else { size }
}
