//! Values nested in each other outside the heap are traced and dropped by recursion: the heap's threads have the stack for it.

use greyset::{Gc, Heap, Static, Trace};
use greyset_tests::common::{Counted, Drops};

#[derive(Trace)]
struct Nest<'gc> {
    inner: Option<Box<Nest<'gc>>>,
    key: Option<Gc<'gc, u64>>,
}

#[derive(Trace)]
struct Holder<'gc> {
    nest: Nest<'gc>,
    dropped: Static<Counted>,
}

/// More than fit in the 2 MiB of std's threads, less than a program's first thread can drop itself.
const DEPTH: u64 = 100_000;

#[test]
fn what_a_first_thread_can_drop_the_heaps_threads_can_trace_and_drop() {
    // The mutator may assist.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let (heap, drops) = (Heap::builder().build().expect("a heap"), Drops::default());
        heap.mutator().enter(|m| {
            let mut nest = Nest { inner: None, key: Some(m.alloc(7)) };
            for _ in 1..DEPTH {
                nest = Nest { inner: Some(Box::new(nest)), key: None };
            }
            let root = m.alloc(Holder { nest, dropped: drops.value() }).root(m);
            m.collect();
            let (mut at, mut depth) = (&root.get(m).get().nest, 1);
            while let Some(inner) = &at.inner {
                (at, depth) = (inner, depth + 1);
            }
            assert_eq!((depth, at.key.as_deref()), (DEPTH, Some(&7)));
            drop(root);
            while drops.count() == 0 {
                m.collect();
            }
        });
    });
    thread.expect("a thread").join().expect("no panic");
}
