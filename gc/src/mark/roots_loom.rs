//! Model of the walk over the root table under loom: each chunk is taken once, and who finds the walk done sees what the markers
//! did with every chunk.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct Model {
    cursor: RootCursor,
    /// What shading a chunk writes.
    shaded: [UnsafeCell<u32>; 2],
}

// SAFETY: a chunk's cell is touched by who takes the chunk, and by who finds the walk done; loom checks.
unsafe impl Sync for Model {}

impl Model {
    fn walk(&self) {
        while let Some(chunk) = self.cursor.take() {
            // SAFETY: taken, so nobody else's; loom checks.
            self.shaded[chunk].with_mut(|value| unsafe { *value += 1 });
            self.cursor.finish();
        }
    }

    fn look(&self) -> bool {
        let done = self.cursor.is_done();
        if done {
            for chunk in &self.shaded {
                // SAFETY: whoever wrote is done with it; loom checks that this is known here.
                chunk.with(|value| assert_eq!(unsafe { *value }, 1, "a chunk is shaded once"));
            }
        }
        done
    }
}

#[test]
fn loom_roots_each_chunk_is_shaded_once_and_seen_when_all_are_done() {
    loom::model(|| {
        let cursor =
            RootCursor { next: AtomicUsize::new(0), done: AtomicUsize::new(0), end: AtomicUsize::new(2) };
        let model = Arc::new(Model { cursor, shaded: Default::default() });
        let markers = [0, 1].map(|_| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.walk())
        });
        model.look();
        for marker in markers {
            marker.join().expect("no panic");
        }
        assert!(model.look());
    });
}
