//! Models of a slot write with its shades, under loom: swap, colour byte, grey buffer, answer.
//!
//! A double: the real colour bytes lie in zeroed reserved memory, where loom's atomics cannot, and the real slot needs a
//! mutator of a whole heap. `Model::swap` mirrors `Slot::swap_marking`, `Model::shade` mirrors `Shade::shade` and
//! `Mutator::push_grey`, `Model::answer` mirrors `Mutator::hand_over` with `Shared::one_answered`; orderings as there.

use greyset_sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

const WHITE: u8 = 1;
const BLACK: u8 = 2;

/// Objects 1 to 3, one slot that refers to one of them, and what a round of phase Terminate needs.
struct Model {
    slot: AtomicUsize,
    colours: [AtomicU8; 4],
    contents: [UnsafeCell<u32>; 4],
    pending: AtomicUsize,
    dirty: AtomicBool,
    queue: Mutex<Vec<usize>>,
}

// SAFETY: an object's contents are written before its address is stored and only read after; loom checks.
unsafe impl Sync for Model {}

impl Model {
    fn new(slot: usize, mutators: usize) -> Arc<Model> {
        Arc::new(Model {
            slot: AtomicUsize::new(slot),
            colours: std::array::from_fn(|_| AtomicU8::new(WHITE)),
            contents: Default::default(),
            pending: AtomicUsize::new(mutators),
            dirty: AtomicBool::new(false),
            queue: Mutex::new(Vec::new()),
        })
    }

    fn swap(&self, new: usize) -> usize {
        self.slot.swap(new, Ordering::AcqRel)
    }

    fn shade(&self, object: usize, buffer: &mut Vec<usize>) {
        let byte = &self.colours[object];
        if byte.load(Ordering::Relaxed) == WHITE {
            byte.store(BLACK, Ordering::Relaxed);
            buffer.push(object);
        }
    }

    fn answer(&self, mut buffer: Vec<usize>) {
        if !buffer.is_empty() {
            self.queue.lock().expect("no panic").append(&mut buffer);
            self.dirty.store(true, Ordering::Relaxed);
        }
        self.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

#[test]
fn loom_shade_two_writers_miss_no_value_that_stood_between_them() {
    loom::model(|| {
        let model = Model::new(1, 2);
        let writers = [2, 3].map(|new| {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                let mut buffer = Vec::new();
                let old = model.swap(new);
                model.shade(old, &mut buffer);
                model.answer(buffer);
            })
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        let last = model.slot.load(Ordering::Acquire);
        let shaded = model.queue.lock().expect("no panic");
        let removed = [1, 2, 3].into_iter().filter(|&object| object != last);
        assert!(removed.clone().count() == 2, "one of the two values stays");
        for object in removed {
            assert!(shaded.contains(&object), "{object} was removed and is on no buffer");
            assert_eq!(model.colours[object].load(Ordering::Relaxed), BLACK);
        }
    });
}

#[test]
fn loom_shade_colour_and_contents_of_a_new_object_are_seen_with_its_address() {
    loom::model(|| {
        let model = Model::new(1, 1);
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            // Taking a run colours it, filling the slot writes the object, storing its address publishes both.
            other.colours[2].store(BLACK, Ordering::Relaxed);
            // SAFETY: not reachable yet; loom checks.
            other.contents[2].with_mut(|object| unsafe { *object = 7 });
            other.swap(2);
        });
        // The marker's side: load the reference, test its colour, read the object.
        if model.slot.load(Ordering::Acquire) == 2 {
            assert_eq!(model.colours[2].load(Ordering::Relaxed), BLACK, "a black object is taken for white");
            // SAFETY: reachable, so written before; loom checks.
            assert_eq!(model.contents[2].with(|object| unsafe { *object }), 7);
        }
        mutator.join().expect("no panic");
    });
}

#[test]
fn loom_shade_a_race_may_push_twice_but_never_not_at_all() {
    loom::model(|| {
        let model = Model::new(1, 2);
        let shaders = [(); 2].map(|()| {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                let mut buffer = Vec::new();
                model.shade(1, &mut buffer);
                model.answer(buffer);
            })
        });
        // The collector: all have answered, and what they shaded is in the queue.
        while model.pending.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
        assert_eq!(model.colours[1].load(Ordering::Relaxed), BLACK);
        assert!(model.dirty.load(Ordering::Relaxed), "the round counts as clean");
        assert!((1..=2).contains(&model.queue.lock().expect("no panic").len()));
        for shader in shaders {
            shader.join().expect("no panic");
        }
    });
}
