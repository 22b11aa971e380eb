//! What the allocator knows of a type: size, alignment, drop glue, whether it is a leaf.
//!
//! A client embeds [`TypeInfo`] as the first field of a `#[repr(C)]` struct of its own and finds its own data from the
//! `TypeInfo` in a span. The allocator never looks past these fields and never inspects a value.

use crate::mcache::BINS;
use crate::size_class::{self, SizeClass};
use bitflags::bitflags;
use std::fmt;

bitflags! {
    /// What is the same for every object of a span, as far as marker and sweeper care.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct SpanFlags: u8 {
        /// Objects hold no references: nothing to scan. The highest bit, next to the class in a page entry.
        const LEAF = 1 << 7;
        /// The type has drop glue: only [`crate::Role::Background`] sweeps such spans.
        const DROP = 1 << 1;
        /// One object over [`crate::MAX_SMALL`] bytes, a span of its own.
        const LARGE = 1 << 2;
        /// Slots are shared by several tiny leaf values of different types; the span's type is [`TINY`].
        const TINY = 1 << 3;
    }
}

/// A type as the allocator sees it.
///
/// Identity is the address of the `TypeInfo`; two addresses for one Rust type only cost a second span class.
///
/// # Invariants
/// 1. `align` is a power of two, at most [`crate::MAX_ALIGN`].
/// 2. `drop`, where present, may be called once with a pointer to any initialised value of the type.
///
/// Only the client can keep them: that is why allocation from an address is its `unsafe` code. The allocator itself
/// never calls `drop`.
#[repr(C)]
pub struct TypeInfo {
    /// Name for people.
    pub name: fn() -> &'static str,
    /// Bytes of a value; 0 for a type of variable length (arrays). A zero-sized type says 1.
    pub size: usize,
    /// Alignment of a value in bytes.
    pub align: usize,
    /// Drop glue, if the type needs any.
    pub drop: Option<unsafe fn(*mut u8)>,
    /// No references inside.
    pub leaf: bool,
    /// Any number that differs between types; chooses the bin of a cache.
    pub hash: usize,
}

impl TypeInfo {
    /// Whether values of this type share 16-byte slots with others: leaves without drop glue of 1 to 8 bytes.
    #[inline]
    pub const fn is_tiny(&self) -> bool {
        self.leaf && self.drop.is_none() && self.size > 0 && self.size <= 8 && self.align <= self.tiny_size()
    }

    /// Bytes a tiny value takes: its size rounded up to a power of two, which is also its alignment there.
    #[inline]
    pub const fn tiny_size(&self) -> usize {
        self.size.next_power_of_two()
    }

    /// Bytes of the slot a value of this fixed-size type takes. See [`crate::slot_size`].
    ///
    /// # Panics
    /// If the alignment is above [`crate::MAX_ALIGN`]; at compile time where this is a constant.
    #[inline]
    pub const fn slot(&self) -> usize {
        size_class::slot_size(self.size, self.align)
    }

    /// The bin of a cache for values of this fixed-size type.
    #[inline]
    pub const fn bin(&self) -> usize {
        self.hash % BINS
    }

    /// The bin of a cache for values of this variable-length type in slots of `class`.
    #[inline]
    pub const fn sized_bin(&self, class: SizeClass) -> usize {
        self.hash.wrapping_add(class.index()) % BINS
    }

    /// The flags every small span of this type has.
    pub(crate) fn flags(&'static self) -> SpanFlags {
        let mut flags = SpanFlags::empty();
        flags.set(SpanFlags::LEAF, self.leaf);
        flags.set(SpanFlags::DROP, self.drop.is_some());
        flags.set(SpanFlags::TINY, std::ptr::eq(self, &TINY));
        flags
    }
}

impl fmt::Debug for TypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeInfo")
            .field("name", &(self.name)())
            .field("size", &self.size)
            .field("align", &self.align)
            .field("drop", &self.drop.is_some())
            .field("leaf", &self.leaf)
            .finish()
    }
}

/// The type of spans whose slots are shared by tiny values ([`TypeInfo::is_tiny`]).
///
/// It is not embedded in a client's struct: a client must test [`SpanFlags::TINY`] (or `LEAF`) before it casts a span's
/// `TypeInfo` to its own type.
pub static TINY: TypeInfo =
    TypeInfo { name: || "(tiny values)", size: 16, align: 8, drop: None, leaf: true, hash: BINS - 1 };

/// What class entries say that no class has been given yet; names no object.
pub(crate) static NO_TYPE: TypeInfo =
    TypeInfo { name: || "(no type)", size: 16, align: 8, drop: None, leaf: true, hash: 0 };
