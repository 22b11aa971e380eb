//! The end of a heap: every value is dropped once, whatever was going on.

use greyset::{Driver, Gc, Heap, Root, Static, Trace};
use greyset_tests::common::{Drops, make_list};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

#[derive(Trace)]
struct Item<'gc> {
    drops: Static<greyset_tests::common::Counted>,
    next: Option<Gc<'gc, Item<'gc>>>,
}

fn items(heap: &Heap, drops: &Drops, count: u64) -> Root<Item<'static>> {
    heap.mutator().enter(|m| {
        let mut head = m.alloc(Item { drops: drops.value(), next: None });
        for _ in 1..count {
            head = m.alloc(Item { drops: drops.value(), next: Some(head) });
        }
        head.root(m)
    })
}

#[test]
fn no_value_outlives_its_heap() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let drops = Drops::default();
        let heap = Heap::builder().driver(driver).build().expect("a heap");
        let root = items(&heap, &drops, 100);
        heap.mutator().enter(|m| {
            m.alloc_array(50, |_| drops.value());
            m.alloc(Static((drops.value(), [0u8; 100_000])));
            m.collect();
            assert_eq!(drops.count(), 51);
            m.alloc_array(49, |_| drops.value());
        });
        drop(heap);
        assert_eq!(drops.count(), 51, "a root keeps the heap");
        drop(root);
        assert_eq!(drops.count(), 200);
    }
}

#[test]
fn a_heap_may_end_at_any_step_of_a_cycle() {
    for steps in 0..60 {
        let drops = Drops::default();
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let mut stepper = heap.stepper();
        let root = items(&heap, &drops, 20);
        let (queue, other) = (heap.finalizer_queue(), items(&heap, &drops, 20));
        heap.mutator().enter(|m| {
            queue.register(m, other.get(m));
            m.add_cleanup(root.get(m), drop, drops.value());
        });
        drop((items(&heap, &drops, 20), other));
        stepper.request();
        for _ in 0..steps {
            let _ = stepper.collector();
            stepper.mark(3);
            stepper.sweep(1);
        }
        assert!([0, 20].contains(&drops.count()));
        drop((stepper, queue, heap, root));
        assert_eq!(drops.count(), 61, "after {steps} steps");
    }
}

#[test]
fn a_heap_may_end_while_its_threads_work() {
    for round in 0..40 {
        let drops = Drops::default();
        let heap = Heap::builder().min_heap(64 << 10).workers(2).build().expect("a heap");
        let roots: Vec<_> = (0..round).map(|_| items(&heap, &drops, 50)).collect();
        heap.mutator().enter(|m| {
            for _ in 0..round * 10 {
                make_list(m, 100);
                m.safepoint();
            }
        });
        heap.request_cycle();
        drop(heap);
        drop(roots);
        assert_eq!(drops.count(), round * 50);
    }
}

#[test]
fn the_last_handle_may_go_on_another_thread() {
    let drops = Drops::default();
    let heap = Heap::builder().build().expect("a heap");
    let root = items(&heap, &drops, 100);
    let mut handle = heap.mutator();
    handle.enter(|m| m.collect());
    drop(heap);
    thread::spawn(move || drop(root)).join().expect("no panic");
    assert_eq!(drops.count(), 0, "a mutator keeps the heap");
    handle.enter(|m| m.collect());
    assert_eq!(drops.count(), 100);
    drop(handle);
}

/// Says when it is dropped.
struct Herald(Mutex<Sender<thread::ThreadId>>);

impl Drop for Herald {
    fn drop(&mut self) {
        let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = tell.send(thread::current().id());
    }
}

#[test]
fn the_last_handle_may_go_on_the_sweeper() {
    let (tell, told) = channel();
    let drops = Drops::default();
    let heap = Heap::builder().build().expect("a heap");
    heap.mutator().enter(|m| {
        let herald = || Static(Herald(Mutex::new(tell.clone())));
        // The heap's only handle but for `heap` lies in an object of its own that nobody reaches.
        let own = m.alloc(herald()).root(m);
        m.alloc(Static(own));
        m.alloc(drops.value());
        let kept = m.alloc(drops.value()).root(m);
        m.alloc(Static(kept));
    });
    heap.request_cycle();
    drop(heap);
    // The collector finds both objects dead, drops the roots in them, and with the last one the heap goes.
    let thread = told.recv_timeout(Duration::from_secs(60)).expect("the heap ends by itself");
    assert_ne!(thread, thread::current().id());
    assert!(told.try_recv().is_err(), "dropped once");
}

#[test]
fn drop_glue_may_use_another_heap() {
    struct Maker(Heap, Arc<Mutex<Vec<Root<String>>>>);
    impl Drop for Maker {
        fn drop(&mut self) {
            let made = self.0.mutator().enter(|m| m.alloc("made in drop".to_owned()).root(m));
            self.1.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        }
    }
    let made = Arc::new(Mutex::new(Vec::new()));
    let target = Heap::builder().build().expect("a heap");
    for driver in [Driver::Background, Driver::Stepping] {
        let heap = Heap::builder().driver(driver).build().expect("a heap");
        heap.mutator().enter(|m| {
            m.alloc(Static(Maker(target.clone(), Arc::clone(&made))));
            if driver == Driver::Background {
                m.collect();
            }
        });
    }
    let made = made.lock().unwrap_or_else(PoisonError::into_inner);
    target.mutator().enter(|m| {
        m.collect();
        assert!(made.len() == 2 && made.iter().all(|text| text.get(m).as_str() == "made in drop"));
    });
}
