//! The word by which the collector is told that marking must go on though no grey object may be left for it to find.
//!
//! What was shaded is a leaf, which nobody scans, but it may be the key of an ephemeron: another pass over the tables is due, and
//! that pass has to see its colour.

use greyset_sync::atomic::{AtomicBool, Ordering};

/// Whether somebody has shaded what leaves no trace in the queue.
#[derive(Debug)]
pub(super) struct Poke(AtomicBool);

impl Poke {
    /// Nobody has.
    pub(super) fn new() -> Poke {
        Poke(AtomicBool::new(false))
    }

    /// Somebody has.
    pub(super) fn poke(&self) {
        // ORDERING: release pairs with the acquire in `take`: the colour is visible to who goes on because of this. A change
        // and no store, so that it holds for each of several.
        self.0.fetch_or(true, Ordering::Release);
    }

    /// Whether somebody has since this was last asked.
    pub(super) fn take(&self) -> bool {
        // ORDERING: acquire pairs with the release in `poke`.
        self.0.swap(false, Ordering::Acquire)
    }
}

/// Modelled: the word as it is, and what two mutators have shaded; the collector, which may take the word before it has met either of them
/// in another way (a round that was not clean), and would not look again.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::Poke;
    use greyset_sync::atomic::{AtomicU8, Ordering::Relaxed};
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::AtomicUsize;

    struct Model {
        poke: Poke,
        colours: [AtomicU8; 2],
        /// Pokes so far. Changes with the loom operation before it, since threads switch only at those.
        pokes: AtomicUsize,
    }

    #[test]
    fn loom_poke_who_goes_on_sees_what_was_shaded() {
        loom::model(|| {
            let colours = [AtomicU8::new(0), AtomicU8::new(0)];
            let model = Arc::new(Model { poke: Poke::new(), colours, pokes: AtomicUsize::new(0) });
            let mutators = [0, 1].map(|me| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    model.colours[me].store(1, Relaxed);
                    model.poke.poke();
                    model.pokes.fetch_add(1, Relaxed);
                })
            });
            if model.poke.take() {
                let pokes = model.pokes.load(Relaxed);
                let seen = model.colours.iter().filter(|colour| colour.load(Relaxed) == 1).count();
                assert!(seen >= pokes, "the pass over the tables finds a white key");
            }
            for mutator in mutators {
                mutator.join().expect("no panic");
            }
        });
    }
}
