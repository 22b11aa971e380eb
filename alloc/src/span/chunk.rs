//! Sixteen colour bytes at a time, or four times as many where all are treated alike: the only place where colour bytes are
//! touched other than one by one.
//!
//! Others may store to colour bytes while we read them (markers), or read them while we store (a census), so every access
//! must be atomic by the byte. On x86-64 an inline `asm` block moves sixteen bytes: what the block does is, byte by byte,
//! what sixteen relaxed loads or stores would do (the processor never tears a byte), which the compiler has to assume of
//! it. Elsewhere, and under Miri and loom, it *is* sixteen relaxed loads or stores.

use crate::colour::Colour;
use greyset_sync::atomic::AtomicU8;

/// Colour bytes in a chunk.
pub(crate) const CHUNK: usize = 16;
/// Colour bytes in a block: four chunks, a cache line.
pub(crate) const BLOCK: usize = 4 * CHUNK;

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
mod imp {
    use super::{AtomicU8, BLOCK, CHUNK, Colour};
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

    /// Whether all bytes of the block have this colour, whatever their flags.
    #[inline(always)]
    pub(crate) fn all_have(bytes: &[AtomicU8; BLOCK], colour: Colour) -> bool {
        let (chunks, _) = bytes.as_chunks::<CHUNK>();
        let chunks: [Chunk; BLOCK / CHUNK] = std::array::from_fn(|at| Chunk::load(&chunks[at]));
        // SAFETY: SSE2 is part of every x86-64.
        unsafe { all_of(chunks, colour) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn all_of(chunks: [Chunk; BLOCK / CHUNK], colour: Colour) -> bool {
        let is = |chunk: Chunk| {
            let colours = _mm_and_si128(chunk.0, _mm_set1_epi8(Colour::MASK as i8));
            _mm_cmpeq_epi8(colours, _mm_set1_epi8(colour.byte() as i8))
        };
        let [a, b, c, d] = chunks.map(is);
        _mm_movemask_epi8(_mm_and_si128(_mm_and_si128(a, b), _mm_and_si128(c, d))) == 0xffff
    }

    /// Stores `byte` into the whole block, each byte as a relaxed store does.
    #[inline(always)]
    pub(crate) fn store_block(bytes: &[AtomicU8; BLOCK], byte: u8) {
        // SAFETY: SSE2 is part of every x86-64.
        let value = unsafe { splat(byte) };
        // SAFETY: writes the 64 bytes behind a live reference to atomics, as relaxed byte stores; needs no alignment;
        // touches nothing else.
        unsafe {
            asm!("movdqu xmmword ptr [{to}], {value}", "movdqu xmmword ptr [{to} + 16], {value}",
                 "movdqu xmmword ptr [{to} + 32], {value}", "movdqu xmmword ptr [{to} + 48], {value}",
                 value = in(xmm_reg) value, to = in(reg) bytes.as_ptr(), options(nostack, preserves_flags));
        }
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
    use super::{AtomicU8, BLOCK, CHUNK, Colour};
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

    /// Whether all bytes of the block have this colour, whatever their flags.
    #[inline(always)]
    pub(crate) fn all_have(bytes: &[AtomicU8; BLOCK], colour: Colour) -> bool {
        bytes.iter().all(|byte| Colour::of(byte.load(Relaxed)) == colour)
    }

    /// Stores `byte` into the whole block.
    #[inline(always)]
    pub(crate) fn store_block(bytes: &[AtomicU8; BLOCK], byte: u8) {
        bytes.iter().for_each(|to| to.store(byte, Relaxed));
    }

    /// Stores `byte` into the whole chunk.
    #[inline(always)]
    pub(crate) fn store(bytes: &[AtomicU8; CHUNK], byte: u8) {
        bytes.iter().for_each(|to| to.store(byte, Relaxed));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
pub(crate) use imp::{Chunk, all_have, store, store_block};
#[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
pub(crate) use portable::{Chunk, all_have, store, store_block};

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

        #[test]
        fn both_ways_treat_a_block_alike(byte: u8, at in 0..BLOCK, other: u8) {
            let block: [AtomicU8; BLOCK] = std::array::from_fn(|_| AtomicU8::new(!byte));
            store_block(&block, byte);
            prop_assert!(block.iter().all(|stored| stored.load(Relaxed) == byte));
            block[at].store(other, Relaxed);
            for colour in [Colour::FREE, Colour::A, Colour::B, Colour::GUARD] {
                let all = Colour::of(byte) == colour && Colour::of(other) == colour;
                prop_assert_eq!(all_have(&block, colour), all);
                prop_assert_eq!(portable::all_have(&block, colour), all);
            }
            portable::store_block(&block, !byte);
            prop_assert!(block.iter().all(|stored| stored.load(Relaxed) == !byte));
        }
    }
}
