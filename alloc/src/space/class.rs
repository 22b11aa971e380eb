//! Class entries: what marker and sweeper need to know of a span class, 64 bytes each, never moving.

use super::table::Zeroed;
use crate::size_class::{Magic, SizeClass};
use crate::type_info::{NO_TYPE, SpanFlags, TypeInfo};
use greyset_sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::fmt;

/// A span class: a type in slots of one size.
///
/// # Invariants
/// 1. Written once, before the class's number is published; constant from then on.
/// 2. `info` is null or came from a `&'static TypeInfo`.
#[repr(C, align(64))]
#[cfg_attr(all(test, loom), derive(Default))]
pub struct ClassInfo {
    info: AtomicPtr<TypeInfo>,
    slot: AtomicU32,
    magic: AtomicU32,
    flags: AtomicU8,
    size_class: AtomicU8,
}

// SAFETY: atomics; zero (null type, slot 0) is "no class".
unsafe impl Zeroed for ClassInfo {}

impl ClassInfo {
    /// The type of every object in spans of this class; a type of no object if there is no such class.
    #[inline(always)]
    pub fn info(&self) -> &'static TypeInfo {
        let info = self.info.load(Relaxed);
        if info.is_null() {
            return &NO_TYPE;
        }
        // SAFETY: not null, so it came from a `&'static TypeInfo` (invariant 2); whoever knows the class's number got it
        // after the entry was written (invariant 1).
        unsafe { &*info }
    }

    /// Bytes from one object to the next; 0 for a span of one large object.
    #[inline(always)]
    pub fn slot(&self) -> usize {
        self.slot.load(Relaxed) as usize
    }

    /// Flags of its spans.
    #[inline(always)]
    pub fn flags(&self) -> SpanFlags {
        SpanFlags::from_bits_truncate(self.flags.load(Relaxed))
    }

    /// The size class.
    #[inline]
    pub fn size_class(&self) -> SizeClass {
        SizeClass::from_index(self.size_class.load(Relaxed) as usize).unwrap_or(SizeClass::LARGE)
    }

    #[inline]
    pub(crate) fn magic(&self) -> Magic {
        Magic(self.magic.load(Relaxed))
    }

    /// Fills the entry in. For the registry, under its lock.
    pub(crate) fn set(&self, info: &'static TypeInfo, size_class: SizeClass) {
        let mut flags = info.flags();
        flags.set(SpanFlags::LARGE, size_class == SizeClass::LARGE);
        self.slot.store(size_class.slot() as u32, Relaxed);
        self.magic.store(Magic::of_slot(size_class.slot()).0, Relaxed);
        self.flags.store(flags.bits(), Relaxed);
        self.size_class.store(size_class.index() as u8, Relaxed);
        self.info.store(std::ptr::from_ref(info).cast_mut(), Relaxed);
    }
}

impl fmt::Debug for ClassInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassInfo")
            .field("type", &(self.info().name)())
            .field("slot", &self.slot())
            .field("flags", &self.flags())
            .finish()
    }
}
