//! What the heap has told the outside: values dropped, cleanups run.

use std::sync::{Arc, Mutex, PoisonError};

/// Something the collector did that the program can see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The drop glue of part `part` of object `id` has run.
    Dropped {
        /// The object.
        id: u64,
        /// Which of its parts with a destructor.
        part: u32,
    },
    /// The cleanup with this number has run.
    CleanedUp(u64),
}

/// Notes in the order in which they came, from any thread.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<Note>>);

impl Log {
    /// An empty log.
    pub fn new() -> Arc<Log> {
        Arc::default()
    }

    /// Adds a note.
    pub fn note(&self, note: Note) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// Takes all notes so far.
    pub fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A value whose destructor leaves a note.
#[derive(Debug)]
pub struct Tattler {
    /// Number of the object it is in.
    pub id: u64,
    /// Which part of the object.
    pub part: u32,
    /// Checks the number: see [`sum`].
    pub sum: u64,
    log: Arc<Log>,
}

impl Tattler {
    /// Part `part` of object `id`.
    pub fn new(id: u64, part: u32, log: &Arc<Log>) -> Tattler {
        Tattler { id, part, sum: sum(id), log: Arc::clone(log) }
    }
}

impl Drop for Tattler {
    fn drop(&mut self) {
        assert_eq!(self.sum, sum(self.id), "a value that is dropped is intact");
        self.log.note(Note::Dropped { id: self.id, part: self.part });
    }
}

/// A checksum of an object's number: differs in most bits between numbers.
pub fn sum(id: u64) -> u64 {
    (id ^ 0x5bd1_e995_0000_0001).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
