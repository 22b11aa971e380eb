//! Colours: what a slot's byte in the colour table says.
//!
//! Which of A and B is white is not known here: the meaning flips each cycle, and only the collector keeps count.

/// A slot's colour, without flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct Colour(u8);

impl Colour {
    /// Nothing is in the slot. The whole byte is 0: a free slot has no flags.
    pub const FREE: Colour = Colour(0);
    /// One colour of live objects.
    pub const A: Colour = Colour(1);
    /// The other colour of live objects.
    pub const B: Colour = Colour(2);
    /// Fills a strip behind its last slot, so that a search for free slots ends there. Of a slot: [`Colour::QUARANTINE`].
    pub(crate) const GUARD: Colour = Colour(3);
    /// The slot has been swept and is kept from reuse for a while: neither free nor live. Only where
    /// [`Zeal::quarantine`](crate::Zeal::quarantine) asks for it.
    pub const QUARANTINE: Colour = Colour(3);
    /// The bits of a byte that hold the colour. The others are flags, fixed when the object is allocated (its cache still
    /// owns the slot), and kept by marker and sweeper until the slot becomes Free.
    pub const MASK: u8 = 3;

    /// The colour in a byte of the table, without its flags.
    #[inline]
    pub const fn of(byte: u8) -> Colour {
        Colour(byte & Colour::MASK)
    }

    /// The colour as a byte without flags.
    #[inline]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Swaps A and B.
    ///
    /// # Panics
    /// In debug builds, if this is neither.
    #[inline]
    pub const fn other(self) -> Colour {
        debug_assert!(self.is_live());
        Colour(self.0 ^ 3)
    }

    /// Whether an object may be in the slot: A or B.
    #[inline]
    pub const fn is_live(self) -> bool {
        self.0 == 1 || self.0 == 2
    }

    /// Puts this colour into `byte`, keeping its flags.
    #[inline]
    pub const fn paint(self, byte: u8) -> u8 {
        (byte & !Colour::MASK) | self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Colour;

    #[test]
    fn other_swaps_a_and_b() {
        assert_eq!(Colour::A.other(), Colour::B);
        assert_eq!(Colour::B.other(), Colour::A);
    }

    #[test]
    fn paint_keeps_flags() {
        for byte in 0..=u8::MAX {
            let painted = Colour::B.paint(byte);
            assert_eq!(Colour::of(painted), Colour::B);
            assert_eq!(painted >> 2, byte >> 2);
        }
    }
}
