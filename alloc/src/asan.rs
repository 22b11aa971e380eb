//! Tells AddressSanitizer which slots hold no object: built with `--cfg greyset_asan`, that is; else it does nothing.
//!
//! A new span is poisoned as a whole, a slot is unpoisoned when it is handed out and poisoned again when it is swept. So whoever
//! looks at an object after it was freed is told at once, by address and stack, whatever is there by then.

#[cfg(greyset_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const u8, bytes: usize);
    fn __asan_unpoison_memory_region(start: *const u8, bytes: usize);
}

/// Nobody may touch these bytes from now on.
#[inline(always)]
pub(crate) fn poison(_start: *const u8, _bytes: usize) {
    #[cfg(greyset_asan)]
    // SAFETY: only marks the bytes in the sanitizer's own tables; any address will do.
    unsafe {
        __asan_poison_memory_region(_start, _bytes);
    }
}

/// These bytes may be used.
#[inline(always)]
pub(crate) fn unpoison(_start: *const u8, _bytes: usize) {
    #[cfg(greyset_asan)]
    // SAFETY: as in `poison`.
    unsafe {
        __asan_unpoison_memory_region(_start, _bytes);
    }
}
