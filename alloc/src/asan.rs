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

/// Only where the sanitizer is: `.ci/asan`. Each look is made by a process of its own, which the report ends.
#[cfg(all(test, greyset_asan))]
mod tests {
    use crate::testing::*;
    use crate::{Cache, Colour};
    use std::process::Command;

    const CHILD: &str = "GREYSET_TEST_LOOKS";

    /// Looks at what is, or was, an object, or is to become one.
    fn look(at: &str) {
        let (heap, _) = heap();
        let cache = Cache::new(&heap);
        let [dead, kept] = [Colour::B, Colour::A].map(|colour| alloc(&heap, &cache, &NODE64, colour));
        let large = alloc_large(&heap, &cache, 100_000, Colour::B).expect("memory").ptr.addr().get();
        mark(&heap, dead, Colour::B);
        mark(&heap, kept, Colour::A);
        let next = kept + 64;
        if at != "before" {
            cache.flush(&heap);
            sweep_all(&heap, Colour::B, &Counting::default());
        }
        let addr = match at {
            "dead" | "before" => dead,
            "large" => large + 50_000,
            "next" => next,
            _ => kept,
        };
        let object = std::ptr::with_exposed_provenance::<u64>(addr);
        // SAFETY: memory of the heap's reservation, which is mapped and initialised by the system. That the sanitizer forbids it is
        // what is tested.
        let _ = unsafe { object.read_volatile() };
    }

    #[test]
    fn a_look_at_what_is_no_object_is_reported() {
        if let Ok(at) = std::env::var(CHILD) {
            return look(&at);
        }
        let program = std::env::current_exe().expect("a program");
        let name = "asan::tests::a_look_at_what_is_no_object_is_reported";
        for (at, forbidden) in
            [("before", false), ("kept", false), ("dead", true), ("large", true), ("next", true)]
        {
            let child = Command::new(&program).args([name, "--exact", "--nocapture"]).env(CHILD, at).output();
            let child = child.expect("it runs");
            let said = String::from_utf8_lossy(&child.stderr).into_owned();
            assert_eq!(child.status.success(), !forbidden, "{at}: {said}");
            assert_eq!(said.contains("AddressSanitizer: use-after-poison"), forbidden, "{at}: {said}");
        }
    }
}
