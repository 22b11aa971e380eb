//! The end of a heap: every value is dropped once, whatever was going on.

use greyset::{Driver, Gc, Heap, MutatorHandle, Root, Static, Trace};
use greyset_tests::common::{Drops, make_list};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
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

/// Keeps a heap, and lets go of it when told to.
struct Keeps {
    told: Arc<Barrier>,
    _root: Root<Static<Herald>>,
}

impl Drop for Keeps {
    fn drop(&mut self) {
        self.told.wait();
    }
}

#[test]
fn the_last_handle_may_go_on_the_sweeper() {
    let (tell, told) = channel();
    let (drops, gone) = (Drops::default(), Arc::new(Barrier::new(2)));
    let heap = Heap::builder().build().expect("a heap");
    heap.mutator().enter(|m| {
        // The heap's only handle but for `heap` lies in an object of its own that nobody reaches.
        let root = m.alloc(Static(Herald(Mutex::new(tell)))).root(m);
        m.alloc(Static(Keeps { told: Arc::clone(&gone), _root: root }));
        m.alloc(drops.value());
    });
    heap.request_cycle();
    drop(heap);
    gone.wait();
    // The collector has found the object dead and drops the root in it, and with that the heap goes.
    let thread = told.recv_timeout(Duration::from_secs(60)).expect("the heap ends by itself");
    assert_ne!(thread, thread::current().id());
    assert!(told.try_recv().is_err(), "dropped once");
}

/// Meets another of its kind in its drop, and then lets go of a heap.
struct LetsGo {
    heap: Option<Heap>,
    both: Arc<Barrier>,
    told: Mutex<Sender<()>>,
}

impl Drop for LetsGo {
    fn drop(&mut self) {
        self.both.wait();
        drop(self.heap.take());
        let _ = self.told.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }
}

/// The last handle of each lies in the garbage of the other: their sweepers must not wait for each other.
#[test]
fn two_heaps_may_take_each_other_with_them() {
    let heaps = [(); 2].map(|()| Heap::builder().build().expect("a heap"));
    let (both, (tell, told)) = (Arc::new(Barrier::new(2)), channel());
    for (heap, other) in [(&heaps[0], &heaps[1]), (&heaps[1], &heaps[0])] {
        let (heap_of, both, told) = (Some(other.clone()), Arc::clone(&both), Mutex::new(tell.clone()));
        heap.mutator().enter(|m| _ = m.alloc(Static(LetsGo { heap: heap_of, both, told })));
    }
    heaps.iter().for_each(Heap::request_cycle);
    drop(heaps);
    for _ in 0..2 {
        told.recv_timeout(Duration::from_secs(60)).expect("no heap waits for the other");
    }
}

/// Its drop glue collects in another heap, together with who waits at the barrier, and says when that is done.
struct Collects(Mutex<MutatorHandle>, Arc<Barrier>, Mutex<Sender<()>>);
impl Drop for Collects {
    fn drop(&mut self) {
        self.1.wait();
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).enter(|m| m.collect());
        let _ = self.2.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }
}

/// Drop glue that waits for a window to reach a safepoint, while the window lets go of the heap that runs the glue.
#[test]
fn a_heap_may_end_in_a_window_of_another() {
    let [ends, stays] = [(); 2].map(|()| Heap::builder().build().expect("a heap"));
    let (both, (tell, told)) = (Arc::new(Barrier::new(2)), channel());
    let glue = Collects(Mutex::new(stays.mutator()), Arc::clone(&both), Mutex::new(tell));
    ends.mutator().enter(|m| _ = m.alloc(Static(glue)));
    ends.request_cycle();
    stays.mutator().enter(|m| {
        both.wait();
        drop(ends);
        // Until the glue has asked for its cycle and is done: it is answered here.
        while told.try_recv().is_err() {
            m.safepoint();
        }
    });
}

/// Drop glue that a mutator runs, as with the inline driver, lets go of a heap whose own glue waits for that mutator's cycle.
#[test]
fn a_heap_may_end_in_drop_glue_that_a_mutator_runs() {
    struct Ends(Option<Heap>, Arc<Barrier>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.1.wait();
            drop(self.0.take());
        }
    }
    let stays = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    let ends = Heap::builder().build().expect("a heap");
    let (both, (tell, told)) = (Arc::new(Barrier::new(2)), channel());
    let glue = Collects(Mutex::new(stays.mutator()), Arc::clone(&both), Mutex::new(tell.clone()));
    ends.mutator().enter(|m| _ = m.alloc(Static(glue)));
    ends.request_cycle();
    let runs = std::thread::spawn(move || {
        stays.mutator().enter(|m| {
            m.alloc(Static(Ends(Some(ends), both)));
            m.collect();
        });
        let _ = tell.send(());
    });
    for _ in 0..2 {
        told.recv_timeout(Duration::from_secs(60)).expect("neither waits for the other");
    }
    runs.join().expect("no panic");
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
