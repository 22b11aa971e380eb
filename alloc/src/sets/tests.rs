//! Sets: order, tags, and threads that push and pop at once.

use super::*;

#[cfg(not(loom))]
impl Links for Vec<AtomicU32> {
    fn link(&self, id: SpanId) -> &AtomicU32 {
        &self[id.index()]
    }
}

#[cfg(not(loom))]
fn links(len: usize) -> Vec<AtomicU32> {
    (0..=len).map(|_| AtomicU32::new(0)).collect()
}

#[cfg(not(loom))]
#[test]
fn last_in_first_out() {
    let (stack, links) = (SpanStack::new(), links(3));
    assert_eq!(stack.pop(&links), None);
    for number in 1..=3 {
        stack.push(&links, SpanId(number));
    }
    let mut seen = Vec::new();
    stack.for_each(&links, |id| {
        seen.push(id.0);
        true
    });
    assert_eq!(seen, [3, 2, 1]);
    for number in [3, 2, 1] {
        assert_eq!(stack.pop(&links), Some(SpanId(number)));
    }
    assert_eq!(stack.pop(&links), None);
}

#[cfg(not(loom))]
#[test]
fn a_head_seen_before_a_pop_and_a_push_is_stale() {
    let (stack, links) = (SpanStack::new(), links(2));
    stack.push(&links, SpanId(1));
    stack.push(&links, SpanId(2));
    let seen = stack.head.load(Ordering::Relaxed);
    assert_eq!(stack.pop(&links), Some(SpanId(2)));
    assert_eq!(stack.pop(&links), Some(SpanId(1)));
    stack.push(&links, SpanId(2));
    let now = stack.head.load(Ordering::Relaxed);
    assert_eq!(unpack(seen).0, unpack(now).0);
    assert_ne!(seen, now, "the tag tells them apart");
}

#[cfg(not(loom))]
#[test]
fn threads_neither_lose_nor_double_spans() {
    const SPANS: u32 = 200;
    const STEPS: usize = if cfg!(miri) { 200 } else { 50_000 };
    let (stack, links) = (SpanStack::new(), links(SPANS as usize));
    let owned: Vec<AtomicU32> = (0..=SPANS).map(|_| AtomicU32::new(0)).collect();
    (1..=SPANS).for_each(|number| stack.push(&links, SpanId(number)));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (stack, links, owned) = (&stack, &links, &owned);
            scope.spawn(move || {
                let mut held = Vec::new();
                let give = |id: SpanId| {
                    owned[id.index()].fetch_sub(1, Ordering::Relaxed);
                    stack.push(links, id);
                };
                for step in 0..STEPS {
                    if (step * 7 + thread) % 5 < 3
                        && let Some(id) = stack.pop(links)
                    {
                        assert_eq!(owned[id.index()].fetch_add(1, Ordering::Relaxed), 0, "popped twice");
                        held.push(id);
                    } else if let Some(id) = held.pop() {
                        give(id);
                    }
                }
                held.into_iter().for_each(give);
            });
        }
    });
    let mut seen = Vec::new();
    stack.for_each(&links, |id| {
        seen.push(id.0);
        true
    });
    seen.sort_unstable();
    assert_eq!(seen, (1..=SPANS).collect::<Vec<_>>());
}

/// The model checker's version: all interleavings, all that relaxed memory allows.
#[cfg(loom)]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// A stack, its links, and for each span something only its owner may touch.
    struct Model {
        stack: SpanStack,
        links: [AtomicU32; 4],
        owned: [UnsafeCell<u32>; 4],
    }

    impl Links for [AtomicU32; 4] {
        fn link(&self, id: SpanId) -> &AtomicU32 {
            &self[id.index()]
        }
    }

    // SAFETY: `owned[n]` is touched only by the thread that popped span n; loom checks that this is so.
    unsafe impl Sync for Model {}

    fn model(spans: u32) -> Arc<Model> {
        let model = Model {
            stack: SpanStack::new(),
            links: std::array::from_fn(|_| AtomicU32::new(0)),
            owned: std::array::from_fn(|_| UnsafeCell::new(0)),
        };
        (1..=spans).for_each(|number| model.stack.push(&model.links, SpanId(number)));
        Arc::new(model)
    }

    impl Model {
        /// What the owner of a span does with it.
        fn touch(&self, id: SpanId) {
            // SAFETY: the caller owns the span, having popped it; loom reports it if another access is concurrent.
            self.owned[id.index()].with_mut(|value| unsafe { *value += 1 });
        }

        fn pop_touch_push(&self) {
            if let Some(id) = self.stack.pop(&self.links) {
                self.touch(id);
                self.stack.push(&self.links, id);
            }
        }

        fn drain(&self) -> Vec<u32> {
            let mut seen: Vec<u32> =
                std::iter::from_fn(|| self.stack.pop(&self.links)).map(|id| id.0).collect();
            seen.sort_unstable();
            seen
        }
    }

    #[test]
    fn loom_two_threads_exchange_spans() {
        loom::model(|| {
            let model = model(2);
            let other = Arc::clone(&model);
            let thread = thread::spawn(move || other.pop_touch_push());
            model.pop_touch_push();
            thread.join().expect("no panic");
            assert_eq!(model.drain(), [1, 2]);
        });
    }

    #[test]
    fn loom_a_popper_survives_pop_pop_push() {
        loom::model(|| {
            let model = model(2);
            let other = Arc::clone(&model);
            // One takes both and puts back the one that was on top: the head's number is as before, its tag is not.
            let thread = thread::spawn(move || {
                let first = other.stack.pop(&other.links);
                let second = other.stack.pop(&other.links);
                first.iter().for_each(|&id| other.touch(id));
                first.iter().for_each(|&id| other.stack.push(&other.links, id));
                second
            });
            let mine = model.stack.pop(&model.links);
            mine.iter().for_each(|&id| model.touch(id));
            let held = thread.join().expect("no panic");
            let mut all = model.drain();
            all.extend(mine.iter().chain(&held).map(|id| id.0));
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        });
    }

    #[test]
    fn loom_what_the_pusher_did_is_seen_by_who_pops() {
        loom::model(|| {
            let model = model(0);
            let other = Arc::clone(&model);
            let thread = thread::spawn(move || {
                other.touch(SpanId(1));
                other.stack.push(&other.links, SpanId(1));
                other.touch(SpanId(2));
                other.stack.push(&other.links, SpanId(2));
            });
            // Popping 1 may synchronise with its push only through the pop of 2 between.
            for _ in 0..2 {
                if let Some(id) = model.stack.pop(&model.links) {
                    model.touch(id);
                }
            }
            thread.join().expect("no panic");
        });
    }
}
