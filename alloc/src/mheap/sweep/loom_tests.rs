//! The model checker on `Sweeping`: no pass outlives the sweep it belongs to, and the last one counted out is seen.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What a sweep in progress may read, and only the beginning of the next may change.
struct Model {
    sweeping: Sweeping,
    sets: UnsafeCell<u32>,
}

// SAFETY: `sets` is read inside passes of the generation it belongs to and written between sweeps; loom checks that the two
// never meet.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

fn model() -> Arc<Model> {
    let sweeping = Sweeping::new();
    sweeping.begin(Colour::A);
    sweeping.open();
    Arc::new(Model { sweeping, sets: UnsafeCell::new(1) })
}

#[test]
fn loom_no_pass_of_the_last_sweep_is_left_when_the_next_begins() {
    // Three threads that wait for each other have too many schedules for all of them.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let model = model();
        let sweepers: Vec<_> = (0..2)
            .map(|_| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    let pass = model.sweeping.pass().expect("two at most");
                    if pass.state.open {
                        // SAFETY: inside a pass of an open sweep; loom reports it if the write below is concurrent.
                        let sets = model.sets.with(|sets| unsafe { *sets });
                        assert_eq!(sets, pass.state.generation, "the sets of another sweep");
                    }
                })
            })
            .collect();
        model.sweeping.begin(Colour::B);
        // SAFETY: between two sweeps, by the thread that begins them; loom reports it if a pass is left.
        model.sets.with_mut(|sets| unsafe { *sets = 2 });
        model.sweeping.open();
        sweepers.into_iter().for_each(|sweeper| sweeper.join().expect("no panic"));
    });
}

#[test]
fn loom_who_counts_no_span_sees_what_the_sweepers_did() {
    loom::model(|| {
        let model = model();
        model.sweeping.enter(0, 1);
        model.sweeping.enter(0, 1);
        let other = Arc::clone(&model);
        let sweeper = thread::spawn(move || {
            // SAFETY: the owner of the first span; loom reports it if the read below is concurrent.
            other.sets.with_mut(|sets| unsafe { *sets = 7 });
            other.sweeping.leave(0, 1);
        });
        model.sweeping.leave(0, 1);
        if model.sweeping.spans(0) == 0 {
            // SAFETY: no sweeper is left.
            assert_eq!(model.sets.with(|sets| unsafe { *sets }), 7);
        }
        sweeper.join().expect("no panic");
    });
}
