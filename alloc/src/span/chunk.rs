//! Sixteen colour bytes at a time: the only place where colour bytes are touched other than one by one.
//!
//! Others may store to colour bytes while we read them (markers), or read them while we store (a census), so every access
//! must be atomic by the byte. On x86-64 an inline `asm` block moves sixteen bytes: what the block does is, byte by byte,
//! what sixteen relaxed loads or stores would do (the processor never tears a byte), which the compiler has to assume of
//! it. Elsewhere, and under Miri and loom, it *is* sixteen relaxed loads or stores.

use crate::colour::Colour;
use greyset_sync::atomic::AtomicU8;

/// Colour bytes in a chunk.
pub(crate) const CHUNK: usize = 16;

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
mod imp {
    use super::{AtomicU8, CHUNK, Colour};
    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set1_epi8};

    /// Sixteen colour bytes, loaded.
    #[derive(Clone, Copy)]
    pub(crate) struct Chunk(__m128i);

    impl Chunk {
        /// Loads a chunk, each byte as a relaxed load does.
        #[inline(always)]
        pub(crate) fn load(bytes: &[AtomicU8; CHUNK]) -> Chunk {
            let loaded: __m128i;
            // SAFETY: reads the sixteen bytes behind a live reference, as relaxed byte loads; needs no alignment; touches
            // nothing else.
            unsafe {
                asm!("movdqu {out}, xmmword ptr [{from}]", out = out(xmm_reg) loaded, from = in(reg) bytes.as_ptr(),
                     options(nostack, preserves_flags, readonly));
            }
            Chunk(loaded)
        }

        /// Bit `i` is set if byte `i` has this colour, whatever its flags.
        #[inline(always)]
        pub(crate) fn mask(self, colour: Colour) -> u16 {
            // SAFETY: SSE2 is part of every x86-64.
            unsafe { mask(self.0, colour) }
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn mask(bytes: __m128i, colour: Colour) -> u16 {
        let colours = _mm_and_si128(bytes, _mm_set1_epi8(Colour::MASK as i8));
        _mm_movemask_epi8(_mm_cmpeq_epi8(colours, _mm_set1_epi8(colour.byte() as i8))) as u16
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn splat(byte: u8) -> __m128i {
        _mm_set1_epi8(byte as i8)
    }

    /// Stores `byte` into the whole chunk, each byte as a relaxed store does.
    #[inline(always)]
    pub(crate) fn store(bytes: &[AtomicU8; CHUNK], byte: u8) {
        // SAFETY: SSE2 is part of every x86-64.
        let value = unsafe { splat(byte) };
        // SAFETY: writes the sixteen bytes behind a live reference to atomics, as relaxed byte stores; needs no
        // alignment; touches nothing else.
        unsafe {
            asm!("movdqu xmmword ptr [{to}], {value}", value = in(xmm_reg) value, to = in(reg) bytes.as_ptr(), options(nostack, preserves_flags));
        }
    }
}

#[cfg(any(test, not(all(target_arch = "x86_64", not(miri), not(loom)))))]
mod portable {
    use super::{AtomicU8, CHUNK, Colour};
    use greyset_sync::atomic::Ordering::Relaxed;

    /// Sixteen colour bytes, loaded.
    #[derive(Clone, Copy)]
    pub(crate) struct Chunk([u8; CHUNK]);

    impl Chunk {
        /// Loads a chunk.
        #[inline(always)]
        pub(crate) fn load(bytes: &[AtomicU8; CHUNK]) -> Chunk {
            Chunk(std::array::from_fn(|i| bytes[i].load(Relaxed)))
        }

        /// Bit `i` is set if byte `i` has this colour, whatever its flags.
        #[inline(always)]
        pub(crate) fn mask(self, colour: Colour) -> u16 {
            let bit = |i: usize| u16::from(Colour::of(self.0[i]) == colour) << i;
            (0..CHUNK).map(bit).fold(0, |mask, bit| mask | bit)
        }
    }

    /// Stores `byte` into the whole chunk.
    #[inline(always)]
    pub(crate) fn store(bytes: &[AtomicU8; CHUNK], byte: u8) {
        bytes.iter().for_each(|to| to.store(byte, Relaxed));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
pub(crate) use imp::{Chunk, store};
#[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
pub(crate) use portable::{Chunk, store};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use greyset_sync::atomic::Ordering::Relaxed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_see_and_store_the_same(bytes: [u8; CHUNK], byte: u8) {
            let chunk = bytes.map(AtomicU8::new);
            for colour in [Colour::FREE, Colour::A, Colour::B, Colour::GUARD] {
                prop_assert_eq!(Chunk::load(&chunk).mask(colour), portable::Chunk::load(&chunk).mask(colour));
            }
            store(&chunk, byte);
            prop_assert!(chunk.iter().all(|stored| stored.load(Relaxed) == byte));
            portable::store(&chunk, !byte);
            prop_assert!(chunk.iter().all(|stored| stored.load(Relaxed) == !byte));
        }
    }
}
