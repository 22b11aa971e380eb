//! The dead slots of a span that is about to be swept, as the collector gets to see them.

use super::Span;
use super::strip::{Coloured, count};
use crate::colour::Colour;
use crate::space::Space;
use greyset_sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A dead object: its slot becomes Free when the sweep of its span ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead {
    /// First byte of the object. The value is still there, nobody else can reach it.
    pub ptr: *mut u8,
    /// Its index in the span.
    pub index: usize,
    /// Its colour byte, flags and all.
    pub byte: u8,
}

/// The dead slots of a span, in ascending order. An iterator that can be cloned to go over them again.
#[derive(Clone)]
pub struct DeadSlots<'a> {
    space: &'a Space,
    span: &'a Span,
    strip: &'a [AtomicU8],
    white: Colour,
    rest: Coloured<'a>,
}

impl<'a> DeadSlots<'a> {
    pub(crate) fn new(space: &'a Space, span: &'a Span, white: Colour) -> DeadSlots<'a> {
        DeadSlots::in_strip(space, span, span.strip(space), white)
    }

    /// Those that `strip` says are dead.
    pub(crate) fn in_strip(
        space: &'a Space,
        span: &'a Span,
        strip: &'a [AtomicU8],
        white: Colour,
    ) -> DeadSlots<'a> {
        DeadSlots { space, span, strip, white, rest: Coloured::new(strip, white) }
    }

    /// How many there are in the whole span. Counts; linear in the slots of the span, 64 at a step.
    pub fn total(&self) -> usize {
        count(self.strip, self.white)
    }
}

impl Iterator for DeadSlots<'_> {
    type Item = Dead;

    fn next(&mut self) -> Option<Dead> {
        let index = self.rest.next()?;
        let ptr = self.space.pointer(self.span.object_addr(index));
        Some(Dead { ptr, index, byte: self.strip[index].load(Relaxed) })
    }
}
