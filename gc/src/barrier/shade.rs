//! Shading: white to black, and onto a grey buffer.
//!
//! `shade(p)`: if the object p lies in is white, set its byte black; if it can hold references, the caller pushes it on
//! its own grey buffer. Two threads that race shade the same object twice, which is harmless: this is why a relaxed byte
//! store is enough and no locked instruction is needed (heap.md, "Colour bytes instead of bits").

use crate::barrier::Grey;
use greyset_alloc::{Colour, Space, SpanClassId, SpanFlags, View};
use greyset_sync::atomic::AtomicU8;
use greyset_sync::atomic::Ordering::Relaxed;
use greyset_sync::{Fault, Point, fault, point, told};

/// The bits of a colour byte that hold the colour; the others are flags fixed at allocation.
const COLOUR_BITS: u8 = Colour::MASK;

/// What a shade did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shaded {
    /// It was not white.
    Already,
    /// It was white, is black now and holds no references: `size` bytes marked, nothing to scan.
    Leaf {
        /// Slot size in bytes.
        size: usize,
    },
    /// It was white and is black now, and must go on a grey buffer. It is counted when it is scanned.
    Grey(Grey),
}

/// White and black of the running cycle, as bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shade {
    white: u8,
    black: u8,
    /// The bits that differ between the two.
    flip: u8,
}

impl Shade {
    /// The colours of a cycle in which `white` is white.
    pub(crate) fn new(white: Colour) -> Shade {
        let (white, black) = (white.byte(), white.other().byte());
        Shade { white, black, flip: white ^ black }
    }

    /// Colours the object that `addr` lies in.
    ///
    /// `addr` must lie in an object allocated in this space; the references handed out by the handle types do.
    #[inline(always)]
    pub(crate) fn shade(self, view: View<'_>, addr: usize) -> Shaded {
        let page = view.page(addr);
        let (byte, base) = view.locate(page, addr);
        if fault(Fault::InteriorUnresolved) && addr != base {
            return Shaded::Already;
        }
        if !self.darken(byte) {
            told(|| format!("shade({base:#x}): not white"));
            return Shaded::Already;
        }
        let leaf = page.flags().contains(SpanFlags::LEAF);
        told(|| format!("shade({base:#x}): white -> {}", if leaf { "black" } else { "grey" }));
        if leaf {
            Shaded::Leaf { size: size_of_object(view.space(), page.class(), base) }
        } else {
            Shaded::Grey(Grey::new(view, page, base))
        }
    }

    /// Turns a colour byte black if it is white, and says whether it was: `shade` for who has found the byte before.
    #[inline(always)]
    pub(crate) fn darken(self, byte: &AtomicU8) -> bool {
        point(Point::ShadeRead);
        let old = byte.load(Relaxed);
        let white = self.means_white(old);
        if white {
            point(Point::ShadeWrite);
            byte.store(old ^ self.flip, Relaxed);
        }
        white
    }

    /// As [`Shade::darken`], without a branch: where white and black come in no order, a processor would guess wrong every other
    /// time. What is not white is left alone; `elsewhere` is written in its stead.
    #[inline(always)]
    pub(crate) fn darken_unforeseen(self, byte: &AtomicU8, elsewhere: &AtomicU8) -> bool {
        point(Point::ShadeRead);
        let old = byte.load(Relaxed);
        let white = self.means_white(old);
        if white {
            point(Point::ShadeWrite);
        }
        std::hint::select_unpredictable(white, byte, elsewhere).store(old ^ self.flip, Relaxed);
        white
    }

    /// Whether a colour byte says white.
    #[inline(always)]
    fn means_white(self, byte: u8) -> bool {
        byte & COLOUR_BITS == self.white
    }

    /// Turns whatever is white in a row of colour bytes black: a cycle that cannot be trusted keeps everything.
    pub(crate) fn blacken(self, colours: &[AtomicU8]) {
        for byte in colours {
            self.darken(byte);
        }
    }

    /// Whether the object that `addr` lies in is white.
    #[inline]
    pub(crate) fn is_white(self, space: &Space, addr: usize) -> bool {
        self.means_white(space.colour_at(space.page(addr), addr).load(Relaxed))
    }

    /// Whether the object that `addr` lies in is black.
    #[inline]
    pub(crate) fn is_black(self, space: &Space, addr: usize) -> bool {
        let byte = space.colour_at(space.page(addr), addr);
        byte.load(Relaxed) & COLOUR_BITS == self.black
    }
}

/// Bytes of the slot that the object at `base`, of this class, has.
#[inline(always)]
pub(crate) fn size_of_object(space: &Space, class: SpanClassId, base: usize) -> usize {
    match space.class_info(class).slot() {
        0 => space.span_at(base).object_bytes(),
        slot => slot,
    }
}
