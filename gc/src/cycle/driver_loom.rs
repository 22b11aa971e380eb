//! Model of a heap's end under loom: threads that start, and what outlives the last handle.
//!
//! Modelled: the locks and counters of `DriverControl` as they are. A double: starting, which here is a thread of loom's, as in
//! `start_threads`; and the heap's values, touched by each thread and taken by whoever tears down. Nobody joins: the owner may do without.

use super::DriverControl;
use crate::config::Driver;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct Model {
    driver: DriverControl,
    /// How often the values have been dropped.
    values: UnsafeCell<u32>,
}

// SAFETY: `values` is read by counted threads and written by the last that leaves; loom checks.
unsafe impl Sync for Model {}

impl Model {
    /// What outlives handles asks for a cycle: a thread starts, if it still may.
    fn start(model: Arc<Model>) -> Option<thread::JoinHandle<()>> {
        let its = Arc::clone(&model);
        let _waiting = model.driver.may_start()?;
        model.driver.arrives();
        Some(thread::spawn(move || {
            // SAFETY: this thread is counted; loom checks.
            its.values
                .with(|values| assert_eq!(unsafe { *values }, 0, "a thread comes to values that are gone"));
            its.leave();
        }))
    }

    fn leave(&self) {
        if self.driver.leaves() {
            // SAFETY: the last one is alone; loom checks.
            self.values.with_mut(|values| unsafe { *values += 1 });
        }
    }
}

#[test]
fn loom_driver_values_go_once_and_after_the_last_thread() {
    loom::model(|| {
        let model =
            Arc::new(Model { driver: DriverControl::new(Driver::Background), values: UnsafeCell::new(0) });
        let other = Arc::clone(&model);
        let starter = thread::spawn(move || Model::start(other));
        model.driver.shut_down();
        model.leave();
        if let Some(started) = starter.join().expect("no panic") {
            started.join().expect("no panic");
        }
        // SAFETY: all have ended; loom checks.
        model.values.with(|values| assert_eq!(unsafe { *values }, 1, "dropped once"));
    });
}
