//! The write barrier: modes, colours of the running cycle and grey buffers.
//!
//! A slot write is one of three things, by the writing mutator's [`Mode`]:
//!
//! 1. `Off`: a release store.
//! 2. `Both`: swap, shade what was there, shade what is put there.
//! 3. `Deletion`: swap, shade what was there.
//!
//! The slot types in `handle/` do the swap; this module owns what shading means. It never decides when a mode changes
//! (that is the answer to a handshake, `mutator/`) and never scans an object (that is `mark/`).

mod buffer;
mod grey;
mod shade;
#[cfg(all(test, loom))]
mod shade_loom;

use greyset_sync::{Fault, fault};

pub(crate) use buffer::{SEGMENT_LEN, Segment};
pub(crate) use grey::Grey;
pub(crate) use shade::{Shade, Shaded, size_of_object};

/// What a mutator's slots look at when they are written: its mode, as far as they must know it without delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Barrier {
    /// A store is all, in mode Off.
    Off = 0,
    /// Shade what was there, in mode Deletion.
    Deletion = 1,
    /// More is to be done: in mode Both, which is short, and in all modes if the mutator keeps its writes (`zeal/blame`).
    Other = 2,
}

/// What a mutator's slot writes do. Changed only by the answer to a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mode {
    /// No marking: plain stores, fresh objects in the live colour.
    Off = 0,
    /// Between handshakes 1 and 2: shade old and new values, fresh objects white.
    Both = 1,
    /// Between handshakes 2 and 3: shade old values, fresh objects black.
    Deletion = 2,
}

impl Mode {
    /// The mode a byte written by [`Mode::byte`] stands for.
    pub(crate) fn from_byte(byte: u8) -> Mode {
        match byte {
            0 => Mode::Off,
            1 => Mode::Both,
            _ => Mode::Deletion,
        }
    }

    /// Whether slot writes in this mode are wrongly a load and a store.
    pub(crate) fn splits_writes(self) -> bool {
        fault(Fault::LoadThenStore)
            || self == Mode::Both && fault(Fault::LoadThenStoreInBoth)
            || self == Mode::Deletion && fault(Fault::LoadThenStoreInDeletion)
    }

    /// The mode as a byte, for atomic cells.
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }
}
