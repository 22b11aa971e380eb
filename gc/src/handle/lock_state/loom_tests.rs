//! Models of the lock word, for every order of steps and every allowed visibility of writes.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p greyset --lib --release loom_tests`. The contents are a loom cell, which
//! fails the model whenever two accesses conflict.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

struct Cell {
    state: LockState,
    contents: UnsafeCell<u32>,
    /// Window 1 is over.
    gone: AtomicBool,
}

// SAFETY: the model's accesses to `contents` are what is being checked.
unsafe impl Sync for Cell {}
// SAFETY: as above.
unsafe impl Send for Cell {}

const ONE: Stamp = Stamp(1);

impl Cell {
    fn new() -> Arc<Cell> {
        let contents = UnsafeCell::new(0);
        Arc::new(Cell { state: LockState::new(), contents, gone: AtomicBool::new(false) })
    }

    /// Every window lives but window 1, if it is over.
    fn is_live(&self, stamp: Stamp) -> bool {
        // ORDERING: pairs with the release in `end_window_1`, as `stamp_is_live` of the mutators does.
        stamp != ONE || !self.gone.load(Ordering::Acquire)
    }

    fn end_window_1(&self) {
        // ORDERING: pairs with the acquire in `is_live`.
        self.gone.store(true, Ordering::Release);
    }

    fn write(&self, own: Stamp) {
        while self.state.try_write(own, |stamp| self.is_live(stamp)).is_err() {
            thread::yield_now();
        }
    }

    /// Looks as a visitor, if it may: one attempt, as a marker makes.
    fn try_visit(&self) -> Option<u32> {
        self.try_visit_and(|| ())
    }

    /// As `try_visit`, and does something before it leaves.
    fn try_visit_and(&self, last: impl FnOnce()) -> Option<u32> {
        self.state.try_visit(|stamp| self.is_live(stamp)).then(|| {
            let seen = self.look();
            last();
            self.state.leave();
            seen
        })
    }

    /// Looks as a reading owner, if it may. One attempt: loom cannot tell several spinning threads from a live-lock.
    fn try_read(&self, own: Stamp) -> Option<u32> {
        self.state.try_read(own, |stamp| self.is_live(stamp)).ok().map(|()| {
            let seen = self.look();
            self.state.unlock_read();
            seen
        })
    }

    fn add_one(&self) {
        // SAFETY: loom checks that nobody else has access.
        self.contents.with_mut(|contents| unsafe { *contents += 1 });
    }

    fn look(&self) -> u32 {
        // SAFETY: loom checks that nobody writes.
        self.contents.with(|contents| unsafe { *contents })
    }
}

#[test]
fn writers_exclude_each_other() {
    loom::model(|| {
        let cell = Cell::new();
        let other = cell.clone();
        let thread = thread::spawn(move || {
            other.write(Stamp(2));
            other.add_one();
            other.state.unlock_write();
        });
        cell.write(Stamp(3));
        cell.add_one();
        cell.state.unlock_write();
        thread.join().unwrap();
        assert_eq!(cell.try_visit(), Some(2));
    });
}

#[test]
fn visitors_and_a_reader_exclude_a_writer() {
    loom::model(|| {
        let cell = Cell::new();
        let (a, b) = (cell.clone(), cell.clone());
        let visitor = thread::spawn(move || a.try_visit());
        let reader = thread::spawn(move || b.try_read(Stamp(2)));
        cell.write(Stamp(3));
        cell.add_one();
        cell.state.unlock_write();
        assert!(visitor.join().unwrap() <= Some(1));
        assert!(reader.join().unwrap() <= Some(1));
    });
}

#[test]
fn a_forgotten_guard_for_writing_is_taken_over() {
    loom::model(|| {
        let cell = Cell::new();
        let (a, b) = (cell.clone(), cell.clone());
        let owner = thread::spawn(move || {
            let taken = a.state.try_write(ONE, |stamp| a.is_live(stamp)).is_ok();
            if taken {
                a.add_one(); // and the guard is forgotten
            }
            a.end_window_1();
            taken
        });
        let visitor = thread::spawn(move || b.try_visit());
        cell.write(Stamp(2));
        cell.add_one();
        cell.state.unlock_write();
        assert!(visitor.join().unwrap() <= Some(2));
        let written = owner.join().unwrap();
        assert_eq!(cell.try_visit(), Some(1 + u32::from(written)));
    });
}

#[test]
fn a_forgotten_guard_for_reading_is_taken_over() {
    loom::model(|| {
        let cell = Cell::new();
        let other = cell.clone();
        let owner = thread::spawn(move || {
            let taken = other.state.try_read(ONE, |stamp| other.is_live(stamp)).is_ok();
            let seen = taken.then(|| other.look()); // and the guard is forgotten
            other.end_window_1();
            seen
        });
        cell.write(Stamp(2));
        cell.add_one();
        cell.state.unlock_write();
        assert!(owner.join().unwrap() <= Some(1));
    });
}

/// The barrier of mode Deletion: what the contents refer to when the cycle begins is captured by the marker or by the first
/// writer, whoever comes first; nobody loses it.
#[test]
fn contents_are_captured_before_they_change() {
    const CYCLE: u32 = 5;
    const PUT_OFF: u32 = u32::MAX;
    loom::model(|| {
        let cell = Cell::new();
        let other = cell.clone();
        let marker = thread::spawn(move || {
            if other.state.is_captured(CYCLE) {
                return None; // passed by
            }
            let seen = other.try_visit_and(|| other.state.set_captured(CYCLE));
            seen.or(Some(PUT_OFF))
        });
        cell.write(Stamp(2));
        let captured = cell.state.is_captured(CYCLE);
        let shaded = (!captured).then(|| cell.look());
        cell.state.set_captured(CYCLE);
        cell.add_one();
        cell.state.unlock_write();
        let scanned = marker.join().unwrap();
        assert!(shaded == Some(0) || scanned == Some(0), "shaded {shaded:?}, scanned {scanned:?}");
        assert!(scanned.is_some() || shaded.is_some(), "passed by without having been captured");
    });
}
