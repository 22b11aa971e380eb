//! Models of the handshake word, with the record it guards (`list.rs`), under loom.
//!
//! Modelled: `ask`, `answer_parked`, `answered`, `park`, `unpark` as they are, the order in which `answer.rs` calls them, and
//! the cache as a pointer that whoever swapped it out may use. Not modelled: the heap behind it.
//!
//! A flag that is no loom type changes together with the loom operation before it, since threads switch only at loom
//! operations: this is how a model knows in what order two of them took effect.

use super::{Asked, HandshakeWord, ParkOutcome};
use crate::barrier::Mode;
use crate::mutator::list::{Mutators, Record};
use greyset_alloc::Cache;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Something that only one thread at a time may touch.
#[derive(Default)]
struct Owned(UnsafeCell<u32>);

// SAFETY: loom reports any two accesses that nothing orders.
unsafe impl Sync for Owned {}

impl Owned {
    fn set(&self, to: u32) {
        // SAFETY: the model claims that nobody else touches it now; loom checks.
        self.0.with_mut(|value| unsafe { *value = to });
    }

    fn get(&self) -> u32 {
        // SAFETY: as in `set`.
        self.0.with(|value| unsafe { *value })
    }
}

#[test]
fn loom_word_the_request_and_the_answer_are_seen() {
    struct Model {
        word: HandshakeWord,
        request: Owned,
        answer: Owned,
    }
    loom::model(|| {
        let model = Arc::new(Model {
            word: HandshakeWord::new(),
            request: Owned::default(),
            answer: Owned::default(),
        });
        let _ = model.word.unpark();
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            while !other.word.is_asked() {
                thread::yield_now();
            }
            other.answer.set(other.request.get() + 1);
            other.word.answered();
        });
        model.request.set(7);
        assert_eq!(model.word.ask(), Asked::Running);
        while !model.word.is_answered() {
            thread::yield_now();
        }
        assert_eq!(model.answer.get(), 8);
        mutator.join().expect("no panic");
    });
}

/// `Mutator::park` of one that is asked before its first look at the word, or between that look and its compare-and-swap.
#[test]
fn loom_word_who_answers_on_parking_sees_the_request() {
    struct Model {
        word: HandshakeWord,
        request: Owned,
    }
    loom::model(|| {
        let model = Arc::new(Model { word: HandshakeWord::new(), request: Owned::default() });
        let _ = model.word.unpark();
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            while other.word.park(false) == ParkOutcome::AnswerFirst {
                assert_eq!(other.request.get(), 7, "the request before this one is answered");
                other.word.answered();
            }
        });
        model.request.set(7);
        let _ = model.word.ask();
        mutator.join().expect("no panic");
    });
}

#[test]
fn loom_word_what_was_left_on_parking_is_seen_by_who_answers() {
    struct Model {
        word: HandshakeWord,
        left: Owned,
        answers: AtomicUsize,
    }
    loom::model(|| {
        let model = Arc::new(Model {
            word: HandshakeWord::new(),
            left: Owned::default(),
            answers: AtomicUsize::new(0),
        });
        let _ = model.word.unpark();
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            other.left.set(5);
            while other.word.park(false) == ParkOutcome::AnswerFirst {
                other.answers.fetch_add(1, Relaxed);
                other.word.answered();
            }
        });
        if model.word.ask() == Asked::Parked {
            assert_eq!(model.left.get(), 5);
            assert!(model.word.answer_parked(), "nobody unparks");
            model.answers.fetch_add(1, Relaxed);
        }
        mutator.join().expect("no panic");
        assert_eq!(model.answers.load(Relaxed), 1);
    });
}

/// A mutator that is parked, with a cache in its record; `touched[n]` is cache n.
struct Parked {
    record: std::sync::Arc<Record>,
    touched: [Owned; 3],
    answers: AtomicUsize,
    /// The collector's compare-and-swap has succeeded.
    answered_for: AtomicBool,
}

/// The cache with this number, as a pointer that is never followed.
fn cache(number: usize) -> *mut Cache {
    std::ptr::without_provenance_mut(number * 16)
}

impl Parked {
    fn new() -> Arc<Parked> {
        let record = Mutators::new().attach("model");
        assert!(record.swap_cache(cache(1)).is_null());
        Arc::new(Parked {
            record,
            touched: Default::default(),
            answers: AtomicUsize::new(0),
            answered_for: AtomicBool::new(false),
        })
    }

    /// Uses a cache one has swapped out.
    fn touch(&self, cache: *mut Cache) {
        let of = &self.touched[cache.addr() / 16];
        of.set(of.get() + 1);
    }

    /// The collector's side, as `answer_for` with request Deletion.
    fn ask_and_answer_for(&self) {
        if self.record.word.ask() == Asked::Running {
            return;
        }
        let cache = self.record.swap_cache(std::ptr::null_mut());
        if !cache.is_null() {
            self.touch(cache);
            if !self.record.put_back(cache) {
                self.touch(cache);
            }
        }
        self.record.set_mode(Mode::Deletion);
        if self.record.word.answer_parked() {
            self.answered_for.store(true, Relaxed);
            self.answers.fetch_add(1, Relaxed);
        }
    }

    /// The mutator's answer; `own` is its cache.
    fn answer(&self, own: *mut Cache) {
        self.record.set_mode(Mode::Deletion);
        self.touch(own);
        self.record.word.answered();
        self.answers.fetch_add(1, Relaxed);
    }

    /// `Mutator::unpark`; returns the cache it goes on with.
    fn unpark(&self) -> *mut Cache {
        let unparked = self.record.word.unpark();
        let was_answered = self.answered_for.load(Relaxed);
        let mut own = self.record.swap_cache(std::ptr::null_mut());
        if own.is_null() {
            own = cache(2);
        }
        self.touch(own);
        let mode = self.record.mode();
        if unparked.asked {
            assert!(!was_answered, "answered for, and asked all the same");
            self.answer(own);
        } else if was_answered {
            assert_eq!(mode, Mode::Deletion, "the mode set by who answered is not seen");
        }
        own
    }

    /// `Mutator::park`.
    fn park(&self, mut own: *mut Cache) {
        loop {
            let other = self.record.swap_cache(own);
            if !other.is_null() {
                self.touch(other);
            }
            if self.record.word.park(false) == ParkOutcome::Parked {
                return;
            }
            own = self.record.swap_cache(std::ptr::null_mut());
            self.answer(own);
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // A pointer that may not be followed: it must not be left to the record.
        self.record.swap_cache(std::ptr::null_mut());
    }
}

#[test]
fn loom_word_exactly_one_answers_and_its_mode_is_seen_on_unpark() {
    loom::model(|| {
        let model = Parked::new();
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            let own = other.unpark();
            other.park(own);
        });
        model.ask_and_answer_for();
        mutator.join().expect("no panic");
        assert_eq!(model.answers.load(Relaxed), 1);
        assert_eq!(model.record.mode(), Mode::Deletion);
        assert!(!model.record.word.is_asked());
    });
}

#[test]
fn loom_word_work_done_before_parking_is_reported_by_who_answers() {
    struct Model {
        word: HandshakeWord,
        dirty: AtomicBool,
    }
    loom::model(|| {
        let model = Arc::new(Model { word: HandshakeWord::new(), dirty: AtomicBool::new(false) });
        let _ = model.word.unpark();
        assert_eq!(model.word.park(true), ParkOutcome::Parked);
        let other = Arc::clone(&model);
        let mutator = thread::spawn(move || {
            let unparked = other.word.unpark();
            // Not asked yet: the mutator remembers `worked` for its next answer, here the one on parking.
            let mut asked = unparked.asked;
            while asked || other.word.park(unparked.worked) == ParkOutcome::AnswerFirst {
                asked = false;
                other.dirty.fetch_or(unparked.worked, Relaxed);
                other.word.answered();
            }
        });
        if model.word.ask() == Asked::Parked {
            let worked = model.word.parked_worked();
            model.dirty.fetch_or(worked, Relaxed);
            let _ = model.word.answer_parked();
        }
        mutator.join().expect("no panic");
        assert!(model.dirty.load(Relaxed), "a round that was not clean counts as clean");
    });
}

/// What the verifier reads of tables that a mutator changes counts only if nothing has changed between two looks.
#[test]
fn loom_word_tables_read_between_two_equal_looks_are_of_one_state() {
    loom::model(|| {
        let record = Mutators::new().attach("model");
        let tables = Arc::new([(); 2].map(|()| loom::sync::atomic::AtomicU32::new(0)));
        let (its, changed) = (std::sync::Arc::clone(&record), Arc::clone(&tables));
        let mutator = thread::spawn(move || {
            for state in 1..=2 {
                let _changing = its.changing();
                changed.iter().for_each(|table| table.store(state, loom::sync::atomic::Ordering::Relaxed));
            }
        });
        let before = record.changes();
        let [one, other] = [0, 1].map(|at| tables[at].load(loom::sync::atomic::Ordering::Relaxed));
        if before % 2 == 0 && record.changes() == before {
            assert_eq!([one, other], [before / 2; 2], "a look between two changes");
        }
        mutator.join().expect("no panic");
    });
}
