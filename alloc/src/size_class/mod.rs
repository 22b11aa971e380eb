//! Size classes: which slot sizes exist, and how many pages the spans of each have.
//!
//! Slots grow in steps of 8 bytes from 16 to 128, then in 8 steps for each doubling up to 32 KiB, so that rounding a size
//! up to a slot wastes at most one part in nine. Larger values get a span of their own. Everything is computed by
//! `const fn`; nothing here has state.
//!
//! A span of a class has one of three page counts: the first spans of a class are small, later ones larger
//! ([`SizeClass::span_pages`]). Page counts are chosen so that the tail behind the last slot is at most 1/16 of the span.
//!
//! The idea of geometric classes with a fixed number of steps per doubling is jemalloc's; choosing a page count by its
//! tail waste is tcmalloc's.
//!
//! ## Table
#![doc = include_str!("table.md")]

mod magic;

pub(crate) use magic::{Located, Magic};

use crate::unit::{PAGE_SIZE, pages_for};

/// Largest slot in bytes; larger values get a span of their own.
pub const MAX_SMALL: usize = 32 << 10;
/// Largest alignment in bytes.
pub const MAX_ALIGN: usize = 4096;
/// Most slots a span can have; also the longest colour strip.
pub const MAX_SLOTS: usize = 4096;
/// Most pages a span of small slots can have.
pub(crate) const MAX_SPAN_PAGES: usize = 16;

/// Classes with slots of 16, 24, … 128 bytes.
const LINEAR: usize = 15;
const LINEAR_MAX: usize = 128;
/// Steps a doubling above that.
const STEPS: usize = 8;
const STEPS_SHIFT: u32 = STEPS.trailing_zeros();
const COUNT: usize = LINEAR + STEPS * (MAX_SMALL / LINEAR_MAX).trailing_zeros() as usize;

/// A slot size, by number.
///
/// # Invariants
/// At most [`SizeClass::LARGE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct SizeClass(u8);

impl SizeClass {
    /// How many classes of small slots there are.
    pub const COUNT: usize = COUNT;
    /// Values over [`MAX_SMALL`], each in a span of its own.
    pub const LARGE: SizeClass = SizeClass(COUNT as u8);

    /// The class of the smallest slot that holds `size` bytes; `LARGE` if none does. Two shifts and a count of zeros.
    #[inline]
    pub const fn of_size(size: usize) -> SizeClass {
        if size <= 16 {
            SizeClass(0)
        } else if size <= LINEAR_MAX {
            SizeClass((size.div_ceil(8) - 2) as u8)
        } else if size <= MAX_SMALL {
            let last = size - 1;
            let doubling = last.ilog2();
            let step = (last >> (doubling - STEPS_SHIFT)) & (STEPS - 1);
            SizeClass((LINEAR + (doubling - LINEAR_MAX.ilog2()) as usize * STEPS + step) as u8)
        } else {
            SizeClass::LARGE
        }
    }

    /// The class of the smallest slot that holds `size` bytes and is a multiple of `align`; `LARGE` if none does.
    ///
    /// # Panics
    /// If `align` is no power of two or above [`MAX_ALIGN`]; at compile time where this is a constant.
    #[inline]
    pub const fn of(size: usize, align: usize) -> SizeClass {
        let mut class = SizeClass::of_size(size);
        if align > 8 {
            assert!(align.is_power_of_two() && align <= MAX_ALIGN, "alignment above 4096 is not supported");
            while class.0 < SizeClass::LARGE.0 && !class.slot().is_multiple_of(align) {
                class = SizeClass(class.0 + 1);
            }
        }
        class
    }

    /// Bytes of a slot; 0 for `LARGE`, where the object is the span.
    #[inline]
    pub const fn slot(self) -> usize {
        SLOTS[self.0 as usize] as usize
    }

    /// The class's number.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The class with this number, if there is one.
    pub const fn from_index(index: usize) -> Option<SizeClass> {
        if index <= COUNT { Some(SizeClass(index as u8)) } else { None }
    }

    /// Pages of a span of this class at growth stage 0, 1 or 2 (higher counts as 2); 0 for `LARGE`.
    pub const fn span_pages(self, stage: usize) -> usize {
        if self.0 as usize >= COUNT {
            return 0;
        }
        let stage = if stage < 3 { stage } else { 2 };
        SPAN_PAGES[self.0 as usize][stage] as usize
    }

    /// Slots of a span of this class with `pages` pages.
    pub const fn slots(self, pages: usize) -> usize {
        match self.slot() {
            0 => 1,
            slot => {
                let slots = pages * PAGE_SIZE / slot;
                if slots < MAX_SLOTS { slots } else { MAX_SLOTS }
            }
        }
    }
}

/// Bytes that a value of `size` bytes and alignment `align` takes: its slot, or whole pages when over [`MAX_SMALL`].
///
/// # Panics
/// If `align` is no power of two or above [`MAX_ALIGN`]; at compile time where this is a constant.
#[inline]
pub const fn slot_size(size: usize, align: usize) -> usize {
    match SizeClass::of(size, align).slot() {
        0 => pages_for(size) * PAGE_SIZE,
        slot => slot,
    }
}

/// Slot sizes by class number; as long as a `u8` can count, so that no bound is checked.
static SLOTS: [u16; 256] = {
    let mut slots = [0; 256];
    let mut class = 0;
    while class < COUNT {
        slots[class] = if class < LINEAR {
            16 + class as u16 * 8
        } else {
            let (doubling, step) = ((class - LINEAR) / STEPS, (class - LINEAR) % STEPS);
            ((LINEAR_MAX + (step + 1) * (LINEAR_MAX / STEPS)) << doubling) as u16
        };
        class += 1;
    }
    slots
};

/// The page counts wanted at each stage; a class takes the next larger count whose tail is small enough.
const STAGES: [usize; 3] = [1, 4, 8];
static SPAN_PAGES: [[u8; 3]; COUNT] = span_pages_table();

const fn span_pages_table() -> [[u8; 3]; COUNT] {
    let mut table = [[0; 3]; COUNT];
    let mut class = 0;
    while class < COUNT {
        let mut stage = 0;
        while stage < 3 {
            table[class][stage] = fitting_pages(SizeClass(class as u8).slot(), STAGES[stage]) as u8;
            stage += 1;
        }
        class += 1;
    }
    table
}

/// The smallest page count from `wanted` on whose tail behind the last slot of `slot` bytes is at most 1/16.
const fn fitting_pages(slot: usize, wanted: usize) -> usize {
    let mut pages = wanted;
    loop {
        let bytes = pages * PAGE_SIZE;
        if bytes >= slot && (bytes % slot) * 16 <= bytes {
            assert!(pages <= MAX_SPAN_PAGES && bytes / slot <= MAX_SLOTS);
            assert!(Magic::of_slot(slot).is_exact(slot, bytes / slot));
            return pages;
        }
        pages += 1;
    }
}

#[cfg(test)]
mod tests;
